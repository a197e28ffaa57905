"""Why a call is decided so, and the least that would let it pass."""

from typing import Any

import pytest

from comptroller.core.verdict import Case
from comptroller.policies.altered import altered
from comptroller.policies.document import ExampleCall
from comptroller.policies.load import load_policies
from comptroller.policies.reasons import in_words, passing, reasons
from comptroller.policies.trial import case_of
from comptroller.policies.ways import GONE, Change

POLICY = """
policy: p
tools:
  pay: {args: {amount: double, to: string, note: string?}, scope: "pay:out"}
  mail: {args: {to: list<string>, body: string, order: object?}}
rules:
  - {id: dear, on: tool, tool: pay, when: args.amount > 100, then: ask, ask: {of: [finance]}}
  - {id: huge, on: tool, tool: pay, when: args.amount >= 1000 && args.to != "bank", then: deny}
  - {id: whence, on: tool, tool: pay, when: 'provenance.args.to == "untrusted"', then: deny}
  - {id: noted, on: tool, tool: pay, when: 'has(args.note) && args.note.contains("x")', then: deny}
  - {id: many, on: tool, tool: mail, when: 'size(args.to) > 2', then: deny}
  - {id: inner, on: tool, tool: mail, when: 'has(args.order) && args.order.sum == 5', then: deny}
  - {id: long, on: model, when: 'text.matches("sec") || model.max_tokens > 10', then: deny}
  - {id: other, on: model, when: 'model.name in ["a", "b"] || run.spent > 5', then: deny}
  - {id: scoped, on: reply, when: '!("talk" in scopes)', then: deny}
  - {id: flat, on: agent, then: deny}
"""
BOOK = load_policies([("p.yaml", POLICY)])


def case(**call: Any) -> Case:
    if "tool" in call:
        call.setdefault("known", {"provenance.args.to": "user"})
    return case_of(ExampleCall(**call))


def least(**call: Any) -> str:
    return in_words(passing(BOOK, case(**call)))


def pay(amount: object, **more: Any) -> str:
    return least(tool="pay", args={"amount": amount, "to": "a", **more})


def test_a_bound_is_told_with_the_person_who_may_pass_it() -> None:
    assert pay(250.0) == "Allowed if `amount` <= 100, or if finance approves."


def test_where_two_rules_stop_a_call_the_way_past_both_comes_first_and_then_past_the_denial() -> None:
    assert pay(2500.0).startswith("Allowed if `amount` <= 100, or if `amount` < 1000 and finance approves")


def test_what_passes_needs_nothing() -> None:
    assert pay(20.0) == ""


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"tool": "pay", "args": {"to": "a"}}, "Allowed if `amount` is given."),
        ({"tool": "pay", "args": {"amount": "x", "to": "a"}}, "Allowed if `amount` is a number."),
        ({"tool": "pay", "args": {"amount": 1.0, "to": "a"}, "scopes": []}, "the agent holds the scope `pay:out`"),
        ({"tool": "pay", "args": {"amount": 1.0, "to": "a", "note": "xy"}}, "Allowed if `note` is left out"),
        ({"tool": "mail", "args": {"to": ["a", "b", "c"], "body": "x"}}, "Allowed if size(`to`) <= 2."),
        ({"tool": "mail", "args": {"to": [], "body": "", "order": {"sum": 5}}}, "`order.sum` is not 5"),
        ({"model": "c", "text": "a sec", "max_tokens": 44}, "`text` does not match 'sec' and `model.max_tokens` <= 10"),
        ({"model": "a", "max_tokens": 1, "spent": "9 USD"}, "`model.name` is none of 'a', 'b' and `run.spent` <= 5"),
        ({"reply": "hi", "scopes": []}, "Allowed if the agent holds the scope 'talk'."),
    ],
)
def test_the_smallest_change_is_found_in_the_condition(call: dict[str, Any], told: str) -> None:
    assert told in least(**call)


def test_where_it_came_from_is_a_way_too() -> None:
    found = least(tool="pay", args={"amount": 1.0, "to": "a"}, known={"provenance.args.to": "untrusted"})
    assert found == "Allowed if `to` does not come from what is untrusted."


def test_a_rule_without_a_condition_has_no_way_past_it() -> None:
    assert least(on="agent") == ""


def test_every_way_that_is_told_was_tried_so_one_that_another_rule_stops_is_not() -> None:
    book = load_policies([("p.yaml", "policy: p\nrules:\n" + "".join(
        f"  - {{id: r{n}, on: model, when: 'model.max_tokens {sign} 5', then: deny}}\n"
        for n, sign in enumerate((">=", "<"))
    ))])  # fmt: skip
    assert passing(book, case(max_tokens=9)) == []


def test_each_rule_says_what_it_saw_the_matching_ones_first() -> None:
    found = reasons(BOOK, case(tool="pay", args={"amount": 250.0, "to": "a"}))
    assert (found[0].rule, found[0].says) == ("dear", "matched")
    assert found[0].saw == (("args.amount", 250.0),)
    assert {one.says for one in found[1:]} == {"not matched"}


def test_a_rule_that_cannot_decide_says_what_it_lacks() -> None:
    found = reasons(BOOK, case(tool="pay", args={"to": "a"}))
    assert (found[0].says, found[0].missing) == ("could not be decided", (("args.amount", "is absent"),))


def test_tables_are_reasons_too() -> None:
    assert [one.rule for one in reasons(BOOK, case(tool="unheard"))] == ["unlisted"]


def test_a_profile_is_passed_by_arguments_that_the_user_gave() -> None:
    book = load_policies([("p.yaml", "policy: p\nprofile: least-privilege\ntools: {send: {args: {to: string}}}\n")])
    known = {"provenance.args.to": "untrusted", "run.tainted": True}
    told = in_words(passing(book, case(tool="send", args={"to": "a"}, said="send it to a", known=known)))
    assert told == "Allowed if `to` comes from the user, or if a person approves."


def test_a_changed_call_leaves_the_call_as_it_was() -> None:
    original = case(tool="mail", args={"to": ["a"], "order": {"sum": 5}})
    changed = altered(original, [Change("args.order.sum", 6, ""), Change("args.to", GONE, "")])
    assert changed is not None
    assert (changed.args, original.args) == ({"order": {"sum": 6}}, {"to": ["a"], "order": {"sum": 5}})


def test_what_cannot_be_changed_is_not_a_way() -> None:
    assert altered(case(), [Change("now", 1, "")]) is None


def test_a_condition_is_told_as_it_was_written() -> None:
    told = {reason.rule: reason.when for reason in reasons(BOOK, case(text="x"))}
    assert told["long"] == 'text.matches("sec") || model.max_tokens > 10'
