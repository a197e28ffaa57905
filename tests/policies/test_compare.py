"""What two books say otherwise."""

import pytest

from comptroller.policies.compare import Difference, compare
from comptroller.policies.load import load_policies

BASE = """
policy: p
guards: {secrets: {in: redact}}
tools: {pay: {args: {amount: double}}}
rules:
  - {id: dear, on: tool, tool: pay, when: args.amount > 100, then: ask, because: Dear.}
budgets: [{per: run, cap: 2.50 USD}]
limits: [{per: key, requests: 60/min}]
unlisted: allow
"""


def differences(old: str, new: str, text: str = BASE) -> list[Difference]:
    return compare(load_policies([("p.yaml", text)]), load_policies([("p.yaml", text.replace(old, new))]))


@pytest.mark.parametrize(
    ("old", "new"),
    [("2.50 USD", "2.5 USD"), ("args.amount > 100", "'args.amount  >  100 // dear'"), ("then: ask,", "then:   ask,")],
)
def test_another_spelling_is_no_difference(old: str, new: str) -> None:
    assert differences(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "kind", "name", "sides"),
    [
        ("> 100", "> 50", "rule", "when", ("args.amount > 100", "args.amount > 50")),
        ("then: ask", "then: deny", "rule", "then", ("ask", "deny")),
        ("in: redact", "in: deny", "guard", "in", ("redact", "deny")),
        ("2.50 USD", "5 USD", "budget", "cap", (("USD", 2_500_000_000), ("USD", 5_000_000_000))),
        ("60/min", "10/min", "limit", "requests", ("60/min", "10/min")),
        ("amount: double}}", "amount: int}}", "tool", "args", ({"amount": "double"}, {"amount": "int"})),
        ("unlisted: allow", "unlisted: deny", "setting", "unlisted", ("allow", "deny")),
    ],
)
def test_each_section_tells_what_is_otherwise(old: str, new: str, kind: str, name: str, sides: object) -> None:
    (one,) = differences(old, new)
    assert (one.kind, one.what, one.fields[0].name) == (kind, "changed", name)
    assert (one.fields[0].before, one.fields[0].after) == sides


def test_a_rule_that_only_says_why_in_other_words_is_reworded() -> None:
    assert [one.what for one in differences("Dear.", "Too dear.")] == ["reworded"]


def test_what_is_new_and_what_is_gone_is_told_with_what_it_says() -> None:
    found = differences("id: dear", "id: dearer")
    assert [(one.what, one.id, one.place) for one in found] == [
        ("added", "dearer", "p.yaml:6"),
        ("removed", "dear", "p.yaml:6"),
    ]
    assert {field.name: field.after for field in found[0].fields}["then"] == "ask"


def test_whom_a_file_applies_to_is_part_of_what_its_rules_say() -> None:
    found = differences("policy: p", "policy: p\napplies: {workflows: [a]}")
    assert {one.kind for one in found} == {"rule", "guard"}
    assert found[0].fields[0].name == "applies"


def test_two_budgets_of_one_scope_are_told_apart() -> None:
    found = differences(
        "[{per: run, cap: 2.50 USD}]", "[{per: run, cap: 2.50 USD}, {per: run, cap: 1 USD, over: note}]"
    )
    assert [(one.what, one.id) for one in found] == [("added", "per run in USD (2)")]
