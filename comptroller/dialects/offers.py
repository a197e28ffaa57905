"""Tools on offer in a request, and how some are taken out of it so that what is left is still a valid request.

What the conversation tells of earlier calls stays as it is: only the offer changes. A request that demands one of the
tools that go has nothing valid left to ask for, which is `Demanded`.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from msgspec import Raw

from comptroller.dialects import tree
from comptroller.dialects.dialect import Demanded
from comptroller.dialects.tree import dict_of, dump, list_of, text_of

Fields = dict[str, Raw]
Gone = frozenset[str]
NameOf = Callable[[dict[str, Any]], str]
REMEMBERED = 1 << 18  # bytes of a list of tools
# Anthropic refuses a conversation with tool calls in it and no tools beside it.
NOTHING = {
    "name": "no_tool_is_available",
    "description": "No tool is available.",
    "input_schema": {"type": "object", "properties": {}},
}
LOADED = ("additional_tools", "tool_search_output")  # items of a response's input that offer tools, too
CLIENT_TYPES = ("local_shell", "apply_patch", "computer", "computer_use_preview", "shell")


# -- OpenAI chat completions


def withdraw_from_chat(top: Fields, gone: Gone) -> None:
    """Take tools and (the older) functions out."""
    left = _filter(top, "tools", gone, chat_name)
    functions = _filter(top, "functions", gone, _name)
    _choose(top, "tool_choice", _chat_choice(tree.value(top, "tool_choice"), gone, left))
    called = tree.value(top, "function_call")
    _choose(top, "function_call", _one_choice(called, text_of(dict_of(called).get("name")), gone, functions))
    if not left:
        top.pop("parallel_tool_calls", None)


def chat_name(tool: dict[str, Any]) -> str:
    """The name of a tool of a chat completion."""
    return text_of(dict_of(tool.get("function") or tool.get("custom")).get("name"))


def _chat_choice(choice: Any, gone: Gone, left: bool) -> Any:
    node = dict_of(choice)
    if node.get("type") == "allowed_tools":
        inner = dict_of(node.get("allowed_tools"))
        kept = _allowed(inner, gone, chat_name, left)
        return {**node, "allowed_tools": kept} if isinstance(kept, dict) else kept
    return _one_choice(choice, chat_name(node), gone, left)


def _one_choice(choice: Any, name: str, gone: Gone, left: bool) -> Any:
    """A choice of one tool by its name, or a word: nothing where no tool is left to choose from."""
    if name in gone:
        raise Demanded(name)
    if not left and choice == "required":
        raise Demanded("")
    return choice if left else None


def _allowed(node: dict[str, Any], gone: Gone, name_of: NameOf, left: bool) -> Any:
    """A choice among some of the tools: fewer of them, or none at all."""
    tools = [tool for tool in list_of(node.get("tools")) if name_of(dict_of(tool)) not in gone]
    if tools:
        return {**node, "tools": tools}
    if node.get("mode") == "required":
        raise Demanded("")
    return "none" if left else None


# -- OpenAI responses


def withdraw_from_responses(top: Fields, gone: Gone) -> None:
    """Take tools out of the list, of namespaces in it, and of items of the input that bring more."""
    left = False
    if "tools" in top:
        tools = list(_responses_tools(tree.value(top, "tools"), gone))
        left = bool(tools)
        _put(top, "tools", tools)
    if any(f'"{kind}"'.encode() in bytes(top.get("input", b"")) for kind in LOADED):
        items = [_loaded(item, gone) for item in list_of(tree.value(top, "input"))]
        left = left or any(dict_of(item).get("type") in LOADED for item in items)
        top["input"] = Raw(dump(items))
    _choose(top, "tool_choice", _responses_choice(tree.value(top, "tool_choice"), gone, left))
    if not left:
        top.pop("parallel_tool_calls", None)


def responses_name(tool: dict[str, Any]) -> str:
    """The name of a tool the client runs; empty for one the provider runs."""
    kind = text_of(tool.get("type"))
    if kind in ("", "function", "custom"):
        return text_of(tool.get("name"))
    return kind.removesuffix("_use_preview") if kind in CLIENT_TYPES else ""


def loaded_names(item: dict[str, Any]) -> Iterator[str]:
    """Names of the tools that an item of the input brings."""
    for tool in map(dict_of, list_of(item.get("tools"))):
        yield responses_name(tool)
        yield from loaded_names(tool)


def _responses_tools(tools: Any, gone: Gone) -> Iterator[Any]:
    for tool in list_of(tools):
        node = dict_of(tool)
        if node.get("type") == "namespace":
            inner = list(_responses_tools(node.get("tools"), gone))
            if inner:
                yield {**node, "tools": inner}
        elif responses_name(node) not in gone:
            yield tool


def _loaded(item: Any, gone: Gone) -> Any:
    node = dict_of(item)
    return {**node, "tools": list(_responses_tools(node.get("tools"), gone))} if node.get("type") in LOADED else item


def _responses_choice(choice: Any, gone: Gone, left: bool) -> Any:
    node = dict_of(choice)
    if node.get("type") == "allowed_tools":
        return _allowed(node, gone, responses_name, left)
    return _one_choice(choice, responses_name(node), gone, left)


# -- Anthropic messages


def withdraw_from_messages(top: Fields, gone: Gone, name_of: NameOf) -> None:
    """Take tools the client runs (`name_of` names no others) out; a conversation that used some keeps one that does
    nothing.
    """
    left = _filter(top, "tools", gone, name_of)
    choice = dict_of(tree.value(top, "tool_choice"))
    if choice.get("type") == "tool" and choice.get("name") in gone:
        raise Demanded(text_of(choice.get("name")))
    if left:
        return
    if choice.get("type") == "any":
        raise Demanded("")
    top.pop("tool_choice", None)
    if b'"tool_use"' in bytes(top.get("messages", b"")):
        top["tools"], top["tool_choice"] = Raw(dump([NOTHING])), Raw(dump({"type": "none"}))


# -- Gemini


def withdraw_from_contents(top: Fields, gone: Gone, key: Callable[[Any, str], str]) -> None:
    """Take function declarations out; `key` tells how a node spells a field."""
    given = tree.value(top, "tools")
    tools = [tool for tool in (_declaring(dict_of(t), gone, key) for t in list_of(given) or [given]) if tool]
    _put(top, "tools", tools)
    left = any(key(tool, "functionDeclarations") in tool for tool in tools)
    name = key(top, "toolConfig")
    config = dict_of(tree.value(top, name))
    calling = key(config, "functionCallingConfig")
    if calling not in config:
        return
    kept = _calling(dict_of(config.pop(calling)), gone, key, left)
    if kept:
        config[calling] = kept
    _choose(top, name, config or None)


def _declaring(tool: dict[str, Any], gone: Gone, key: Callable[[Any, str], str]) -> dict[str, Any]:
    name = key(tool, "functionDeclarations")
    if name not in tool:
        return tool
    declared = list_of(tool.pop(name))
    kept = [function for function in declared if text_of(dict_of(function).get("name")) not in gone]
    return {**tool, name: kept} if kept else tool


def _calling(node: dict[str, Any], gone: Gone, key: Callable[[Any, str], str], left: bool) -> dict[str, Any]:
    demands = text_of(node.get("mode")).upper() == "ANY"
    name = key(node, "allowedFunctionNames")
    named = list_of(node.get(name))
    kept = [function for function in named if function not in gone]
    if demands and (not left or (named and not kept)):
        raise Demanded(text_of(named[0]) if len(named) == 1 else "")
    if not left:
        return {}
    if named and not kept:
        return {"mode": "NONE"}  # without any name all would be allowed
    return {**node, name: kept} if named else node


# -- all of them


def _filter(top: Fields, name: str, gone: Gone, name_of: NameOf) -> bool:
    """Take items out of an array; those that stay keep their bytes. True where any is left."""
    data = bytes(top.get(name, b""))
    left = (_left if len(data) <= REMEMBERED else _left.__wrapped__)(data, gone, name_of)
    if left:
        top[name] = Raw(left)
    else:
        top.pop(name, None)
    return bool(left)


@lru_cache(maxsize=32)  # an agent brings the same with every call: 20 tools cost 0.08 of a call then, not 0.2
def _left(data: bytes, gone: Gone, name_of: NameOf) -> bytes:
    """The array without the items that go; nothing where none is left."""
    if data in (b"", b"null"):
        return b""
    kept = [raw for raw in tree.items(data) if name_of(dict_of(tree.load(raw))) not in gone]
    return dump(kept) if kept else b""


def _name(node: dict[str, Any]) -> str:
    return text_of(node.get("name"))


def _put(top: Fields, name: str, kept: list[Any]) -> None:
    """No provider takes an empty list of tools."""
    if kept:
        top[name] = Raw(dump(kept))
    else:
        top.pop(name, None)


def _choose(top: Fields, name: str, choice: Any) -> None:
    if choice is None:
        top.pop(name, None)
    elif name in top:
        top[name] = Raw(dump(choice))
