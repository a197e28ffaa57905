"""What a message says that was kept as its provider wrote it: texts, tool calls and results, whatever the format."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from comptroller.dialects.tree import dict_of, text_of


@dataclass(frozen=True, slots=True)
class Said:
    """One thing a message says."""

    kind: Literal["system", "user", "reply", "call", "result"]
    text: str
    call_id: str = ""
    tool: str = ""


def said_in(message: object) -> Iterator[Said]:
    """Everything a message says, in order; nothing for a list of tools or what we do not know."""
    if isinstance(message, str):
        yield Said("system", message)
    elif isinstance(message, list):
        yield from (one for piece in message for one in _block(piece, "system"))
    elif isinstance(message, dict):
        yield from _message(message)


def _message(message: dict[str, Any]) -> Iterator[Said]:
    kind = message.get("type")
    if kind in ("function_call", "custom_tool_call"):
        args = message.get("arguments", message.get("input"))
        yield Said("call", _flat(args), text_of(message.get("call_id")), text_of(message.get("name")))
    elif kind in ("function_call_output", "custom_tool_call_output"):
        yield Said("result", _flat(message.get("output")), text_of(message.get("call_id")))
    elif "parts" in message:
        role = "system" if not message.get("role") else _role(message)
        yield from (one for part in _list(message["parts"]) for one in _block(part, role))
    elif "content" in message or "tool_calls" in message:
        yield from _chat(message)
    elif isinstance(message.get("text"), str):
        yield Said("system", message["text"])


def _chat(message: dict[str, Any]) -> Iterator[Said]:
    role, content = _role(message), message.get("content")
    if role == "result":
        yield Said("result", _flat(content), text_of(message.get("tool_call_id")), text_of(message.get("name")))
        return
    if isinstance(content, str) and content:
        yield Said(role, content)
    for piece in _list(content):
        yield from _block(piece, role)
    for call in _list(message.get("tool_calls")):
        asked = dict_of(dict_of(call).get("function")) or dict_of(call)
        args = asked.get("arguments", asked.get("args"))
        yield Said("call", _flat(args), text_of(dict_of(call).get("id")), text_of(asked.get("name")))


def _block(piece: object, role: Any) -> Iterator[Said]:
    block = dict_of(piece)
    kind = block.get("type")
    if kind == "tool_use":
        yield Said("call", _flat(block.get("input")), text_of(block.get("id")), text_of(block.get("name")))
    elif kind == "tool_result":
        yield Said("result", _flat(block.get("content")), text_of(block.get("tool_use_id")))
    elif "functionCall" in block:
        call = dict_of(block["functionCall"])
        yield Said("call", _flat(call.get("args")), text_of(call.get("id")), text_of(call.get("name")))
    elif "functionResponse" in block:
        answer = dict_of(block["functionResponse"])
        yield Said("result", _flat(answer.get("response")), text_of(answer.get("id")), text_of(answer.get("name")))
    elif isinstance(block.get("text"), str) and block["text"] and block.get("kind", "text") == "text":
        yield Said(role, block["text"])


def _role(message: dict[str, Any]) -> Any:
    role = message.get("role")
    if role in ("tool", "function"):
        return "result"
    return {"assistant": "reply", "model": "reply", "system": "system", "developer": "system"}.get(str(role), "user")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _flat(value: object) -> str:
    """A content as the text a model reads."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(piece, dict) and "text" in piece for piece in value):
        return "\n".join(str(piece["text"]) for piece in value)
    return "" if value is None else json.dumps(value, ensure_ascii=False)
