"""Tools taken out of the offer: in every format what is left is a valid request, and history stays as it was."""

import json
from typing import Any

import pytest

from comptroller.core.call import Change
from comptroller.dialects.dialect import Demanded
from comptroller.dialects.routes import dialect_for

PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
}


def without(format: str, body: dict[str, Any], *gone: str) -> dict[str, Any]:
    dialect = dialect_for("POST", PATHS[format])
    assert dialect is not None
    request = dialect.read(json.dumps(body).encode(), PATHS[format])
    assert set(gone) <= set(request.tools), "only what is read as a tool is ever taken out"
    found: dict[str, Any] = json.loads(dialect.rewrite(request, Change(hidden=frozenset(gone))))
    dialect.read(json.dumps(found).encode(), PATHS[format])
    return found


def chat_tool(name: str, kind: str = "function") -> dict[str, Any]:
    return {"type": kind, kind: {"name": name}}


def chat(*tools: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": list(tools), **more}


def responses(*tools: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": "Hi", "tools": list(tools), **more}


def messages(*tools: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    return {**body, "tools": list(tools), **more}


def gemini(*tools: dict[str, Any], **calling: Any) -> dict[str, Any]:
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "tools": list(tools)}
    return {**body, "toolConfig": {"functionCallingConfig": calling}} if calling else body


def declared(*names: str) -> dict[str, Any]:
    return {"functionDeclarations": [{"name": name} for name in names]}


A, B = {"type": "function", "name": "a"}, {"type": "function", "name": "b"}


@pytest.mark.parametrize(
    ("format", "body", "left"),
    [
        ("chat", chat(chat_tool("a"), chat_tool("b")), [chat_tool("b")]),
        ("chat", chat(chat_tool("b", "custom"), chat_tool("a", "custom")), [chat_tool("b", "custom")]),
        ("responses", responses(A, {"type": "web_search"}, B), [{"type": "web_search"}, B]),
        (
            "responses",
            responses({"type": "namespace", "name": "n", "tools": [A, B]}),
            [{"type": "namespace", "name": "n", "tools": [B]}],
        ),
        ("messages", messages({"name": "a"}, {"name": "b"}), [{"name": "b"}]),
        ("gemini", gemini(declared("a", "b"), {"googleSearch": {}}), [declared("b"), {"googleSearch": {}}]),
    ],
)
def test_a_tool_that_may_not_be_called_goes_and_the_others_stay(format: str, body: Any, left: list[Any]) -> None:
    found = without(format, body, "a")
    assert found["tools"] == left
    assert {**found, "tools": 0} == {**body, "tools": 0}


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("chat", chat(chat_tool("a"), tool_choice="auto", parallel_tool_calls=True)),
        ("chat", {**chat(), "tools": [chat_tool("a")], "tool_choice": "none"}),
        ("responses", responses(A, tool_choice="auto", parallel_tool_calls=False)),
        ("responses", responses({"type": "namespace", "name": "n", "tools": [A]})),
        ("messages", messages({"name": "a"}, tool_choice={"type": "auto"})),
        ("gemini", gemini(declared("a"), mode="AUTO")),
    ],
)
def test_where_none_is_left_nothing_that_speaks_of_tools_is_either(format: str, body: Any) -> None:
    found = without(format, body, "a")
    assert found.keys().isdisjoint({"tools", "tool_choice", "parallel_tool_calls", "toolConfig"})


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("chat", chat(chat_tool("a"), chat_tool("b"), tool_choice=chat_tool("a"))),
        ("chat", chat(chat_tool("a"), tool_choice="required")),
        ("responses", responses(A, B, tool_choice=A)),
        ("responses", responses(A, tool_choice="required")),
        ("responses", responses(A, B, tool_choice={"type": "allowed_tools", "mode": "required", "tools": [A]})),
        ("messages", messages({"name": "a"}, {"name": "b"}, tool_choice={"type": "tool", "name": "a"})),
        ("messages", messages({"name": "a"}, tool_choice={"type": "any"})),
        ("gemini", gemini(declared("a", "b"), mode="ANY", allowedFunctionNames=["a"])),
        ("gemini", gemini(declared("a"), mode="ANY")),
    ],
)
def test_a_request_that_demands_what_goes_has_nothing_left_to_ask(format: str, body: Any) -> None:
    with pytest.raises(Demanded):
        without(format, body, "a")


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("chat", chat(chat_tool("a"), chat_tool("b"), tool_choice="required")),
        ("chat", chat(chat_tool("a"), chat_tool("b"), tool_choice=chat_tool("b"), parallel_tool_calls=False)),
        ("responses", responses(A, B, tool_choice=B)),
        ("messages", messages({"name": "a"}, {"name": "b"}, tool_choice={"type": "any"})),
        ("gemini", gemini(declared("a", "b"), mode="ANY")),
    ],
)
def test_a_demand_that_what_is_left_can_meet_stays(format: str, body: Any) -> None:
    found = without(format, body, "a")
    assert {**found, "tools": 0} == {**body, "tools": 0}


def test_a_choice_among_some_tools_shrinks_with_them() -> None:
    inner = {"mode": "auto", "tools": [chat_tool("a"), chat_tool("b")]}
    choice = {"type": "allowed_tools", "allowed_tools": inner}
    found = without("chat", chat(chat_tool("a"), chat_tool("b"), tool_choice=choice), "a")
    assert found["tool_choice"]["allowed_tools"]["tools"] == [chat_tool("b")]
    inner["tools"] = [chat_tool("a")]
    assert without("chat", chat(chat_tool("a"), chat_tool("b"), tool_choice=choice), "a")["tool_choice"] == "none"


def test_names_that_gemini_may_call_never_become_all_names() -> None:
    body = gemini(declared("a", "b"), mode="VALIDATED", allowedFunctionNames=["a"])
    assert without("gemini", body, "a")["toolConfig"]["functionCallingConfig"] == {"mode": "NONE"}


def test_both_spellings_of_gemini_are_known() -> None:
    body = gemini({"function_declarations": [{"name": "a"}, {"name": "b"}]})
    assert without("gemini", body, "a")["tools"] == [{"function_declarations": [{"name": "b"}]}]


def test_the_older_functions_go_as_tools_do() -> None:
    body = {**chat(), "functions": [{"name": "a"}], "function_call": "auto"}
    assert without("chat", {k: v for k, v in body.items() if k != "tools"}, "a").keys() == {"model", "messages"}
    with pytest.raises(Demanded):
        without("chat", {**body, "function_call": {"name": "a"}}, "a")


def test_a_conversation_with_tool_calls_keeps_a_tool_for_anthropic_that_cannot_be_called() -> None:
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "a", "input": {}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
    body = messages({"name": "a"})
    body["messages"] += [use, result]
    found = without("messages", body, "a")
    assert [tool["name"] for tool in found["tools"]] == ["no_tool_is_available"]
    assert found["tool_choice"] == {"type": "none"}
    assert found["messages"] == body["messages"]


def test_tools_that_items_of_the_input_bring_go_as_well() -> None:
    item = {"type": "additional_tools", "tools": [A, B]}
    found = without("responses", {"model": "m", "input": [item, {"role": "user", "content": "Hi"}]}, "a")
    assert found["input"][0]["tools"] == [B]


def test_a_tool_the_provider_runs_is_not_taken_for_one_of_the_clients() -> None:
    search = {"type": "web_search_20250305", "name": "a", "max_uses": 1}
    assert without("messages", messages(search, {"name": "a"}), "a")["tools"] == [search]
