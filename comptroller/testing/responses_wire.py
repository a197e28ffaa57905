"""A scripted reply as OpenAI's responses would send it, whole or in events; and embeddings."""

from collections.abc import Iterator
from typing import Any

import msgspec

from comptroller.testing import openai_wire
from comptroller.testing.openai_wire import CREATED
from comptroller.testing.script import Received, Say, Use

error = openai_wire.error


def whole(say: Say, asked: Received) -> bytes:
    """The body of a whole response."""
    return msgspec.json.encode(_response(say, asked, _items(say, asked)))


def events(say: Say, asked: Received) -> Iterator[bytes]:
    """The events of a streamed response."""
    for number, event in enumerate(_events(say, asked)):
        kind = str(event["type"]).encode()
        yield b"event: " + kind + b"\ndata: " + msgspec.json.encode({**event, "sequence_number": number}) + b"\n\n"


def embeddings(say: Say, asked: Received) -> bytes:
    """The body of a reply with one vector for each input."""
    given = asked.json.get("input")
    many = isinstance(given, list) and bool(given) and not isinstance(given[0], int)
    count = len(given) if many and isinstance(given, list) else 1
    # Little-endian floats of 0.0, 0.5 and 1.0, as base64 for those who ask for it: the official SDK does.
    vector: object = "AAAAAAAAAD8AAIA/" if asked.json.get("encoding_format") == "base64" else [0.0, 0.5, 1.0]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    body: dict[str, Any] = {"object": "list", "data": data, "model": asked.model}
    if say.usage_times:
        sent = max(len(asked.body) // 4, 1)
        body["usage"] = {"prompt_tokens": sent, "total_tokens": sent, **(say.usage or {})}
    return msgspec.json.encode(body)


Event = dict[str, Any]


def _events(say: Say, asked: Received) -> Iterator[Event]:
    begun = {**_response(say, asked, []), "status": "in_progress", "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    items = _items(say, asked)
    for index, item in enumerate(items):
        yield from _item_events(index, item, say.chunk)
    end = _response(say, asked, items)
    yield {"type": f"response.{end['status']}", "response": end}


def _item_events(index: int, item: Event, chunk: int) -> Iterator[Event]:
    name = {"message": "content", "reasoning": "summary"}.get(item["type"], "")
    start = {**item, name: []} if name else {**item, "arguments": ""}
    if "status" in item:
        start["status"] = "in_progress"
    yield {"type": "response.output_item.added", "output_index": index, "item": start}
    if not name:
        where: Event = {"output_index": index, "item_id": item["id"]}
        for delta in _pieces(item["arguments"], chunk):
            yield {"type": "response.function_call_arguments.delta", **where, "delta": delta}
        done = {**where, "arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **done}
    for at, part in enumerate(item.get(name, ())):
        yield from _part_events({"output_index": index, "item_id": item["id"], f"{name}_index": at}, part, chunk)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part_events(where: Event, part: Event, chunk: int) -> Iterator[Event]:
    kind = "reasoning_summary_part" if part["type"] == "summary_text" else "content_part"
    field = "refusal" if part["type"] == "refusal" else "text"
    texts = {"summary_text": "reasoning_summary_text"}.get(part["type"], part["type"])
    more: Event = {"logprobs": []} if part["type"] == "output_text" else {}
    yield {"type": f"response.{kind}.added", **where, "part": {**part, field: ""}}
    for delta in _pieces(part[field], chunk):
        yield {"type": f"response.{texts}.delta", **where, "delta": delta, **more}
    yield {"type": f"response.{texts}.done", **where, field: part[field], **more}
    yield {"type": f"response.{kind}.done", **where, "part": part}


def _pieces(text: str, chunk: int) -> Iterator[str]:
    return (text[start : start + chunk] for start in range(0, len(text), chunk))


def _items(say: Say, asked: Received) -> list[Event]:
    made: list[Event] = []
    if say.thinking:
        summary = [{"type": "summary_text", "text": say.thinking}]
        made.append({"id": f"rs_{asked.number:06d}", "type": "reasoning", "summary": summary})
    if say.text or say.refusal or not say.calls:
        content = [{"type": "output_text", "text": say.text, "annotations": [], "logprobs": []}]
        if say.refusal:
            content = [{"type": "refusal", "refusal": say.refusal}]
        head = {"id": f"msg_{asked.number:06d}", "type": "message", "status": "completed", "role": "assistant"}
        made.append({**head, "content": content})
    return made + [_call(use, asked, index) for index, use in enumerate(say.calls)]


def _call(use: Use, asked: Received, index: int) -> Event:
    args = use.args if isinstance(use.args, str) else msgspec.json.encode(use.args).decode()
    return {
        "id": f"fc_{asked.number:06d}_{index}",
        "type": "function_call",
        "status": "completed",
        "call_id": use.id or f"call_{asked.number:06d}_{index}",
        "name": use.name,
        "arguments": args,
    }


def _response(say: Say, asked: Received, output: list[Event]) -> Event:
    reason = say.finish if say.finish not in ("", "completed") else ""
    return {
        "id": f"resp_{asked.number:06d}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": asked.json.get("instructions"),
        "metadata": {},
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": asked.json.get("previous_response_id"),
        "service_tier": "default",
        "tool_choice": "auto",
        "tools": asked.json.get("tools") or [],
        "usage": _usage(say, asked) if say.usage_times else None,
    }


def _usage(say: Say, asked: Received) -> Event:
    sent = max(len(asked.body) // 4, 1)
    args = [str(use.args) for use in say.calls]
    got = sum(map(len, (say.text, say.thinking, say.refusal, *args))) // 4 + 1
    usage: Event = {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": got,
        "output_tokens_details": {"reasoning_tokens": len(say.thinking) // 4},
    }
    usage.update(say.usage or {})
    if isinstance(usage["input_tokens"], int) and isinstance(usage["output_tokens"], int):
        usage.setdefault("total_tokens", usage["input_tokens"] + usage["output_tokens"])
    return usage
