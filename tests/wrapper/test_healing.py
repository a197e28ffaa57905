"""Refused replies that are asked for again: with the reason, as calls of their own, within what a policy says."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.facts import CALL_CLOSED, CALL_OPENED
from tests.wrapper.bodies import DONE, ask, event, reply
from tests.wrapper.healing_model import NO_PROMISES, model, stream, text_of, told

NO_SHELL = """
policy: p
unlisted: allow
rules:
  - {id: no-shell, on: tool, tool: shell, then: deny, because: There is no shell., retry: {times: 1, hint: Use search.}}
"""


# -- a reply that is refused


def test_a_refused_reply_is_asked_for_again_with_the_reason_and_the_hint() -> None:
    with model(NO_PROMISES) as it:
        answer = it.call(reply("I promise."), reply("We will try."))
        assert text_of(answer) == "We will try."
        assert "We promise nothing." in it.asked()
        assert "Say what we will try." in it.asked()
        assert "I promise." not in it.asked()


def test_each_try_is_a_call_of_its_own_with_what_it_follows_on_record() -> None:
    with model(NO_PROMISES) as it:
        it.call(reply("I promise."), reply("We will try."))
        first, second = it.records
        opened = [fact.call for fact in it.desk.ledger.of(CALL_OPENED)]
        assert (first["status"], first["rule"], second["status"]) == ("denied", "no-promises", "ok")
        assert second["retry_of"] == {"call": opened[0], "rule": "no-promises"}
        assert second["attempt"] == 1
        assert second["rule"] == "retry.no-promises"


def test_the_cost_a_caller_is_told_is_that_of_all_tries() -> None:
    with model(NO_PROMISES) as it:
        answer = it.call(reply("I promise."), reply("We will try."))
        cost = sum(record["cost"] for record in it.records)
        assert cost > it.records[-1]["cost"] > 0
        assert answer.headers["comptroller-cost"] == f"{cost / 1e9:f}".rstrip("0") + " USD"
        assert answer.headers["comptroller-tries"] == "2"
        assert answer.headers["comptroller-call"] == it.desk.ledger.of(CALL_OPENED)[-1].call


def test_after_the_last_try_the_refusal_stands() -> None:
    with model(NO_PROMISES) as it:
        answer = it.call(*[reply("I promise.")] * 3)
        assert len(it.sent) == 3
        assert answer.refused is not None
        assert str(answer.refused) == "We promise nothing."
        assert [record["status"] for record in it.records] == ["denied"] * 3


def test_a_rule_without_retry_refuses_as_ever() -> None:
    both = NO_PROMISES + "  - {id: never, on: reply, when: 'reply.text.contains(\"never\")', then: deny}\n"
    with model(both) as it:
        answer = it.call(reply("I promise never."))
        assert answer.refused is not None
        assert len(it.sent) == 1


def test_a_rule_that_cannot_be_decided_is_not_asked_again() -> None:
    broken = NO_PROMISES.replace('reply.text.contains("promise")', "1 / int(size(reply.text) - 4) == 0")
    with model(broken) as it:
        answer = it.call(reply("four"))
        assert answer.refused is not None
        assert len(it.sent) == 1


def test_a_guard_asks_again_and_the_secret_goes_nowhere() -> None:
    key = "AKIA" + "IOSFODNN7EXAMPL3"
    policy = "policy: p\nguards: {secrets: {out: deny, retry: {times: 1, hint: Leave keys out.}}}"
    with model(policy) as it:
        answer = it.call(
            reply(f"Use {key} and aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzz9QmKEY12"), reply("Ask ops.")
        )
        assert text_of(answer) == "Ask ops."
        assert key not in it.asked()
        assert "Leave keys out." in it.asked()


@pytest.mark.parametrize(
    ("dialect", "body", "wrong", "right"),
    [
        (
            "anthropic",
            {"model": "claude-haiku-4-5", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]},
            {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_reason": "end_turn",
             "content": [{"type": "text", "text": "I promise."}], "usage": {"input_tokens": 5, "output_tokens": 5}},
            {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_reason": "end_turn",
             "content": [{"type": "text", "text": "We try."}], "usage": {"input_tokens": 5, "output_tokens": 5}},
        ),
        (
            "openai_responses",
            {"model": "gpt-4o-mini", "input": "Hi", "max_output_tokens": 20},
            {"id": "r1", "object": "response", "status": "completed", "model": "gpt-4o-mini", "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I promise."}]}],
             "usage": {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}},
            {"id": "r2", "object": "response", "status": "completed", "model": "gpt-4o-mini", "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "We try."}]}],
             "usage": {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}},
        ),
        (
            "gemini",
            {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": 20}},
            {"candidates": [{"content": {"role": "model", "parts": [{"text": "I promise."}]}, "finishReason": "STOP"}],
             "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10}},
            {"candidates": [{"content": {"role": "model", "parts": [{"text": "We try."}]}, "finishReason": "STOP"}],
             "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10}},
        ),
    ],
)  # fmt: skip
def test_every_dialect_can_be_asked_again(
    dialect: str, body: dict[str, Any], wrong: dict[str, Any], right: dict[str, Any]
) -> None:
    encoded = [json.dumps(one).encode() for one in (wrong, right)]
    with model(NO_PROMISES) as it:
        answer = it.call(*encoded, body=json.dumps(body).encode(), dialect=dialect)
        assert b"We try." in answer.body
        assert b"We promise nothing." in (it.sent[1].body or b"")


# -- a tool call that is refused


def test_a_refused_tool_call_is_asked_for_again() -> None:
    with model(NO_SHELL) as it:
        answer = it.call(reply(None, [("c1", "shell", {})]), reply(None, [("c2", "search", {"q": "x"})]))
        calls = json.loads(answer.body)["choices"][0]["message"]["tool_calls"]
        assert [call["function"]["name"] for call in calls] == ["search"]
        assert "There is no shell." in it.asked()


def test_after_the_last_try_a_refused_tool_call_is_told_in_the_reply() -> None:
    with model(NO_SHELL) as it:
        answer = it.call(*[reply(None, [("c1", "shell", {})])] * 2)
        assert "There is no shell." in text_of(answer)
        assert [record["status"] for record in it.records] == ["denied", "ok"]


def test_what_was_allowed_beside_a_refused_call_is_withdrawn() -> None:
    with model(NO_SHELL) as it:
        both = [("c1", "search", {"q": "x"}), ("c2", "shell", {})]
        it.call(reply(None, both), reply("Done."))
        tools = [data for data in it.desk.facts(CALL_CLOSED) if data["kind"] == "tool"]
        assert {tool["name"]: tool["status"] for tool in tools} == {"search": "cancelled", "shell": "denied"}
        assert not it.run.boundary.waits_for("c1")


def test_a_reply_that_a_person_approved_a_part_of_is_not_thrown_away() -> None:
    policy = NO_SHELL + "  - {id: pay-asks, on: tool, tool: pay, then: ask}\n"
    with model(policy) as it:
        both = reply(None, [("c1", "pay", {"n": 1}), ("c2", "shell", {})])
        it.call(reply(None, [("c1", "pay", {"n": 1})]))
        it.desk.answer("approve")
        answer = it.call(both)
        assert len(it.sent) == 1
        assert "There is no shell." in text_of(answer)
        assert json.loads(answer.body)["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "pay"


# -- what may stop another try


def test_another_try_that_finds_no_room_is_refused_with_both_reasons() -> None:
    policy = NO_PROMISES + "budgets: [{per: run, cap: 1 calls, count: attempt}]\n"
    with model(policy) as it:
        answer = it.call(reply("I promise."))
        assert answer.refused is not None
        assert answer.refused.code == "over_budget"
        assert "We promise nothing." in str(answer.refused)
        assert "would pass its cap" in str(answer.refused)


def test_a_call_that_counts_once_is_not_counted_again_for_its_tries() -> None:
    with model(NO_PROMISES + "budgets: [{per: run, cap: 1 calls}]\n") as it:
        assert text_of(it.call(reply("I promise."), reply("We try."))) == "We try."


def test_a_provider_that_rejects_the_further_try_leaves_the_first_refusal() -> None:
    with model(NO_PROMISES) as it:
        answer = it.call(reply("I promise."), (400, b'{"error": {"message": "no two user messages"}}'))
        assert answer.refused is not None
        assert str(answer.refused) == "We promise nothing."


def test_a_provider_that_is_busy_says_so_itself() -> None:
    with model(NO_PROMISES) as it:
        answer = it.call(reply("I promise."), (429, b'{"error": {"message": "busy"}}'))
        assert (answer.status, answer.refused) == (429, None)


def test_a_person_who_approved_the_request_is_not_asked_for_each_try() -> None:
    policy = NO_PROMISES + "  - {id: all-ask, on: model, then: ask}\n"
    with model(policy) as it:
        assert it.call().refused is not None
        it.desk.answer("approve")
        assert text_of(it.call(reply("I promise."), reply("We try."))) == "We try."


# -- streams


def test_of_a_stream_nothing_is_handed_out_before_it_is_judged() -> None:
    with model(NO_PROMISES) as it:
        answer = it.call(stream("I pro", "mise."), stream("We ", "try."), body=ask(stream=True, max_tokens=20))
        assert answer.refused is None
        assert told(it.pieces) == "We try."
        assert it.headers["comptroller-tries"] == "2"
        assert [record["status"] for record in it.records] == ["denied", "ok"]


def test_a_stream_that_stays_refused_ends_with_our_code() -> None:
    with model(NO_PROMISES) as it:
        it.call(*[stream("I promise.")] * 3, body=ask(stream=True, max_tokens=20))
        assert told(it.pieces) == ""
        assert b"We promise nothing." in b"".join(it.pieces)
        assert len(it.records) == 3


def test_a_guard_stops_a_stream_midway_and_asks_again() -> None:
    policy = "policy: p\nguards: {secrets: {out: deny, retry: {times: 1}}}"
    with model(policy) as it:
        bad = stream("The key is ", "AKIA" + "IOSFODNN7EXAMPL3", " and more, and more. ")
        it.call(bad, stream("Ask ops."), body=ask(stream=True, max_tokens=20))
        assert told(it.pieces) == "Ask ops."


def streamed_call(name: str) -> bytes:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return event({"role": "assistant", "tool_calls": [call]}) + event({}, "tool_calls") + DONE


def test_a_refused_tool_call_in_a_stream_is_asked_for_again() -> None:
    with model(NO_SHELL) as it:
        it.call(streamed_call("shell"), stream("Done."), body=ask(stream=True, max_tokens=20))
        assert told(it.pieces) == "Done."
        assert "There is no shell." in it.asked()


# -- the money


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.booleans()), min_size=1, max_size=6))
def test_what_is_settled_is_the_sum_of_all_tries(turns: list[tuple[bool, int, bool]]) -> None:
    with model(NO_PROMISES + "budgets: [{per: run, cap: 1 USD}]\n") as it:
        for good, tokens, streamed in turns:
            text = "We try." if good else "I promise."
            one = stream(text) if streamed else reply(text, completion_tokens=tokens)
            it.call(*[one] * 3, body=ask(stream=streamed, max_tokens=50))
        spent, held = it.desk.ledger.counter(f"run:{it.run.id}|:", "USD")
        assert spent == sum(record["cost"] for record in it.records)
        assert held == 0
        assert len(it.records) == sum(1 if good else 3 for good, _, _ in turns)


def test_a_reply_that_a_person_approved_is_not_asked_for_again() -> None:
    policy = NO_SHELL + "  - {id: odd-asks, on: reply, when: 'reply.text.contains(\"odd\")', then: ask}\n"
    with model(policy) as it:
        odd = reply("odd", [("c1", "shell", {})])
        assert it.call(odd).refused is not None
        it.desk.answer("approve")
        answer = it.call(odd)
        assert len(it.sent) == 1
        assert "There is no shell." in text_of(answer)


def test_of_a_stream_no_more_is_held_than_of_a_whole_reply() -> None:
    with model(NO_PROMISES, limits={"body_mb": 1}) as it:
        it.call(stream("word " * 250_000), body=ask(stream=True, max_tokens=20))
        assert b"limits.body_mb" in b"".join(it.pieces)
        assert told(it.pieces) == ""
        assert it.records[-1]["cost"] > 0
