"""Chat completions, whole."""

import json
from typing import Any

import httpx2
import openai
import pytest

from comptroller.core.call import Change, Part, Request, Usage
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.openai_chat import OpenAIChat
from tests.dialects.recordings import USAGE

CHAT = OpenAIChat()
HI = {"role": "user", "content": "hi"}


def read(**fields: Any) -> Request:
    return CHAT.read(json.dumps({"model": "gpt-4o", "messages": [HI], **fields}).encode())


def rewritten(request: Request, **change: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CHAT.rewrite(request, Change(**change)))
    return found


def texts(request: Request) -> list[tuple[str, str, str]]:
    return [(part.kind, part.role, part.text) for part in request.parts]


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/v1/chat/completions", True),
        ("/chat/completions/", True),
        ("/openai/deployments/prod/chat/completions", True),
        ("/v1/completions", False),
        ("/v1/chat/completions/chatcmpl-1", False),
    ],
)
def test_the_end_of_the_path_tells(path: str, ours: bool) -> None:
    assert CHAT.matches("POST", path) is ours
    assert not CHAT.matches("GET", path)


def test_every_text_of_a_conversation_is_a_part() -> None:
    request = read(
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "text", "text": "here"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}},
                    {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "1"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]},
        ]
    )
    assert texts(request) == [
        ("text", "system", "Be kind."),
        ("text", "user", "Look:"),
        ("text", "user", "here"),
        ("tool_call", "assistant", '{"at":1}'),
        ("tool_call", "assistant", "select 1"),
        ("tool_result", "tool", "a cat"),
        ("tool_result", "tool", "1"),
        ("refusal", "assistant", "I will not."),
    ]
    assert [(part.tool, part.call_id) for part in request.parts[3:7]] == [
        ("look", "c1"),
        ("sql", "c2"),
        ("look", "c1"),
        ("sql", "c2"),
    ]


def test_every_part_can_be_replaced_and_nothing_else_changes() -> None:
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "odd", "deep": [{"note": "b"}]}]},
        {"role": "assistant", "content": "c", "refusal": "d", "function_call": {"name": "f", "arguments": "e"}},
        {"role": "tool", "tool_call_id": "x", "content": "f"},
    ]
    request = read(messages=messages, prediction={"type": "content", "content": "g"}, seed=7, stop=["x"])
    out = rewritten(request, texts={part.path: part.text.upper() for part in request.parts})
    again = CHAT.read(json.dumps(out).encode())
    assert sorted(part.text for part in request.parts) == list("abcdefgx")
    assert [part.text for part in again.parts] == [part.text.upper() for part in request.parts]
    assert (out["seed"], out["stop"], out["messages"][0]["content"][1]["type"]) == (7, ["X"], "odd")


def test_the_same_message_has_the_same_bytes_in_every_turn() -> None:
    first = read(messages=[HI], tools=[{"type": "function", "function": {"name": "f"}}])
    later = read(messages=[HI, {"role": "assistant", "content": "yo"}, HI], tools=json.loads(first.messages[0]))
    assert later.messages[:2] == first.messages
    assert later.tools == ("f",)


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{**HI, "name": "secret"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "note": "secret"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"filename": "secret"}}]}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,c2VjcmV0"}}],
                }
            ]
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:text/plain,secret"}}]}
            ]
        },
        {"tools": [{"type": "function", "function": {"name": "f", "description": "secret"}}]},
        {"metadata": {"who": "secret"}},
        {"user": "secret"},
        {"stop": ["secret"]},
        {"instructions": "secret"},
    ],
)
def test_no_string_of_a_request_goes_by_unseen(fields: dict[str, Any]) -> None:
    request = read(**fields)
    seen = next(part for part in request.parts if "secret" in part.text)
    again = CHAT.read(CHAT.rewrite(request, Change(texts={seen.path: seen.text.replace("secret", "gone")})))
    assert b"secret" not in again.raw
    assert any("gone" in part.text for part in again.parts)


def test_media_are_weighed_and_what_has_no_bound_is_named() -> None:
    data = "data:image/png;base64," + "A" * 400
    request = read(
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": data}},
                    {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}},
                    {"type": "input_audio", "input_audio": {"data": "B" * 100, "format": "wav"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                ],
            }
        ],
        web_search_options={},
    )
    assert [part.kind for part in request.parts if part.role != "field"] == ["media"] * 4
    assert [part.text for part in request.parts if part.role == "field"] == ["https://example.org/cat.png"]
    assert request.media_bytes == len(data) + len("https://example.org/cat.png") + 100
    assert request.unbounded == ("image_url", "file_id", "web_search")


def test_explicit_nulls_are_as_if_absent() -> None:
    request = read(stream=None, max_tokens=None, n=None, tools=None, metadata=None, stream_options=None, user=None)
    assert (request.stream, request.max_tokens, request.choices, request.tools) == (False, None, 1, ())


def test_hints_and_options_are_read() -> None:
    request = read(
        n=3, service_tier="flex", user="u1", prompt_cache_key="k", metadata={"session": "s"}, max_completion_tokens=9
    )
    assert (request.choices, request.tier, request.max_tokens) == (3, "flex", 9)
    assert request.hints == {"user": "u1", "prompt_cache_key": "k", "metadata.session": "s"}


def test_on_azure_the_deployment_is_the_model() -> None:
    body = json.dumps({"messages": [HI]}).encode()
    assert CHAT.read(body, "/openai/deployments/prod-4o/chat/completions").model == "prod-4o"
    cheaper = json.dumps({"model": "gpt-4o-mini", "messages": [HI]}).encode()
    assert CHAT.read(cheaper, "/openai/deployments/gpt-4/chat/completions").model == "gpt-4"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"max_tokens": 90}, "max_tokens"),
        ({"max_completion_tokens": 90}, "max_completion_tokens"),
        ({"model": "gpt-4o"}, "max_completion_tokens"),
        ({"model": "openai/o3-mini"}, "max_completion_tokens"),
        ({"model": "mistral-large"}, "max_tokens"),
    ],
)
def test_a_clamp_goes_into_the_field_the_server_knows(asked: dict[str, Any], field: str) -> None:
    out = rewritten(read(**asked), max_tokens=5)
    assert {name: out[name] for name in out if name.startswith("max_")} == {field: 5}


def test_a_downgrade_and_the_wish_for_usage_leave_the_rest_as_it_is() -> None:
    request = read(stream=True, stream_options={"include_obfuscation": False})
    out = rewritten(request, model="gpt-4o-mini", ask_usage=True)
    assert not request.wants_usage
    assert out["model"] == "gpt-4o-mini"
    assert out["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert out["messages"] == [HI]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b"{}",
        b'{"messages": null}',
        b'{"messages": "hi"}',
        b'{"messages": [{"role": "user", "content": "\xff"}]}',
        b'{"messages": [' + b"[" * 50_000 + b"]" * 50_000 + b"]}",
        b'{"messages": [{"role": "user"}',
        b"\xff\xfe{\x00}\x00",
    ],
)
def test_what_is_no_request_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        CHAT.read(body)


def test_odd_messages_are_walked_for_text() -> None:
    request = CHAT.read(b'{"messages": ["bare", 3, null, {"role": 4, "content": {"x": "dict"}}, ["list"]]}')
    assert [part.text for part in request.parts] == ["bare", "dict", "list"]


def test_a_lone_surrogate_from_a_javascript_client_is_no_obstacle() -> None:
    request = CHAT.read(b'{"messages": [{"role": "user", "content": "cut \\ud83d"}]}')
    assert [part.text for part in request.parts] == ["cut \ufffd"]


# -- replies

REPLY: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "service_tier": "priority",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Secret.",
                "refusal": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "oops"}},
                ],
            },
            "logprobs": {"content": [{"token": "Secret", "logprob": -0.5, "bytes": None, "top_logprobs": []}]},
            "finish_reason": "tool_calls",
        },
        {"index": 1, "message": {"role": "assistant", "content": "Two."}, "logprobs": None, "finish_reason": "stop"},
    ],
    "usage": USAGE,
}
BODY = json.dumps(REPLY).encode()


def test_a_reply_is_read_with_all_its_choices() -> None:
    reply = CHAT.read_reply(BODY)
    assert [(part.text, part.role) for part in reply.parts if part.role != "field"] == [
        ("Secret.", "assistant"),
        ("Two.", "assistant"),
    ]
    assert sorted(part.text for part in reply.parts if part.role == "field") == ["Secret", "f", "g"]
    assert [(call.name, call.args) for call in reply.calls] == [("f", {"a": 1}), ("g", None)]
    assert reply.usage == Usage(input=20, output=10, cache_read=8, reasoning=4, tier="priority")
    assert (reply.finish, reply.emitted) == ("tool_calls", len('Secret.Two.{"a":1}oops'))


def test_a_replaced_text_leaves_no_trace_in_log_probabilities() -> None:
    reply = CHAT.read_reply(BODY)
    out = CHAT.rewrite_reply(reply, Change(texts={reply.parts[0].path: "[x]", reply.calls[0].path: '{"a":"[y]"}'}))
    assert b"Secret" not in out
    assert CHAT.read_reply(out).calls[0].args == {"a": "[y]"}


def test_a_refused_call_becomes_text_and_the_other_stays() -> None:
    reply = CHAT.read_reply(BODY)
    out = CHAT.read_reply(CHAT.rewrite_reply(reply, Change(refused={reply.calls[0].path: "No f."})))
    assert [call.name for call in out.calls] == ["g"]
    assert out.parts[0].text == "Secret.\n\nNo f."
    assert out.finish == "tool_calls"


def test_where_all_calls_are_refused_the_choice_stops() -> None:
    reply = CHAT.read_reply(BODY)
    out = json.loads(CHAT.rewrite_reply(reply, Change(refused={call.path: "No." for call in reply.calls})))
    assert "tool_calls" not in out["choices"][0]["message"]
    assert out["choices"][0]["finish_reason"] == "stop"


def test_a_refused_call_and_a_changed_one_go_together() -> None:
    reply = CHAT.read_reply(BODY)
    change = Change(texts={reply.calls[1].path: '{"b":"[y]"}'}, refused={reply.calls[0].path: "No."})
    assert [call.args for call in CHAT.read_reply(CHAT.rewrite_reply(reply, change)).calls] == [{"b": "[y]"}]


def test_a_legacy_function_call_and_spoken_words_are_read_and_replaced() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "function_call": {"name": "f", "arguments": "{}"},
        "audio": {"id": "a", "data": "AAAA", "transcript": "Hello."},
    }
    reply = CHAT.read_reply(json.dumps({"choices": [{"message": message, "finish_reason": "function_call"}]}).encode())
    assert [(part.kind, part.text) for part in reply.parts] == [("media", ""), ("text", "Hello.")]
    out = json.loads(CHAT.rewrite_reply(reply, Change(refused={reply.calls[0].path: "No."})))
    assert "function_call" not in out["choices"][0]["message"]
    assert out["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"error": {}}', b'{"choices": null}', b'{"choices": 3}', b"{" * 9999])
def test_what_is_no_reply_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        CHAT.read_reply(body)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}, Usage(9, 3, cache_read=4)),
        ({"prompt_tokens": 9, "total_tokens": 12}, Usage(9, 3)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 20}, Usage(9, 11)),
        ({"prompt_tokens": "9", "completion_tokens": 3.0, "prompt_tokens_details": None}, Usage(9, 3)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 99}}, Usage(9, 0, cache_read=9)),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ("free", None),
        (None, None),
    ],
)
def test_usage_is_read_however_a_server_tells_it(usage: object, expected: Usage | None) -> None:
    assert CHAT.read_reply(json.dumps({"choices": [], "usage": usage}).encode()).usage == expected


def test_a_refusal_is_the_sdks_own_error_with_our_code() -> None:
    body = CHAT.refusal(
        402, "over_budget", "acme would pass its cap.", {"rule": "cap", "remedy": "Raise it.", "cap": 5}
    )
    headers = {"x-should-retry": "false"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(402, headers=headers, content=body))
    with httpx2.Client(transport=transport) as http:
        client = openai.OpenAI(api_key="none", base_url="http://x/v1", http_client=http)
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert (caught.value.status_code, caught.value.code) == (402, "over_budget")
    error: Any = caught.value.body
    assert (error["reason"], error["rule"], error["remedy"], error["cap"]) == (
        "acme would pass its cap.",
        "cap",
        "Raise it.",
        5,
    )


def test_paths_name_parts_apart() -> None:
    request = read(messages=[HI, HI])
    assert len({part.path for part in request.parts}) == 2
    assert request.parts[0] == Part("text", "hi", ("messages", 0, "content"), "user")


def test_a_message_of_role_and_tool_calls_alone_is_read() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}}
    request = read(
        messages=[
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        ]
    )
    assert [(part.kind, part.tool) for part in request.parts] == [("tool_call", "look"), ("tool_result", "look")]


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({"max_tokens": 1, "max_completion_tokens": 90}, 90),
        ({"max_tokens": 90, "max_completion_tokens": 1}, 90),
        ({"max_tokens": -1}, None),
        ({"max_tokens": 0}, None),
        ({"max_tokens": 0, "max_completion_tokens": 5}, 5),
    ],
)
def test_the_larger_limit_holds_and_none_is_no_limit(fields: dict[str, int], held: int | None) -> None:
    assert read(**fields).max_tokens == held
