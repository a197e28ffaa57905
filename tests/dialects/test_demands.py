"""What each format has for a demanded form."""

import json
from typing import Any

import pytest

from comptroller.dialects.demands import ANY_OBJECT, as_json_schema, demands_of
from comptroller.dialects.routes import dialect_for

FORM = {"type": "object", "properties": {"a": {"type": "integer"}}}
SAID = [{"role": "user", "content": "Hi"}]
ROUTES = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
}
CONTENTS = [{"role": "user", "parts": [{"text": "Hi"}]}]


def demanded(dialect: str, **body: Any) -> Any:
    found = dialect_for("POST", ROUTES[dialect])
    assert found is not None
    return demands_of(dialect, found.read(json.dumps(body).encode(), ROUTES[dialect]))


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (
            "openai_chat",
            {"messages": SAID, "response_format": {"type": "json_schema", "json_schema": {"schema": FORM}}},
        ),
        ("openai_responses", {"input": "Hi", "text": {"format": {"type": "json_schema", "schema": FORM}}}),
        ("anthropic", {"messages": SAID, "output_format": {"type": "json_schema", "schema": FORM}}),
        ("anthropic", {"messages": SAID, "output_config": {"format": {"type": "json_schema", "schema": FORM}}}),
        (
            "gemini",
            {
                "contents": CONTENTS,
                "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": FORM},
            },
        ),
    ],
)
def test_the_schema_of_the_text(dialect: str, body: dict[str, Any]) -> None:
    assert demanded(dialect, **body).text == FORM


def test_any_object_where_only_json_is_asked_for() -> None:
    assert demanded("openai_chat", messages=SAID, response_format={"type": "json_object"}).text == ANY_OBJECT


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_chat", {"messages": SAID, "tools": [{"function": {"name": "f", "parameters": FORM, "strict": True}}]}),
        ("openai_responses", {"input": "Hi", "tools": [{"name": "f", "parameters": FORM, "strict": True}]}),
        (
            "anthropic",
            {
                "messages": SAID,
                "tools": [{"name": "f", "input_schema": FORM}, {"name": "g", "input_schema": FORM}],
                "tool_choice": {"type": "tool", "name": "f"},
            },
        ),
    ],
)  # fmt: skip
def test_strict_and_demanded_tools(dialect: str, body: dict[str, Any]) -> None:
    assert demanded(dialect, **body).tools == {"f": FORM}


@pytest.mark.parametrize(
    ("calling", "functions", "found"),
    [
        ({"mode": "ANY"}, [{"name": "f", "parametersJsonSchema": FORM}], {"f"}),
        ({"mode": "validated"}, [{"name": "f", "parametersJsonSchema": FORM}], {"f"}),
        ({"mode": "ANY", "allowedFunctionNames": ["g"]}, [{"name": "f", "parametersJsonSchema": FORM}], set()),
        ({"mode": "ANY"}, [{"name": "f"}], set()),
        ({"mode": "AUTO"}, [{"name": "f", "parametersJsonSchema": FORM}], set()),
        ({}, [{"name": "f", "parametersJsonSchema": FORM}], set()),
    ],
)
@pytest.mark.parametrize("snake", [False, True])
def test_functions_that_google_holds_to_their_schemas(
    calling: dict[str, Any], functions: list[Any], found: set[str], snake: bool
) -> None:
    names = ["tools", "functionDeclarations", "parametersJsonSchema", "toolConfig", "functionCallingConfig"]
    names += ["allowedFunctionNames"]
    text = json.dumps(
        {"contents": CONTENTS, "tools": [{names[1]: functions}], names[3]: {names[4]: calling}}
    )  # fmt: skip
    for name in names if snake else ():
        text = text.replace(name, "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name))
    tools = demanded("gemini", **json.loads(text)).tools
    assert dict(tools) == dict.fromkeys(found, FORM)


def test_googles_own_schema_of_a_function_becomes_a_plain_one() -> None:
    own = {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}, "required": ["a"]}
    made = demanded(
        "gemini",
        contents=CONTENTS,
        tools=[{"functionDeclarations": [{"name": "f", "parameters": own}]}],
        toolConfig={"functionCallingConfig": {"mode": "ANY"}},
    )
    assert made.tools == {"f": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
    assert made.text is None


def test_an_ordinary_request_demands_nothing() -> None:
    tools = [{"function": {"name": "f", "parameters": FORM}}]
    assert not demanded("openai_chat", messages=SAID, tools=tools, tool_choice="auto")


def test_googles_own_schema_becomes_a_plain_one() -> None:
    own = {"type": "OBJECT", "properties": {"a": {"type": "INTEGER", "nullable": True}}, "required": ["a"]}
    made = as_json_schema(own)
    assert made["type"] == "object"
    assert made["properties"]["a"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai_chat", {"messages": SAID}),
        ("anthropic", {"messages": SAID, "max_tokens": 9}),
        ("openai_responses", {"input": "Hi"}),
        ("openai_responses", {"input": SAID, "previous_response_id": "resp_1"}),
        ("gemini", {"contents": CONTENTS}),
    ],
)
def test_one_more_message_comes_last_and_the_rest_stays(dialect: str, body: dict[str, Any]) -> None:
    found = dialect_for("POST", ROUTES[dialect])
    assert found is not None
    request = found.read(json.dumps(body).encode(), ROUTES[dialect])
    data = found.append(request, "Again, please.")
    assert data is not None
    parts = found.read(data, ROUTES[dialect]).parts
    assert [part.text for part in parts] == ["Hi", "Again, please."]
    assert parts[-1].role == "user"


def test_a_conversation_the_provider_keeps_is_not_asked_again() -> None:
    found = dialect_for("POST", ROUTES["openai_responses"])
    assert found is not None
    request = found.read(json.dumps({"input": "Hi", "conversation": "conv_1"}).encode())
    assert found.append(request, "Again, please.") is None
