"""Agents that keep failing: another model takes over, or another agent."""

import json

import pytest

import comptroller as ct
from comptroller.core.facts import AGENT_HANDED_OVER
from comptroller.testing import desk
from comptroller.wrapper.context import current
from tests.wrapper.bodies import ask, reply
from tests.wrapper.healing_model import NO_PROMISES, model


def test_another_model_takes_over_after_so_many_failures() -> None:
    with model("policy: p\nfallback: {to: gpt-4o, after: 2}") as it:
        for _ in range(2):
            it.call((500, b"{}"))
        it.call(reply())
        assert json.loads(it.sent[0].body or b"{}")["model"] == "gpt-4o"
        assert it.records[-1]["rule"] == "fallback.model"
        assert it.records[-1]["name"] == "gpt-4o"


def test_it_is_held_and_paid_at_the_other_models_price() -> None:
    with model("policy: p\nfallback: {to: gpt-4o, after: 1}") as it:
        it.call(reply())
        it.call((503, b"{}"))
        it.call(reply())
        assert it.records[-1]["cost"] > it.records[0]["cost"]
        assert it.records[-1]["worst"] > it.records[0]["worst"]


def test_after_so_many_successes_the_first_model_has_another_chance() -> None:
    with model("policy: p\nfallback: {to: gpt-4o, after: 1, until: 2}") as it:
        it.call((500, b"{}"))
        names = [json.loads((it.call(reply()), it.sent[0].body or ask())[1])["model"] for _ in range(3)]
        assert names == ["gpt-4o", "gpt-4o", "gpt-4o-mini"]


def test_what_the_caller_got_wrong_is_no_failure_of_the_agents() -> None:
    with model("policy: p\nfallback: {to: gpt-4o, after: 1}") as it:
        it.call((400, b"{}"))
        it.call(reply())
        assert it.sent[0].body is None


def test_each_agent_is_counted_by_itself() -> None:
    with model("policy: p\nfallback: {to: gpt-4o, after: 1}") as it:
        it.call((500, b"{}"), agent="junior")
        it.call(reply(), agent="senior")
        assert it.sent[0].body is None


def test_an_agent_that_keeps_failing_is_told_to_hand_over() -> None:
    with model("policy: p\nagents: {junior: {fallback: {agent: senior, after: 2}}}") as it:
        for _ in range(2):
            it.call((500, b"{}"), agent="junior")
        answers = [it.call(agent="junior") for _ in range(2)]
        assert all(answer.refused is not None for answer in answers)
        assert answers[0].refused is not None
        assert answers[0].refused.details["hand_over"] == "senior"
        assert "Hand over to senior" in str(answers[0].refused)
        assert [fact["to"] for fact in it.desk.facts(AGENT_HANDED_OVER)] == ["senior"]
        assert it.call(reply(), agent="senior").refused is None


def test_tries_count_as_failures_and_the_next_one_goes_to_the_other_model() -> None:
    with model(NO_PROMISES + "fallback: {to: gpt-4o, after: 1}") as it:
        it.call(reply("I promise."), reply("We try."))
        assert json.loads(it.sent[1].body or b"{}")["model"] == "gpt-4o"


def test_a_tool_that_fails_counts_for_its_agent() -> None:
    @ct.tool
    def search(query: str) -> str:
        raise LookupError(query)

    with desk("policy: p\nunlisted: allow\nfallback: {to: gpt-4o, after: 2}"), ct.run("w") as run, run.agent("clerk"):
        for _ in range(2):
            with pytest.raises(LookupError):
                search("x")
        scope = current()
        assert scope is not None
        assert scope.run.tallies["clerk"].failed == 2


def test_calls_outside_any_run_are_not_counted() -> None:
    @ct.tool
    def search(query: str) -> str:
        raise LookupError(query)

    with desk("policy: p\nunlisted: allow\nfallback: {to: gpt-4o, after: 1}") as made:
        with pytest.raises(LookupError):
            search("x")
        assert made.ambient.run.tallies == {}


def test_where_the_path_names_the_model_the_path_changes() -> None:
    reply_of = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 5, "totalTokenCount": 10},
    }
    asked = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": 20}}
    body = json.dumps(asked).encode()
    with model("policy: p\nfallback: {to: gemini-2.5-pro, after: 1}") as it:
        it.call((500, b"{}"), body=body, dialect="gemini")
        it.call(json.dumps(reply_of).encode(), body=body, dialect="gemini")
        assert it.sent[0].path == "/v1beta/models/gemini-2.5-pro:generateContent"
        assert it.records[-1]["name"] == "gemini-2.5-pro"
