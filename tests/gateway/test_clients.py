"""What Claude Code and Copilot CLI send, in the shape they send it: two turns around a tool of their own.

Field names and structure are those of Claude Code 2.1 and Copilot CLI 1.0 as they reach a gateway; the words are ours.
`make clients` runs the programs themselves.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from comptroller.core.facts import AGENT_OPENED, RUN_OPENED
from comptroller.testing import Say, Use
from tests.gateway.house import House, house

FILE = "/home/ann/weather.txt"
LONG = "Work with care. " * 500
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
SCHEMA = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": False}
POLICY = "policy: p\nunlisted: allow\nbudgets:\n  - {per: run, cap: 5 USD, over: deny}\n"
DENYING = POLICY + "rules:\n  - {id: no-looking, on: tool, tool: '*', then: deny, because: People read files.}\n"
USER_ID = '{"device_id":"d0d0","account_uuid":"","session_id":"5e55-1011"}'


@dataclass(frozen=True)
class Client:
    path: str
    tool: str
    args: Mapping[str, str]
    turns: tuple[dict[str, Any], dict[str, Any]]
    headers: Mapping[str, str]


def claude(first: bool) -> dict[str, Any]:
    """Its system texts come as blocks, the last also amid the messages, first as a block and then as a text; markers
    for the cache move on with every turn."""
    asked = {
        "role": "user",
        "content": [{"type": "text", "text": "<note>x</note>"}, {"type": "text", "text": "Weather?"}],
    }
    around: Any = [{"type": "text", "text": LONG, **EPHEMERAL}] if first else LONG
    messages = [asked, {"role": "system", "content": around, "output_config": {"effort": "medium"}}]
    if not first:
        use = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": FILE}}
        result = {"tool_use_id": "toolu_1", "type": "tool_result", "content": "1\tSunny\n", **EPHEMERAL}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    tools = [{"name": name, "description": LONG, "input_schema": SCHEMA} for name in ("Agent", "Bash", "Read")]
    later = {"name": "Later", "description": "", "input_schema": {"type": "object", "properties": {}}}
    return {
        "model": "claude-haiku-4-5",
        "messages": messages,
        "system": [
            {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.{'1' if first else '2'};"},
            {"type": "text", "text": "You help with code.", **EPHEMERAL},
            {"type": "text", "text": LONG, **EPHEMERAL},
        ],
        "tools": [*tools, {**later, "defer_loading": True}],
        "metadata": {"user_id": USER_ID},
        "max_tokens": 32_000,
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "stream": True,
    }


def copilot(first: bool) -> dict[str, Any]:
    """Over completions: nothing names the session, so the conversation itself must."""
    call = {"id": "call_1", "type": "function", "function": {"name": "view", "arguments": json.dumps({"path": FILE})}}
    messages: list[dict[str, Any]] = [{"role": "system", "content": LONG}, {"role": "user", "content": "Weather?"}]
    if not first:
        messages.append({"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": "Sunny\n"})
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: TEXT"}}
    return {
        "model": "gpt-4o",
        "messages": messages,
        "tools": [
            {"type": "function", "function": {"name": "view", "description": LONG, "parameters": {"type": "object"}}},
            {"type": "custom", "custom": {"name": "apply_patch", "description": "Edits.", "format": grammar}},
        ],
        "reasoning_effort": "medium",
        "temperature": 1,
        "max_tokens": 4096,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def copilot_responses(first: bool) -> dict[str, Any]:
    """Over responses: nothing is kept by the provider, and a key of the cache names the session."""
    said = {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}], "type": "message"}
    call = {"type": "function_call", "id": "fc_1", "name": "view", "arguments": json.dumps({"path": FILE})}
    result = {"type": "function_call_output", "call_id": "call_1", "output": "Sunny\n"}
    more = [] if first else [{**call, "call_id": "call_1", "status": "completed"}, result]
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: TEXT"}
    view = {"type": "function", "name": "view", "description": LONG, "parameters": {"type": "object"}, "strict": False}
    return {
        "model": "gpt-4o",
        "instructions": LONG,
        "input": [said, *more],
        "tools": [view, {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": grammar}],
        "reasoning": {"effort": "medium", "summary": "auto"},
        "prompt_cache_key": "896ae3",
        "max_output_tokens": 4096,
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "parallel_tool_calls": True,
    }


CLAUDE = Client(
    "/v1/messages?beta=true",
    "Read",
    {"file_path": FILE},
    (claude(True), claude(False)),
    {"x-claude-code-session-id": "5e55-1011", "anthropic-beta": "claude-code-20250219", "x-app": "cli"},
)
COPILOT = Client(
    "/v1/chat/completions", "view", {"path": FILE}, (copilot(True), copilot(False)), {"x-initiator": "user"}
)
COPILOT_RESPONSES = Client(
    "/v1/responses",
    "view",
    {"path": FILE},
    (copilot_responses(True), copilot_responses(False)),
    {"x-initiator": "agent"},
)
each = pytest.mark.parametrize(
    "client", [CLAUDE, COPILOT, COPILOT_RESPONSES], ids=["claude", "copilot", "copilot over responses"]
)


@contextmanager
def before(client: Client, policy: str = POLICY) -> Iterator[House]:
    script = [Say(calls=[Use(client.tool, client.args, id="toolu_1" if client is CLAUDE else "call_1")]), Say("Sunny.")]
    with house(script, policy) as at:
        yield at


def take(at: House, client: Client, turn: int, headers: Mapping[str, str] | None = None) -> str:
    reply = at.post(client.path, client.turns[turn], headers=dict(client.headers if headers is None else headers))
    assert reply.status_code == 200, reply.text
    return reply.text


@each
def test_two_turns_are_one_run_of_one_agent_with_the_tool_between_them(client: Client) -> None:
    with before(client) as at:
        assert client.tool in take(at, client, 0)
        assert "Sunny." in take(at, client, 1)
        assert len(at.desk.facts(RUN_OPENED)) == len(at.desk.facts(AGENT_OPENED)) == 1
        seen = [(call["kind"], call["status"]) for call in at.calls]
        assert sorted(seen) == [("model", "ok"), ("model", "ok"), ("tool", "ok")]
        assert next(call["name"] for call in at.calls if call["kind"] == "tool") == client.tool
        assert not any(call.get("estimated") or call.get("opaque") for call in at.calls)
        assert at.live_holds == 0


@each
def test_a_request_goes_on_as_it_was_sent(client: Client) -> None:
    with before(client) as at:
        for turn in (0, 1):
            take(at, client, turn)
            assert at.up.requests[turn].json == client.turns[turn]
        arrived = at.up.requests[0]
        assert f"{arrived.path}?{arrived.query}".rstrip("?") == client.path
        assert {name: arrived.headers.get(name) for name in client.headers} == client.headers


@each
def test_a_denied_tool_reads_as_an_answer_and_costs_no_further_turn(client: Client) -> None:
    with before(client, DENYING) as at:
        told = take(at, client, 0)
        assert "was refused. People read files." in told
        assert FILE not in told
        assert not any(stop in told for stop in ('"tool_use"', '"tool_calls"', '"function_call"'))
        assert [(call["kind"], call["status"]) for call in at.calls] == [("tool", "denied"), ("model", "ok")]


def test_claude_codes_turns_are_one_run_by_their_body_alone() -> None:
    with before(CLAUDE) as at:
        for turn in (0, 1):
            take(at, CLAUDE, turn, {})
        assert len(at.desk.facts(RUN_OPENED)) == 1


def test_sessions_that_ask_the_same_are_runs_of_their_own() -> None:
    with house("Sunny.", POLICY) as at:
        for session in ("one", "two"):
            take(at, CLAUDE, 0, {**CLAUDE.headers, "x-claude-code-session-id": session})
        take(at, COPILOT, 0)
        take(at, COPILOT, 0)
        assert len(at.desk.facts(RUN_OPENED)) == 4


def test_claude_codes_own_count_of_a_request_passes_free_of_charge() -> None:
    with house("Sunny.", POLICY) as at:
        asked = {name: CLAUDE.turns[0][name] for name in ("model", "messages", "system", "tools")}
        reply = at.post("/v1/messages/count_tokens?beta=true", asked, headers=dict(CLAUDE.headers))
        assert reply.json()["input_tokens"] > 1_000
        assert not any(call["cost"] for call in at.calls)
