"""Responses, whole."""

import json
from typing import Any

import httpx2
import openai
import pytest

from comptroller.core.call import Change, Request, Usage
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.openai_responses import OpenAIResponses
from tests.dialects import recordings_more as rec

RESPONSES = OpenAIResponses()
HI = {"role": "user", "content": "hi"}
CONVERSATION: list[Any] = [
    {"role": "user", "content": "one"},
    {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "two"}, {"type": "odd", "note": "three"}],
    },
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "four"}],
        "encrypted_content": "x",
    },
    {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":"five"}'},
    {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "six"},
    {"type": "local_shell_call", "call_id": "c3", "action": {"type": "exec", "command": ["seven"]}},
    {"type": "function_call_output", "call_id": "c1", "output": "eight"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "nine"}]},
    {"type": "local_shell_call_output", "id": "c3", "output": "ten"},
    {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "eleven"}]},
    {"type": "mcp_call", "id": "m", "server_label": "s", "name": "n", "arguments": "twelve", "output": "thirteen"},
    {"type": "shell_call_output", "call_id": "c4", "output": [{"stdout": "fourteen", "stderr": "", "outcome": {}}]},
]


def read(**fields: Any) -> Request:
    return RESPONSES.read(json.dumps({"model": "gpt-4o", "input": "hi", **fields}).encode())


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/v1/responses", True),
        ("/openai/v1/responses/", True),
        ("/openai/deployments/d/responses", True),
        ("/v1/responses/resp_1", False),
        ("/v1/responses/input_tokens", False),
        ("/forms/7/responses", False),
    ],
)
def test_the_end_of_the_path_tells(path: str, ours: bool) -> None:
    assert RESPONSES.matches("POST", path) is ours
    assert not RESPONSES.matches("GET", path)


def test_input_may_be_a_text() -> None:
    request = read(instructions="Be kind.")
    assert [(part.text, part.role, part.path) for part in request.parts] == [
        ("Be kind.", "system", ("instructions",)),
        ("hi", "user", ("input",)),
    ]
    assert request.messages == [b'"Be kind."', b'"hi"']


def test_every_text_of_a_conversation_is_a_part() -> None:
    parts = read(input=CONVERSATION).parts
    told = [(part.kind, part.text, part.tool, part.call_id) for part in parts]
    assert told == [
        ("text", "one", "", ""),
        ("text", "two", "", ""),
        ("text", "three", "", ""),
        ("reasoning", "four", "", ""),
        ("tool_call", '{"at":"five"}', "look", "c1"),
        ("tool_call", "six", "sql", "c2"),
        ("tool_call", '{"type":"exec","command":["seven"]}', "local_shell", "c3"),
        ("tool_result", "eight", "look", "c1"),
        ("tool_result", "nine", "sql", "c2"),
        ("tool_result", "ten", "local_shell", "c3"),
        ("refusal", "eleven", "", ""),
        ("text", "n", "", ""),
        ("text", "twelve", "", ""),
        ("text", "thirteen", "", ""),
        ("tool_result", "fourteen", "", "c4"),
    ]


def test_every_part_can_be_replaced_and_nothing_else_changes() -> None:
    prompt = {"id": "p", "variables": {"who": "bob"}}
    request = read(input=CONVERSATION, instructions="sys", prompt=prompt, seed=7)
    texts = {part.path: '{"x":"[x]"}' if part.kind == "tool_call" else "[x]" for part in request.parts}
    out = json.loads(RESPONSES.rewrite(request, Change(texts=texts)))
    again = RESPONSES.read(json.dumps(out).encode())
    assert {part.text for part in again.parts} == {"[x]", '{"x":"[x]"}'}
    assert len(again.parts) == len(request.parts)
    assert (out["seed"], out["input"][2]["encrypted_content"], out["prompt"]["id"]) == (7, "x", "p")


def test_a_text_as_input_can_be_replaced() -> None:
    out = RESPONSES.rewrite(read(), Change(texts={("input",): "[x]"}))
    assert json.loads(out)["input"] == "[x]"


def test_items_without_a_change_keep_their_bytes() -> None:
    body = b'{"model":"a","input":[ {"role": "user","content":"x"} ,{"role":"user","content":"y"}],"n":1.0}'
    request = RESPONSES.read(body)
    out = RESPONSES.rewrite(request, Change(model="b", max_tokens=5, texts={request.parts[1].path: "z"}))
    assert out == (
        b'{"model":"b","input":[{"role": "user","content":"x"},{"role":"user","content":"z"}],"n":1.0,'
        b'"max_output_tokens":5}'
    )


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"previous_response_id": "resp_0"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "item_reference"),
        ({"input": [{"id": "msg_1"}]}, "item_reference"),
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"tools": [{"type": "file_search", "vector_store_ids": []}], "max_tool_calls": 2}, "file_search"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "code_interpreter"),
        ({"tools": [{"type": "image_generation"}]}, "image_generation"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "mcp"),
        ({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}, "shell"),
        ({"tools": [{"type": "brand_new"}]}, "brand_new"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://e.org"}]}]},
            "image_url",
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]}, "file_id"),
    ],
)
def test_what_the_body_does_not_bound_is_named(more: dict[str, Any], named: str) -> None:
    assert read(**more).unbounded == (named,)


def test_tools_the_client_runs_are_named_and_bounded() -> None:
    tools = [
        {"type": "function", "name": "look"},
        {"type": "custom", "name": "sql"},
        {"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}]},
        {"type": "local_shell"},
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "apply_patch"},
        {"type": "computer"},
        {"type": "tool_search"},
        {"type": "web_search"},
    ]
    request = read(tools=tools, max_tool_calls=3)
    assert request.tools == ("look", "sql", "find", "local_shell", "shell", "apply_patch", "computer")
    assert (request.unbounded, request.searches) == ((), 3)


def test_hints_and_options_are_read() -> None:
    request = read(
        stream=True,
        max_output_tokens=9,
        service_tier="flex",
        user="u",
        previous_response_id="resp_0",
        conversation="conv_1",
        metadata={"session": "s"},
    )
    assert (request.stream, request.max_tokens, request.tier, request.wants_usage) == (True, 9, "flex", True)
    assert request.hints == {
        "user": "u",
        "previous_response_id": "resp_0",
        "conversation": "conv_1",
        "metadata.session": "s",
    }


def test_explicit_nulls_are_as_if_absent() -> None:
    names = ("instructions", "tools", "previous_response_id", "conversation", "prompt", "max_output_tokens", "metadata")
    request = read(**dict.fromkeys(names))
    assert (request.unbounded, request.hints, request.max_tokens, len(request.messages)) == ((), {}, None, 1)


def test_media_are_weighed() -> None:
    picture = "data:image/png;base64," + "A" * 400
    request = read(input=[{"role": "user", "content": [{"type": "input_image", "image_url": picture}]}])
    assert [part.kind for part in request.parts] == ["media"]
    assert (request.media_bytes, request.unbounded) == (len(picture), ())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"input":null}',
        b'{"input":7}',
        b'{"input":{"role":"user"}}',
        b'{"input":"\xff"}',
        b"[" * 9999,
    ],
)
def test_what_is_no_request_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        RESPONSES.read(body)


# -- replies

CITED = {"type": "url_citation", "url": "https://e.org", "title": "Secret", "start_index": 0, "end_index": 6}
OUTPUT = [
    rec.THOUGHT,
    rec.message(content=[{"type": "output_text", "text": "Secret.", "annotations": [CITED], "logprobs": []}]),
    rec.call("f", '{"a":1}', "c1"),
    rec.call("g", "oops", "c2"),
    rec.CUSTOM,
    rec.SHELL,
    rec.SEARCH,
]
REPLY = {**rec.RESPONSE, "status": "completed", "output": OUTPUT, "usage": rec.USAGE, "service_tier": "priority"}
BODY = json.dumps(REPLY).encode()


def test_a_reply_is_read() -> None:
    reply = RESPONSES.read_reply(BODY)
    assert [(part.kind, part.text) for part in reply.parts] == [
        ("reasoning", "Let me think."),
        ("reasoning", "So."),
        ("text", "Secret."),
        ("tool_call", "x"),
    ]
    assert [(call.id, call.name, call.args) for call in reply.calls] == [
        ("c1", "f", {"a": 1}),
        ("c2", "g", None),
        ("call_c", "sql", None),
        ("call_s", "local_shell", rec.SHELL["action"]),
    ]
    assert reply.usage == Usage(input=20, output=10, cache_read=8, reasoning=4, searches=1, tier="priority")
    assert (reply.id, reply.finish) == ("resp_1", "completed")


def test_a_replaced_text_leaves_no_trace() -> None:
    reply = RESPONSES.read_reply(BODY.replace(b'"status": "completed", "error"', b'"output_text":"Secret.","error"', 1))
    texts = {part.path: "[x]" for part in reply.parts if part.kind == "text"}
    out = json.loads(RESPONSES.rewrite_reply(reply, Change(texts={**texts, reply.calls[0].path: '{"a":"[y]"}'})))
    assert "Secret" not in json.dumps(out)
    assert out["output"][2]["arguments"] == '{"a":"[y]"}'
    assert out["output"][0] == rec.THOUGHT


def test_a_sum_of_the_texts_that_says_more_is_a_part() -> None:
    body = json.dumps({**REPLY, "output": [], "output_text": "Hidden."}).encode()
    reply = RESPONSES.read_reply(body)
    out = json.loads(RESPONSES.rewrite_reply(reply, Change(texts={reply.parts[0].path: "[x]"})))
    assert out["output_text"] == "[x]"


def test_refused_calls_become_messages_the_sdk_reads() -> None:
    reply = RESPONSES.read_reply(BODY)
    out = RESPONSES.rewrite_reply(reply, Change(refused={call.path: f"No {call.name}." for call in reply.calls[:3]}))
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=out))
    with httpx2.Client(transport=transport) as http:
        made = openai.OpenAI(api_key="k", base_url="http://x/v1", http_client=http).responses.create(
            model="m", input="hi"
        )
    assert made.output_text == "Secret.No f.No g.No sql."
    assert [item.type for item in made.output][2:6] == ["message", "message", "message", "local_shell_call"]


def test_arguments_that_are_objects_can_be_replaced() -> None:
    actions = {"id": "cu", "type": "computer_call", "call_id": "c", "actions": [{"type": "type", "text": "Secret"}]}
    reply = RESPONSES.read_reply(json.dumps({"output": [rec.SHELL, actions]}).encode())
    texts = {reply.calls[0].path: '{"command":["x"]}', reply.calls[1].path: '{"actions":[{"type":"wait"}]}'}
    out = json.loads(RESPONSES.rewrite_reply(reply, Change(texts=texts)))
    assert out["output"][0]["action"] == {"command": ["x"]}
    assert out["output"][1]["actions"] == [{"type": "wait"}]


def test_what_the_provider_runs_is_no_tool_call_and_what_needs_approval_is_one() -> None:
    hosted = {"type": "shell_call", "call_id": "c", "environment": {"type": "container_reference"}, "action": {}}
    asking = {"type": "mcp_approval_request", "id": "m", "name": "wipe", "arguments": "{}", "server_label": "s"}
    reply = RESPONSES.read_reply(json.dumps({"output": [hosted, asking]}).encode())
    assert [(call.id, call.name) for call in reply.calls] == [("m", "wipe")]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error":{}}', b'{"output":null}', b'{"output":3}', b"{" * 9999])
def test_what_is_no_reply_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        RESPONSES.read_reply(body)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 9, "output_tokens": 3}, Usage(9, 3)),
        ({"input_tokens": 9, "total_tokens": 20}, Usage(9, 11)),
        ({"input_tokens": "9", "output_tokens": 3.0, "input_tokens_details": None}, Usage(9, 3)),
        ({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 99}}, Usage(9, 0, cache_read=9)),
        (
            {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 9}},
            Usage(9, 0, cache_read=4, cache_write_5m=5),
        ),
        ({"input_tokens": 0, "output_tokens": None}, None),
        ({"input_tokens": -4, "output_tokens": "x"}, None),
        ("free", None),
        (None, None),
    ],
)
def test_usage_is_read_with_care(usage: object, expected: Usage | None) -> None:
    assert RESPONSES.read_reply(json.dumps({"output": [], "usage": usage}).encode()).usage == expected


def test_a_refusal_is_the_sdks_own_error_with_our_code() -> None:
    body = RESPONSES.refusal(403, "denied", "No secrets.", {"rule": "secrets"})
    headers = {"x-should-retry": "false"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(403, headers=headers, content=body))
    with httpx2.Client(transport=transport) as http:
        client = openai.OpenAI(api_key="none", base_url="http://x/v1", http_client=http)
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.responses.create(model="m", input="hi")
    assert caught.value.code == "denied"


@pytest.mark.parametrize("stated", [0, -1])
def test_a_limit_of_nothing_is_none(stated: int) -> None:
    assert read(max_output_tokens=stated).max_tokens is None
