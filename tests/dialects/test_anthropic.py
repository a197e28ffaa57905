"""Anthropic messages, whole."""

import json
from typing import Any

import anthropic
import httpx2
import pytest

from comptroller.core.call import Change, Request, Usage
from comptroller.dialects.anthropic import AnthropicMessages
from comptroller.dialects.dialect import Unreadable

MESSAGES = AnthropicMessages()
HI = {"role": "user", "content": "hi"}
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def read(**fields: Any) -> Request:
    return MESSAGES.read(json.dumps({"model": "claude", "max_tokens": 9, "messages": [HI], **fields}).encode())


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": [text("Look."), {"type": "image", "source": {"type": "base64", "data": "A" * 40}}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "eHh4"},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "x"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "a cat"},
            {"type": "tool_result", "tool_use_id": "t1", "content": [text("two cats")]},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "A page."},
                "title": "T",
            },
            {"type": "search_result", "title": "S", "source": "https://e.org", "content": [text("found")]},
        ],
    },
]


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/v1/messages", True),
        ("/anthropic/v1/messages/", True),
        ("/v1/messages/count_tokens", False),
        ("/v1/messages/batches", False),
        ("/v1/threads/x/messages", False),
    ],
)
def test_the_end_of_the_path_tells(path: str, ours: bool) -> None:
    assert MESSAGES.matches("POST", path) is ours
    assert not MESSAGES.matches("GET", path)


def test_every_text_of_a_conversation_is_a_part() -> None:
    request = read(system=[text("Be kind.")], messages=CONVERSATION)
    assert [(part.kind, part.role, part.text) for part in request.parts] == [
        ("text", "system", "Be kind."),
        ("text", "user", "Look."),
        ("media", "user", ""),
        ("reasoning", "signed", "Hm."),
        ("tool_call", "assistant", '{"at":"x"}'),
        ("tool_result", "user", "a cat"),
        ("tool_result", "user", "two cats"),
        ("text", "user", "T"),
        ("text", "user", "A page."),
        ("text", "user", "S"),
        ("text", "user", "https://e.org"),
        ("text", "user", "found"),
    ]
    assert {(part.tool, part.call_id) for part in request.parts if part.tool} == {("look", "t1")}
    assert request.media_bytes == 40


def test_every_part_can_be_replaced() -> None:
    request = read(system="sys", messages=CONVERSATION)
    parts = [part for part in request.parts if part.kind not in ("media", "tool_call")]
    change = Change(texts={part.path: "[x]" for part in parts} | {request.parts[4].path: '{"at":"[y]"}'})
    again = MESSAGES.read(MESSAGES.rewrite(request, change))
    assert {part.text for part in again.parts} == {"[x]", "", '{"at":"[y]"}'}


def test_a_cache_marker_that_moves_on_leaves_a_message_the_same() -> None:
    marked = {"role": "user", "content": [text("one"), text('say "cache_control": {} ', **MARK)]}
    plain = {"role": "user", "content": [text("one"), text('say "cache_control": {} ')]}
    first = {"role": "user", "content": [{**MARK, **text("one")}]}
    assert read(messages=[marked]).messages == read(messages=[plain]).messages
    assert read(messages=[first]).messages == read(messages=[{"role": "user", "content": [text("one")]}]).messages
    assert read(system=[text("s", **MARK)], messages=[HI]).messages == read(system=[text("s")]).messages


def test_a_tools_own_marker_goes_and_its_name_stays() -> None:
    tools = [{"name": "look", "input_schema": {"type": "object"}, **MARK}]
    request = read(tools=tools)
    assert json.loads(request.messages[0]) == [{"name": "look", "input_schema": {"type": "object"}}]
    assert request.tools == ("look",)


def test_what_has_no_bound_is_named() -> None:
    request = read(
        tools=[
            {"type": "web_search_20250305", "name": "web_search"},
            {"type": "web_fetch_20250910", "name": "web_fetch", "max_uses": 3},
            {"type": "bash_20250124", "name": "bash"},
        ],
        messages=[
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://e.org/x"}}]}
        ],
        mcp_servers=[{"type": "url", "url": "https://e.org", "name": "m"}],
    )
    assert set(request.unbounded) == {"web_search", "image_url", "mcp_servers"}
    assert request.tools == ("bash",)


@pytest.mark.parametrize(
    "field", [{"fallbacks": [{"model": "claude-opus-4-8"}]}, {"fallbacks": "default"}, {"thread": {"id": "t"}}]
)
def test_what_other_models_and_kept_conversations_cost_has_no_bound(field: dict[str, Any]) -> None:
    assert read(**field).unbounded == tuple(field)


def test_fast_mode_is_held_and_charged_at_its_own_price() -> None:
    assert (read(speed="fast").tier, read(speed="standard").tier, read().tier) == ("fast", "", "")
    usage = {"input_tokens": 1, "output_tokens": 2, "service_tier": "standard", "speed": "fast"}
    assert MESSAGES.read_reply(json.dumps({"content": [], "usage": usage}).encode()).usage == Usage(1, 2, tier="fast")


def test_claude_codes_session_is_a_hint() -> None:
    assert read(metadata={"user_id": '{"session_id":"s1"}'}).hints["session_id"] == "s1"
    assert read(metadata={"user_id": "user_1_account_2_session_s2"}).hints["session_id"] == "s2"
    assert read(metadata={"user_id": "u"}).hints == {"user": "u"}
    assert read(metadata=None).hints == {}


def test_a_clamp_and_a_downgrade_leave_messages_their_bytes() -> None:
    body = b'{"model":"a","max_tokens":900,"messages":[ {"role": "user","content":"x"} ],"new":1.0}'
    out = MESSAGES.rewrite(MESSAGES.read(body), Change(model="b", max_tokens=5))
    assert out == b'{"model":"b","max_tokens":5,"messages":[ {"role": "user","content":"x"} ],"new":1.0}'


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"messages":{}}', b'{"messages":[{"content":"\xff"}]}', b"[" * 9999]
)
def test_what_is_no_request_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        MESSAGES.read(body)


# -- replies

REPLY: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        text("Secret.", citations=[{"type": "char_location", "cited_text": "Secret"}]),
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7, "service_tier": "priority"},
}
BODY = json.dumps(REPLY).encode()


def test_a_reply_is_read() -> None:
    reply = MESSAGES.read_reply(BODY)
    assert [(part.kind, part.text, part.tool) for part in reply.parts if part.role != "field"] == [
        ("reasoning", "Hm.", ""),
        ("text", "Secret.", ""),
        ("tool_call", "q", "web_search"),
    ]
    assert [(call.id, call.name, call.args) for call in reply.calls] == [("t1", "f", {"a": 1}), ("t2", "g", {})]
    assert reply.usage == Usage(input=105, output=7, cache_read=100, tier="priority")


def test_a_replaced_text_leaves_no_trace_in_citations_and_signed_thinking_stays() -> None:
    reply = MESSAGES.read_reply(BODY)
    change = Change(texts={reply.parts[0].path: "[x]", reply.parts[1].path: "[x]", reply.calls[0].path: '{"a":"[y]"}'})
    out = json.loads(MESSAGES.rewrite_reply(reply, change))
    assert "Secret" not in json.dumps(out)
    assert out["content"][0] == REPLY["content"][0]
    assert out["content"][3]["input"] == {"a": "[y]"}


def test_refused_calls_become_text_and_the_turn_ends_when_none_is_left() -> None:
    reply = MESSAGES.read_reply(BODY)
    one = json.loads(MESSAGES.rewrite_reply(reply, Change(refused={reply.calls[0].path: "No."})))
    all_of_them = json.loads(MESSAGES.rewrite_reply(reply, Change(refused={call.path: "No." for call in reply.calls})))
    assert [block["type"] for block in one["content"]][3:] == ["text", "tool_use"]
    assert (one["stop_reason"], all_of_them["stop_reason"]) == ("tool_use", "end_turn")


def test_a_refused_call_is_a_block_that_strict_clients_accept() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "wipe", "input": {}}
    reply = MESSAGES.read_reply(json.dumps({"content": [call], "stop_reason": "tool_use"}).encode())
    told = json.loads(MESSAGES.rewrite_reply(reply, Change(refused={reply.calls[0].path: "No."})))
    assert told["content"] == [{"type": "text", "text": "No."}]  # Vercel's client takes no null for citations


@pytest.mark.parametrize("body", [b"", b"3", b'{"type":"error"}', b'{"content":"x"}', b'{"content":[' + b"[" * 9999])
def test_what_is_no_reply_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        MESSAGES.read_reply(body)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 8}, Usage(9, 2, cache_write_5m=8)),
        (
            {"input_tokens": 1, "cache_creation_input_tokens": 8, "cache_creation": {"ephemeral_1h_input_tokens": 8}},
            Usage(9, 0, cache_write_1h=8),
        ),
        ({"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": None, "cache_creation": None}, Usage(1, 2)),
        ({"input_tokens": -1, "output_tokens": "2"}, Usage(0, 2)),
        (
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "iterations": [
                    {"type": "compaction", "input_tokens": 100, "output_tokens": 7},
                    {"type": "message", "input_tokens": 1, "output_tokens": 2},
                ],
            },
            Usage(101, 9),
        ),
        ({"input_tokens": None, "output_tokens": None}, None),
        ([], None),
    ],
)
def test_usage_contains_its_cached_parts(usage: object, expected: Usage | None) -> None:
    assert MESSAGES.read_reply(json.dumps({"content": [], "usage": usage}).encode()).usage == expected


def test_a_refusal_is_the_sdks_own_error_with_our_code() -> None:
    body = MESSAGES.refusal(403, "denied", "No secrets.", {"rule": "secrets"})
    transport = httpx2.MockTransport(lambda _: httpx2.Response(403, headers={"x-should-retry": "false"}, content=body))
    with httpx2.Client(transport=transport) as http:
        client = anthropic.Anthropic(api_key="none", base_url="http://x", http_client=http)
        with pytest.raises(anthropic.PermissionDeniedError) as caught:
            client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    error: Any = caught.value.body
    assert (error["error"]["code"], error["error"]["rule"]) == ("denied", "secrets")


@pytest.mark.parametrize("stated", [0, -1])
def test_a_limit_of_nothing_is_none(stated: int) -> None:
    body = {"model": "claude-sonnet-4-5", "max_tokens": stated, "messages": [{"role": "user", "content": "hi"}]}
    assert MESSAGES.read(json.dumps(body).encode()).max_tokens is None


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"name": "f", "description": "secret", "input_schema": {}}]},
        {"metadata": {"user_id": "secret"}},
        {"stop_sequences": ["secret"]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "note": "secret"}]}]},
    ],
)
def test_no_string_of_a_request_goes_by_unseen(fields: dict[str, Any]) -> None:
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [HI], **fields}
    request = MESSAGES.read(json.dumps(body).encode())
    seen = next(part for part in request.parts if "secret" in part.text)
    assert b"secret" not in MESSAGES.rewrite(request, Change(texts={seen.path: "gone"}))


def test_citations_and_names_of_tools_in_a_reply_are_seen() -> None:
    cited = {"type": "text", "text": "see", "citations": [{"cited_text": "secret"}]}
    node = {"content": [cited, {"type": "tool_use", "id": "t", "name": "pay", "input": {}}], "stop_sequence": "END"}
    reply = MESSAGES.read_reply(json.dumps(node).encode())
    assert {part.text for part in reply.parts if part.role == "field"} == {"secret", "pay", "END"}
    assert reply.emitted == len("see{}")
