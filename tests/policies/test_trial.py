"""Tests inside policy files."""

import pytest

from comptroller.policies.load import load_policies
from comptroller.policies.trial import TestOutcome, run_tests, unreached

POLICY = """
policy: p
tools: {{pay: {{args: {{amount: double}}}}}}
rules:
  - {{id: dear, on: tool, tool: pay, when: args.amount > 100, then: ask}}
  - {{id: night, on: model, when: now.getHours() < 6, then: deny}}
  - {{id: spent, on: model, when: run.spent >= 2.5 && run.calls == 3 && call.worst_cost == 0.1, then: note}}
  - {{id: said, on: reply, when: reply.text.contains("x"), then: deny}}
tests:
  - {}
"""


def run(test: str) -> TestOutcome:
    return run_tests(load_policies([("p.yaml", POLICY.format(test))]))[0]


@pytest.mark.parametrize(
    "test",
    [
        "{call: {tool: pay, args: {amount: 250}}, expect: ask, by: dear}",
        "{call: {tool: pay, args: {amount: 1}}, expect: allow}",
        "{call: {tool: pay}, expect: deny, by: dear}",
        "{call: {now: '2026-01-01T05:59:00'}, expect: deny, by: night}",
        "{call: {now: '2026-01-01T05:59:00-02:00'}, expect: allow}",
        "{call: {now: '2026-01-01T12:00Z', spent: 2.50 USD, calls: 3, worst_cost: 0.1 USD}, expect: note, by: spent}",
        "{call: {reply: an x}, expect: deny, by: said}",
        "{call: {on: agent}, expect: allow}",
    ],
)
def test_a_made_up_call_is_decided_as_a_live_one(test: str) -> None:
    assert run(test).passed


def test_a_failed_test_says_what_came_instead_and_why() -> None:
    outcome = run("{call: {tool: pay, args: {amount: 250}}, expect: deny}")
    assert (outcome.passed, outcome.place, outcome.got, outcome.rule) == (False, "p.yaml:10", "ask", "dear")
    assert outcome.why.startswith("expected deny, got ask by `dear` (Rule `dear`")


def test_the_right_answer_by_the_wrong_rule_fails() -> None:
    assert run("{call: {tool: other}, expect: ask, by: dear}").why.startswith(
        "expected it by `dear`, got it by `unlisted`"
    )


@pytest.mark.parametrize("test", ["{call: {spent: much}, expect: allow}", "{call: {now: noon}, expect: allow}"])
def test_a_call_that_cannot_be_made_up_fails(test: str) -> None:
    assert (run(test).got, run(test).passed) == ("error", False)


@pytest.mark.parametrize(
    "applies",
    ["workflows: ['support-*']", "agents: [fraud]", "workflows: ['a?[!bc][de]*'], agents: ['x*', y]", "agents: ['*']"],
)
def test_a_test_that_names_no_workflow_and_agent_is_of_one_that_the_file_applies_to(applies: str) -> None:
    text = f"""
policy: refunds
applies: {{{applies}}}
rules: [{{id: dear, on: tool, tool: pay, when: args.amount > 100.0, then: ask}}]
tests: [{{call: {{tool: pay, args: {{amount: 250.0}}}}, expect: ask, by: dear}}]
"""
    assert [outcome.got for outcome in run_tests(load_policies([("p.yaml", text)]))] == ["ask"]


def test_a_test_that_names_another_workflow_is_not_of_this_one() -> None:
    text = """
policy: refunds
applies: {workflows: ["support-*"]}
rules: [{id: dear, on: tool, tool: pay, then: ask}]
tests: [{call: {tool: pay, workflow: sales}, expect: allow}, {call: {tool: pay, workflow: ""}, expect: allow}]
"""
    assert all(outcome.passed for outcome in run_tests(load_policies([("p.yaml", text)])))


def test_a_rule_is_reached_where_it_matches_and_not_where_it_cannot_decide() -> None:
    book = load_policies([("p.yaml", POLICY.format("{call: {tool: pay}, expect: deny}"))])
    assert [one.rule for one in unreached(book, run_tests(book))] == ["dear", "night", "spent", "said"]
    book = load_policies([("p.yaml", POLICY.format("{call: {tool: pay, args: {amount: 250}}, expect: ask}"))])
    assert [one.rule for one in unreached(book, run_tests(book))] == ["night", "spent", "said"]
