"""Streams and replies as providers and compatible servers send them, shortened, and what the SDKs make of them."""

import json
from typing import Any

import httpx2
from anthropic import Anthropic
from openai import OpenAI

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1767225600, "model": "gpt-4o-2024-08-06"}
DONE = b"data: [DONE]\n\n"


def data(node: object) -> bytes:
    """An event without a name."""
    return b"data: " + json.dumps(node, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def event(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    """An OpenAI event with one choice."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return data({**HEAD, "service_tier": "default", "choices": [choice], **more})


def tool(index: int, args: str, name: str | None = None, call_id: str | None = None) -> dict[str, Any]:
    """A delta with a piece of a tool call."""
    item: dict[str, Any] = {"index": index, "function": {"arguments": args}}
    if name:
        item = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": args}}
    return {"tool_calls": [item]}


USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 10,
    "total_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
}
ROLE = event({"role": "assistant", "content": "", "refusal": None})
LAST_USAGE = data({**HEAD, "choices": [], "usage": USAGE})

TEXT = ROLE + event({"content": "Grüße, "}) + event({"content": "Welt 🌍"}) + event({}, "stop") + LAST_USAGE + DONE
TOOLS = b"".join(
    [
        event({"role": "assistant", "content": None, **tool(0, "", "pull_credit", "call_a")}),
        event(tool(0, '{"id":')),
        event(tool(0, '"123"}')),
        event(tool(1, "", "send_money", "call_b")),
        event(tool(1, '{"to":"bob"}')),
        event({}, "tool_calls"),
        DONE,
    ]
)
TEXT_AND_TOOL = (
    ROLE + event({"content": "Let me look."}) + event(tool(0, "{}", "look", "call_a")) + event({}, "tool_calls")
)
TEXT_AND_TOOL += DONE
TWO_CHOICES = b"".join(
    [
        event({"role": "assistant", "content": ""}),
        event({"content": "one"}),
        event({"role": "assistant", "content": ""}, index=1),
        event({"content": "two"}, index=1),
        event({}, "stop", index=1),
        event({}, "stop"),
        DONE,
    ]
)
REFUSAL = event({"role": "assistant", "refusal": ""}) + event({"refusal": "I will "}) + event({"refusal": "not."})
REFUSAL += event({}, "stop") + DONE
REASONING = event({"role": "assistant", "content": None, "reasoning_content": ""})
REASONING += event({"content": None, "reasoning_content": "Let me "})
REASONING += event({"content": None, "reasoning_content": "think."})
REASONING += event({"content": "42", "reasoning_content": None}) + event({"content": ""}, "stop", usage=USAGE) + DONE
LEGACY = event({"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": ""}})
LEGACY += event({"function_call": {"arguments": '{"at":1}'}}) + event({}, "function_call") + DONE
AZURE = data({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}) + TEXT
GROQ = ROLE + event({"content": "hi"}) + event({}, "stop", x_groq={"id": "req", "usage": USAGE}) + DONE
COMMENTS = b": OPENROUTER PROCESSING\n\n" + TEXT.replace(b"\n\n", b"\n\n: ping\n\n", 2)
CRLF = TEXT.replace(b"\n", b"\r\n")

# Servers that put several things into one event: what we hand on says the same in other bytes.
TEXT_WITH_FINISH = (
    event({"role": "assistant", "content": "hi"}) + event({"content": " you"}, "stop", usage=USAGE) + DONE
)
TOOLS_AT_ONCE = (
    event(
        {
            "role": "assistant",
            "content": "Both.",
            "tool_calls": [
                {"index": 0, "id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"index": 1, "id": "call_b", "type": "function", "function": {"name": "g", "arguments": '{"b":2}'}},
            ],
        },
        "tool_calls",
    )
    + DONE
)
BOTH_CHOICES = (
    data(
        {
            **HEAD,
            "choices": [
                {"index": i, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
                for i, text in enumerate(("one", "two"))
            ],
        }
    )
    + data({**HEAD, "choices": [{"index": i, "delta": {}, "finish_reason": "stop"} for i in (0, 1)]})
    + DONE
)

OPENAI = {
    "text": TEXT,
    "tools": TOOLS,
    "text and tool": TEXT_AND_TOOL,
    "two choices": TWO_CHOICES,
    "refusal": REFUSAL,
    "reasoning": REASONING,
    "legacy": LEGACY,
    "azure": AZURE,
    "groq": GROQ,
    "comments": COMMENTS,
    "crlf": CRLF,
}
OPENAI_MIXED = {"text with finish": TEXT_WITH_FINISH, "tools at once": TOOLS_AT_ONCE, "both choices": BOTH_CHOICES}


def named(kind: str, **fields: Any) -> bytes:
    """An Anthropic event."""
    return b"event: " + kind.encode() + b"\n" + data({"type": kind, **fields})


START = named(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 5,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            "output_tokens": 1,
            "service_tier": "standard",
        },
    },
)
STOP = named("message_stop")


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    """A whole content block."""
    middle = [named("content_block_delta", index=index, delta=delta) for delta in deltas]
    first = named("content_block_start", index=index, content_block=start)
    return b"".join((first, *middle, named("content_block_stop", index=index)))


def texts(*texts: str) -> list[dict[str, Any]]:
    """Deltas of text."""
    return [{"type": "text_delta", "text": text} for text in texts]


def args(*texts: str) -> list[dict[str, Any]]:
    """Deltas of a tool's input."""
    return [{"type": "input_json_delta", "partial_json": text} for text in texts]


def finish(reason: str, **usage: Any) -> bytes:
    """The stop reason, with the usage of the whole."""
    delta = {"stop_reason": reason, "stop_sequence": None}
    return named("message_delta", delta=delta, usage={"output_tokens": 12, **usage})


def use(name: str, call_id: str) -> dict[str, Any]:
    """The start of a tool call."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": {}}


EMPTY = {"type": "text", "text": ""}
PING = named("ping")
A_TEXT = START + PING + block(0, EMPTY, *texts("Grüße, ", "Welt 🌍")) + finish("end_turn") + STOP
A_TOOLS = b"".join(
    [
        START,
        block(0, EMPTY, *texts("Let me look.")),
        block(1, use("pull_credit", "toolu_a"), *args("", '{"id":', '"123"}')),
        block(2, use("send_money", "toolu_b"), *args('{"to":"bob"}')),
        finish("tool_use"),
        STOP,
    ]
)
A_THINKING = b"".join(
    [
        START,
        block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm, "},
            {"type": "thinking_delta", "thinking": "so."},
            {"type": "signature_delta", "signature": "c2ln"},
        ),
        block(1, {"type": "redacted_thinking", "data": "eHh4"}),
        block(2, EMPTY, *texts("42")),
        finish("end_turn"),
        STOP,
    ]
)
A_SEARCH = b"".join(
    [
        START,
        block(0, {**use("web_search", "srvtoolu_a"), "type": "server_tool_use"}, *args('{"query":"x"}')),
        block(
            1,
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_a",
                "content": [
                    {"type": "web_search_result", "title": "T", "url": "https://e.org", "encrypted_content": "eA=="}
                ],
            },
        ),
        block(2, EMPTY, *texts("Found.")),
        finish("end_turn", server_tool_use={"web_search_requests": 2}),
        STOP,
    ]
)
A_CRLF = A_TOOLS.replace(b"\n", b"\r\n")
ANTHROPIC = {"text": A_TEXT, "tools": A_TOOLS, "thinking": A_THINKING, "search": A_SEARCH, "crlf": A_CRLF}


# -- the SDKs


def _served(body: bytes) -> httpx2.Client:
    headers = {"content-type": "text/event-stream"}
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body)))


def openai_makes_of(stream: bytes) -> dict[str, Any]:
    """The completion that the openai SDK puts together from a stream."""
    with _served(stream) as http:
        client = OpenAI(api_key="none", base_url="http://x/v1", http_client=http)
        messages: Any = [{"role": "user", "content": "hi"}]
        with client.chat.completions.stream(model="m", messages=messages) as events:
            return events.get_final_completion().model_dump()


def openai_iterates(stream: bytes) -> dict[int, str]:
    """Finish reasons by choice, as the openai SDK hands them out event by event."""
    reasons: dict[int, str] = {}
    with _served(stream) as http:
        client = OpenAI(api_key="none", base_url="http://x/v1", http_client=http)
        for chunk in client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        ):
            reasons.update({choice.index: choice.finish_reason or "" for choice in chunk.choices})
    return reasons


def anthropic_makes_of(stream: bytes) -> dict[str, Any]:
    """The message that the anthropic SDK puts together from a stream."""
    with _served(stream) as http:
        client = Anthropic(api_key="none", base_url="http://x", http_client=http)
        messages: Any = [{"role": "user", "content": "hi"}]
        with client.messages.stream(model="m", max_tokens=9, messages=messages) as events:
            return events.get_final_message().model_dump()
