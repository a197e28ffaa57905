"""What a message says, whichever provider's shape it was kept in: its role, its texts, its tool calls and results."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message: a text, a tool call, a tool's result, or something else as it stands."""

    kind: str  # text | call | result | other
    text: str
    title: str = ""  # the tool's name or the id of the call


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: str
    parts: tuple[Part, ...]
    raw: Any = None

    @property
    def print(self) -> str:
        """Equal where two messages say the same."""
        return json.dumps([self.role, [[part.kind, part.title, part.text] for part in self.parts]])


def read(raw: Any) -> Message:
    """A message as it was kept; what is in no known shape is shown as it stands, None as not kept."""
    if raw is None:
        return Message("unknown", (Part("other", "Not kept, or erased."),), None)
    if isinstance(raw, str):
        return Message("text", (Part("text", raw),), raw)
    if not isinstance(raw, Mapping):
        return Message("unknown", (Part("other", _json(raw)),), raw)
    kind = str(raw.get("type") or "")
    if kind in _ITEMS:
        return Message(_ITEMS[kind], tuple(_block(raw)), raw)
    return Message(_role(raw), tuple(_parts(raw)) or (Part("other", _json(raw)),), raw)


# Items of the Responses API that are messages of their own.
_ITEMS = {"function_call": "assistant", "function_call_output": "tool", "reasoning": "assistant"}
_ROLES = {"model": "assistant", "developer": "system", "function": "tool"}


def _role(raw: Mapping[str, Any]) -> str:
    role = str(raw.get("role") or "unknown")
    return _ROLES.get(role, role)


def _parts(raw: Mapping[str, Any]) -> Iterator[Part]:
    content = raw.get("content", raw.get("parts"))
    if raw.get("role") in ("tool", "function"):
        yield Part("result", _plain(content), str(raw.get("name") or raw.get("tool_call_id") or ""))
        return
    if isinstance(content, str):
        if content:
            yield Part("text", content)
    else:
        for block in content if isinstance(content, list) else [content] if content is not None else []:
            yield from _block(block)
    calls = raw.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield Part("call", _plain(function.get("arguments")), str(function.get("name") or ""))
        else:
            yield Part("other", _json(call), "tool call")
    if raw.get("refusal"):
        yield Part("text", str(raw["refusal"]), "refusal")


def _block(block: Any) -> Iterator[Part]:
    """One block of a message: of OpenAI, Anthropic or Gemini."""
    if not isinstance(block, Mapping):
        yield Part("text", block) if isinstance(block, str) else Part("other", _json(block))
        return
    kind = str(block.get("type") or "")
    called = block.get("functionCall") or block.get("function_call")
    answered = block.get("functionResponse") or block.get("function_response")
    if isinstance(called, Mapping):
        yield Part("call", _json(called.get("args")), str(called.get("name") or ""))
    elif isinstance(answered, Mapping):
        yield Part("result", _json(answered.get("response")), str(answered.get("name") or ""))
    elif kind in ("tool_use", "function_call"):
        given = block.get("input", block.get("arguments"))
        yield Part("call", _plain(given), str(block.get("name") or ""))
    elif kind in ("tool_result", "function_call_output"):
        given = block.get("content", block.get("output"))
        yield Part("result", _plain(given), str(block.get("tool_use_id") or block.get("call_id") or ""))
    elif isinstance(block.get("text"), str):
        yield Part("text", block["text"])
    elif isinstance(block.get("thinking"), str):
        yield Part("text", block["thinking"], "thinking")
    else:
        yield Part("other", _json(block), kind)


def _plain(value: Any) -> str:
    """A text as it is, texts of blocks one below the other, anything else as JSON."""
    if isinstance(value, str):
        return value
    texts = [block.get("text") for block in value if isinstance(block, Mapping)] if isinstance(value, list) else []
    if texts and len(texts) == len(value) and all(isinstance(text, str) for text in texts):
        return "\n".join(str(text) for text in texts)
    return _json(value)


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2, default=str)
