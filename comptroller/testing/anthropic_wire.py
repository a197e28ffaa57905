"""A scripted reply as Anthropic's messages would send it, whole or in events."""

from collections.abc import Iterator
from typing import Any

import msgspec

from comptroller.testing.script import Received, Say, Use

SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzY3JpcHQ="


def whole(say: Say, asked: Received) -> bytes:
    """The body of a whole message."""
    content: list[dict[str, Any]] = []
    if say.thinking:
        content.append({"type": "thinking", "thinking": say.thinking, "signature": SIGNATURE})
    if say.text or say.refusal or not say.calls:
        content.append({"type": "text", "text": say.text or say.refusal})
    content += [_call(use, asked, index, _object(use)) for index, use in enumerate(say.calls)]
    body = {**_frame(asked), "content": content, "stop_reason": _finish(say)}
    if say.usage_times:
        body["usage"] = _usage(say, asked)
    return msgspec.json.encode(body)


def events(say: Say, asked: Received) -> Iterator[bytes]:
    """The events of a streamed message."""
    usage = _usage(say, asked)
    start = {**_frame(asked), "content": []}
    if say.usage_times:
        start["usage"] = {**usage, "output_tokens": 1}
    yield _event("message_start", message=start)
    yield _event("ping")
    for index, block in enumerate(_blocks(say, asked)):
        yield from _block_events(index, block, say.chunk)
    end = {"stop_reason": _finish(say), "stop_sequence": None}
    for number in range(max(say.usage_times, 1)):
        told = {"usage": {"output_tokens": usage["output_tokens"]}} if say.usage_times else {}
        delta = end if number == max(say.usage_times, 1) - 1 else {"stop_reason": None, "stop_sequence": None}
        yield _event("message_delta", delta=delta, **told)
    yield _event("message_stop")


def error(status: int, message: str) -> bytes:
    """The body of an error."""
    kinds = {429: "rate_limit_error", 529: "overloaded_error"}
    kind = kinds.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


Block = tuple[dict[str, Any], str, str, str]  # its start; its text, in which delta and which field of that


def _blocks(say: Say, asked: Received) -> Iterator[Block]:
    if say.thinking:
        start = {"type": "thinking", "thinking": "", "signature": ""}
        yield start, say.thinking, "thinking_delta", "thinking"
    if say.text or say.refusal or not say.calls:
        yield {"type": "text", "text": ""}, say.text or say.refusal, "text_delta", "text"
    for index, use in enumerate(say.calls):
        args = use.args if isinstance(use.args, str) else msgspec.json.encode(use.args).decode()
        yield _call(use, asked, index, {}), args, "input_json_delta", "partial_json"


def _block_events(index: int, block: Block, chunk: int) -> Iterator[bytes]:
    start, text, kind, name = block
    yield _event("content_block_start", index=index, content_block=start)
    for at in range(0, len(text), chunk):
        yield _event("content_block_delta", index=index, delta={"type": kind, name: text[at : at + chunk]})
    if kind == "thinking_delta":
        yield _event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": SIGNATURE})
    yield _event("content_block_stop", index=index)


def _call(use: Use, asked: Received, index: int, given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": use.id or f"toolu_{asked.number:06d}_{index}", "name": use.name, "input": given}


def _object(use: Use) -> Any:
    return msgspec.json.decode(use.args) if isinstance(use.args, str) else use.args


def _usage(say: Say, asked: Received) -> dict[str, Any]:
    texts = [say.text, say.thinking, say.refusal, *(str(use.args) for use in say.calls)]
    usage: dict[str, Any] = {
        "input_tokens": max(len(asked.body) // 4, 1),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": sum(map(len, texts)) // 4 + 1,
        "service_tier": "standard",
    }
    usage.update(say.usage or {})
    return usage


def _finish(say: Say) -> str:
    return say.finish or ("tool_use" if say.calls else "refusal" if say.refusal else "end_turn")


def _frame(asked: Received) -> dict[str, Any]:
    return {
        "id": f"msg_{asked.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "stop_reason": None,
        "stop_sequence": None,
    }


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode({"type": kind, **fields}) + b"\n\n"
