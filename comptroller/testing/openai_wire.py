"""A scripted reply as OpenAI's chat completions would send it, whole or in events."""

from collections.abc import Iterator
from typing import Any

import msgspec

from comptroller.testing.script import Received, Say, Use

CREATED = 1_767_225_600  # the first second of 2026: replies are the same in every run


def whole(say: Say, asked: Received) -> bytes:
    """The body of a whole completion."""
    choice = {"message": _message(say, asked), "logprobs": None, "finish_reason": _finish(say)}
    body = {
        **_frame(asked, "chat.completion"),
        "choices": [{"index": index, **choice} for index in range(_choices(asked))],
    }
    if say.usage_times:
        body["usage"] = _usage(say, asked)
    return msgspec.json.encode(body)


def events(say: Say, asked: Received) -> Iterator[bytes]:
    """The events of a streamed completion."""
    frame = _frame(asked, "chat.completion.chunk")
    for index in range(_choices(asked)):
        for delta in _deltas(say, asked):
            yield _event(frame, [{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}])
        yield _event(frame, [{"index": index, "delta": {}, "logprobs": None, "finish_reason": _finish(say)}])
    options = asked.json.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        for _ in range(say.usage_times):
            yield _event({**frame, "usage": _usage(say, asked)}, [])
    yield b"data: [DONE]\n\n"


def error(status: int, message: str) -> bytes:
    """The body of an error."""
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": None}})


def _deltas(say: Say, asked: Received) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if say.calls and not say.text else "", "refusal": None}
    for name, text in (("reasoning_content", say.thinking), ("content", say.text), ("refusal", say.refusal)):
        for start in range(0, len(text), say.chunk):
            yield {name: text[start : start + say.chunk]}
    for index, use in enumerate(say.calls):
        call = _call(use, asked, index)
        args = call["function"]["arguments"]
        call["function"]["arguments"] = ""
        yield {"tool_calls": [{"index": index, **call}]}
        for start in range(0, len(args), say.chunk):
            yield {"tool_calls": [{"index": index, "function": {"arguments": args[start : start + say.chunk]}}]}


def _message(say: Say, asked: Received) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": say.text or (None if say.calls or say.refusal else ""),
        "refusal": say.refusal or None,
    }
    if say.thinking:
        message["reasoning_content"] = say.thinking
    if say.calls:
        message["tool_calls"] = [_call(use, asked, index) for index, use in enumerate(say.calls)]
    return message


def _call(use: Use, asked: Received, index: int) -> dict[str, Any]:
    args = use.args if isinstance(use.args, str) else msgspec.json.encode(use.args).decode()
    call_id = use.id or f"call_{asked.number:06d}_{index}"
    return {"id": call_id, "type": "function", "function": {"name": use.name, "arguments": args}}


def _usage(say: Say, asked: Received) -> dict[str, Any]:
    sent = max(len(asked.body) // 4, 1)
    got = _choices(asked) * (sum(map(len, (say.text, say.thinking, say.refusal, *_args(say)))) // 4 + 1)
    usage: dict[str, Any] = {
        "prompt_tokens": sent,
        "completion_tokens": got,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(say.thinking) // 4, "audio_tokens": 0},
    }
    usage.update(say.usage or {})
    usage.setdefault("total_tokens", _sum(usage["prompt_tokens"], usage["completion_tokens"]))
    return usage


def _sum(*counts: object) -> int:
    return sum(count for count in counts if isinstance(count, int))


def _args(say: Say) -> list[str]:
    return [str(use.args) for use in say.calls]


def _finish(say: Say) -> str:
    return say.finish or ("tool_calls" if say.calls else "stop")


def _choices(asked: Received) -> int:
    count = asked.json.get("n")
    return count if isinstance(count, int) and 0 < count <= 128 else 1


def _frame(asked: Received, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{asked.number:06d}",
        "object": kind,
        "created": CREATED,
        "model": asked.model,
        "service_tier": "default",
        "system_fingerprint": "fp_5c21b7",
    }


def _event(frame: dict[str, Any], choices: list[dict[str, Any]]) -> bytes:
    return b"data: " + msgspec.json.encode({**frame, "choices": choices}) + b"\n\n"
