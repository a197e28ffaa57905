"""Wire bodies the wrapper's tests send and receive."""

import json
from typing import Any

import httpx
import httpx2
import openai


def ask(text: str = "Hi", model: str = "gpt-4o-mini", **more: Any) -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}], **more}).encode()


def reply(
    text: str | None = "Hello", calls: list[tuple[str, str, dict[str, Any]]] | None = None, **usage: int
) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}
            for id, name, args in calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    counted = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, **usage}
    body = {"id": "r1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [choice]}
    return json.dumps({**body, "usage": counted}).encode()


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    body: dict[str, Any] = {"id": "r1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    body["choices"] = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({**body, **more}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def http_library() -> Any:
    """What this openai is built on: httpx2 for today's SDK, httpx for older ones."""
    kinds = (kind.__module__.partition(".")[0] for kind in openai.DefaultHttpxClient.__mro__)
    return next(httpx2 if kind == "httpx2" else httpx for kind in kinds if kind.startswith("httpx"))
