"""Tool calls of a streamed chat completion, put together out of their pieces."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from comptroller.core.call import ToolCall
from comptroller.dialects import tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.tree import dict_of, dump, text_of

MOST_CALLS = 1_000  # of one choice: their pieces are looked up one by one


@dataclass(slots=True)
class Held:
    """A tool call under way: its element of `tool_calls` so far, and the events it came in."""

    item: dict[str, Any]
    at: object  # the provider's own index
    legacy: bool = False
    texts: list[str] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    released: bool = False
    plain: bool = True  # every client puts its events together as we do; else it is written anew


def tool_call(item: dict[str, Any], path: Hashable) -> ToolCall:
    """The tool call in an element of `tool_calls`, whatever its kind."""
    inner, name = inner_of(item)
    text = spelled(inner.get(name))
    args = tree.object_or_none(text) if text.strip() else {}
    return ToolCall(text_of(item.get("id")), text_of(inner.get("name")), text, args, path)


def spelled(args: object) -> str:
    """Arguments as JSON text: some servers give the object itself."""
    if args is None or isinstance(args, str):
        return args or ""
    return dump(args).decode()


def hold(calls: list[Held], item: dict[str, Any], text: str, raw: bytes, legacy: bool, bare: bool = True) -> None:
    """Add a piece to the tool call it belongs to, or begin one. `bare`: its event holds nothing else."""
    at = "function_call" if legacy else item.get("index")
    held = _find(calls, at, text_of(item.get("id")))
    if held is None:
        if len(calls) >= MOST_CALLS:
            raise Unreadable(f"A choice asks for more than {MOST_CALLS} tool calls.")
        held = Held(dict(item), at, legacy)
        held.plain = bare and (legacy or (type(at) is int and at == len(calls))) and _is_plain(item, None)
        calls.append(held)
    elif held.released:
        raise Unreadable("A tool call goes on after its choice finished.")
    else:
        held.plain = held.plain and bare and _is_plain(item, held.item)
        _merge(held.item, item)
    held.texts.append(text)
    held.raws.append(raw)


def _is_plain(item: dict[str, Any], begun: dict[str, Any] | None) -> bool:
    """Whether clients agree on a piece: name, id and type in the first one alone, arguments as text."""
    inner, name = inner_of(item, begun)
    field_name = "custom" if name == "input" else "function"
    if not item.keys() <= {"index", "id", "type", field_name} or not inner.keys() <= {"name", name}:
        return False
    if not isinstance(inner.get(name, ""), (str, type(None))):
        return False
    if begun is None:
        return item.get("type") in (None, field_name)
    return not item.get("id") and not inner.get("name") and item.get("type") in (None, "", begun.get("type"))


def _find(calls: list[Held], at: object, call_id: str) -> Held | None:
    """The call a delta belongs to. Some servers give every call index 0, or none: then a new id is a new call."""
    for held in reversed(calls):
        if held.at == at:
            other = call_id and held.item.get("id") and held.item["id"] != call_id
            return None if other else held
    return None


def _merge(item: dict[str, Any], more: dict[str, Any]) -> None:
    before, after = inner_of(item)[0], inner_of(more, item)[0]
    name, added = text_of(before.get("name")), text_of(after.get("name"))
    for key in more.keys() - {"function", "custom", "index"}:
        item[key] = item.get(key) or more[key]
    if not before:
        item.update({key: more[key] for key in ("function", "custom") if key in more})
    elif added and added != name:
        before["name"] = name + added  # clients join what comes in pieces; a few servers repeat the whole name


def with_args(held: Held, args: str) -> dict[str, Any]:
    """The element of `tool_calls` with these arguments, and with nothing of the other kind."""
    inner, name = inner_of(held.item)
    rest = {key: value for key, value in held.item.items() if key not in ("function", "custom")}
    return {**rest, "custom" if name == "input" else "function": {**inner, name: tree.clean(args)}}


def inner_of(item: dict[str, Any], begun: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
    """What a tool call asks for, and the name of its arguments; where both kinds stand there its `type` tells."""
    told = begun or item
    both = isinstance(told.get("custom"), dict) and isinstance(told.get("function"), dict)
    custom = told.get("type") == "custom" if both else isinstance(told.get("custom"), dict)
    return dict_of(item.get("custom" if custom else "function")), "input" if custom else "arguments"
