"""What a model is not offered: tools that its agent may never call, whatever the arguments."""

from typing import Any

import pytest

pytest.importorskip("aiohttp")  # what the gateway is made of

from comptroller.core.facts import CALL_CLOSED
from comptroller.testing.script import Say, Use
from tests.gateway.house import HI, House, house

POLICY = """
policy: offers
tools_offered: allowed
applies: {agents: ["*"]}
agents: {clerk: {scopes: [read], tools: [look, refund, pay, send]}}
tools:
  look: {effect: read}
  refund: {effect: write, args: {amount: double}}
  pay: {effect: write, scope: pay}
  wipe: {effect: write}
  send: {effect: external}
rules:
  - {id: big, on: tool, tool: refund, when: args.amount > 5.0, then: deny}
  - {id: no-sending, on: tool, tool: send, then: deny, because: Nobody sends.}
  - {id: maybe-not-looking, on: tool, tool: look, then: deny, mode: shadow}
"""
ALL = ("look", "refund", "pay", "wipe", "send")
UPSTREAMS = [
    {"name": "openai", "format": "openai", "url": "{up}/v1"},
    {"name": "anthropic", "format": "anthropic", "url": "{up}"},
    {"name": "gemini", "format": "gemini", "url": "{up}"},
]
FORMATS: dict[str, Any] = {
    "/v1/chat/completions": lambda names: {
        "model": "gpt-4o-mini",
        "messages": HI,
        "tools": [{"type": "function", "function": {"name": name, "parameters": {}}} for name in names],
    },
    "/v1/responses": lambda names: {
        "model": "gpt-4o-mini",
        "input": "Hi",
        "tools": [{"type": "function", "name": name, "parameters": {}} for name in names],
    },
    "/v1/messages": lambda names: {
        "model": "claude-sonnet-4-5",
        "max_tokens": 50,
        "messages": HI,
        "tools": [{"name": name, "input_schema": {"type": "object"}} for name in names],
    },
    "/v1beta/models/gemini-2.5-flash:generateContent": lambda names: {
        "contents": [{"parts": [{"text": "Hi"}]}],
        "tools": [{"functionDeclarations": [{"name": name} for name in names]}],
    },
}


def post(at: House, path: str, names: tuple[str, ...] = ALL, agent: str = "clerk", **more: Any) -> Any:
    return at.post(path, {**FORMATS[path](names), **more}, headers={"comptroller-agent": agent})


def offered(at: House) -> set[str]:
    return {name for name in ALL if f'"{name}"'.encode() in at.up.requests[-1].body}


@pytest.mark.parametrize("path", FORMATS)
def test_what_an_agent_may_never_call_never_reaches_the_model(path: str) -> None:
    with house("Hello.", POLICY, upstreams=UPSTREAMS) as at:
        assert post(at, path).status_code == 200
        assert offered(at) == {"look", "refund"}


def test_what_depends_on_the_arguments_or_on_a_shadow_rule_stays_on_offer() -> None:
    with house("Hello.", POLICY) as at:
        post(at, "/v1/chat/completions", ("refund", "look"))
        assert offered(at) == {"refund", "look"}
        assert "decisions" not in at.last


def test_another_agent_is_offered_what_it_may_call() -> None:
    with house("Hello.", POLICY) as at:
        post(at, "/v1/chat/completions")
        post(at, "/v1/chat/completions", agent="boss")
        assert offered(at) == {"look", "refund", "pay", "wipe"}


def test_what_was_taken_out_is_on_record() -> None:
    with house("Hello.", POLICY) as at:
        post(at, "/v1/chat/completions")
        (said,) = at.last["decisions"]
        assert (said["rule"], said["action"]) == ("tools_offered", "note")
        assert said["because"].endswith("this agent may not call them: pay, wipe, send.")


def test_a_demand_for_a_tool_that_is_not_on_offer_is_refused_with_words() -> None:
    choice = {"type": "function", "function": {"name": "wipe"}}
    with house("Hello.", POLICY) as at:
        reply = post(at, "/v1/chat/completions", tool_choice=choice)
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["rule"]) == (403, "denied", "tools_offered")
        assert "`wipe`, which this agent may not make" in error["message"]
        assert not at.up.requests
        assert at.last["cost"] == 0


def test_unless_a_policy_says_so_everything_stays_on_offer_and_is_refused_when_it_is_called() -> None:
    with house("Hello.", POLICY.replace("tools_offered: allowed\n", "")) as at:
        post(at, "/v1/chat/completions")
        assert offered(at) == set(ALL)


def test_a_tool_that_the_model_makes_up_is_refused_all_the_same() -> None:
    with house(Say(calls=[Use("wipe")]), POLICY) as at:
        post(at, "/v1/chat/completions")
        assert [call["status"] for call in at.desk.facts(CALL_CLOSED) if call["kind"] == "tool"] == ["denied"]
