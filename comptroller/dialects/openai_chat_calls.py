"""Tool calls of a streamed chat completion, put together out of their pieces."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from comptroller.core.call import ToolCall
from comptroller.dialects import tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.tree import dict_of, text_of


@dataclass(slots=True)
class Held:
    """A tool call under way: its element of `tool_calls` so far, and the events it came in."""

    item: dict[str, Any]
    at: object  # the provider's own index
    legacy: bool = False
    texts: list[str] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    released: bool = False


def tool_call(item: dict[str, Any], path: Hashable) -> ToolCall:
    """The tool call in an element of `tool_calls`, whatever its kind."""
    custom = isinstance(item.get("custom"), dict)
    inner = dict_of(item.get("custom" if custom else "function"))
    text = text_of(inner.get("input" if custom else "arguments"))
    args = tree.object_or_none(text) if text.strip() else {}
    return ToolCall(text_of(item.get("id")), text_of(inner.get("name")), text, args, path)


def hold(calls: list[Held], item: dict[str, Any], text: str, raw: bytes, legacy: bool) -> None:
    """Add a piece to the tool call it belongs to, or begin one."""
    at = "function_call" if legacy else item.get("index")
    held = _find(calls, at, text_of(item.get("id")))
    if held is None:
        held = Held(dict(item), at, legacy)
        calls.append(held)
    elif held.released:
        raise Unreadable("A tool call goes on after its choice finished.")
    else:
        _merge(held.item, item)
    held.texts.append(text)
    held.raws.append(raw)


def _find(calls: list[Held], at: object, call_id: str) -> Held | None:
    """The call a delta belongs to. Some servers give every call index 0, or none: then a new id is a new call."""
    for held in reversed(calls):
        if held.at == at:
            other = call_id and held.item.get("id") and held.item["id"] != call_id
            return None if other else held
    return None


def _merge(item: dict[str, Any], more: dict[str, Any]) -> None:
    before, after = inner_of(item)[0], inner_of(more)[0]
    name, added = text_of(before.get("name")), text_of(after.get("name"))
    for key in more.keys() - {"function", "custom", "index"}:
        item[key] = item.get(key) or more[key]
    if not before:
        item.update({key: more[key] for key in ("function", "custom") if key in more})
    elif added and added != name:
        before["name"] = name + added  # clients join what comes in pieces; a few servers repeat the whole name


def with_args(held: Held, args: str) -> dict[str, Any]:
    inner, name = inner_of(held.item)
    return {**held.item, "custom" if name == "input" else "function": {**inner, name: tree.clean(args)}}


def inner_of(item: dict[str, Any]) -> tuple[dict[str, Any], str]:
    if isinstance(item.get("custom"), dict):
        return item["custom"], "input"
    return dict_of(item.get("function")), "arguments"
