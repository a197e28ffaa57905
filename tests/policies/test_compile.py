"""From documents to policies: argument types out of the tables, and conditions of every sort."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from comptroller.core.call import Identity
from comptroller.core.verdict import Case
from comptroller.policies.load import load_policies
from comptroller.policies.mistakes import PolicyErrors

TOOLS = """
policy: p
tools:
  pay_card: {args: {amount: double, note: string}}
  pay_cash: {args: {amount: "double?", note: int}}
  free: {}
rules:
"""
WORDS = [
    "args.x",
    "args.y",
    "args.s",
    "args.o.k",
    "args.l",
    "args['x']",
    "has(",
    "sources(",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ":",
    "?",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "<",
    ">=",
    "==",
    "!=",
    "in",
    "1",
    "2.5",
    "'a'",
    "true",
    "null",
    "size(",
    ".size()",
    ".matches(",
    "agent",
    "scopes",
    "run.calls",
    "tool",
    "text",
    "int(",
    "b'x'",
    "0x1F",
    "1u",
    "now",
    "type(",
    "dyn(",
]


def mistakes(rule: str) -> list[str]:
    with pytest.raises(PolicyErrors) as caught:
        load_policies([("p.yaml", f"{TOOLS}  - {{id: r, on: tool, {rule}, then: deny}}\n")])
    return caught.value.mistakes


def test_a_glob_has_the_arguments_of_all_its_tools() -> None:
    assert mistakes('tool: "pay_*", when: args.amont > 1') == [
        "p.yaml:8: Rule `r`: `pay_*` has no argument `amont`. Did you mean `amount`?"
    ]
    assert "does not fit a double and a string" in mistakes("tool: 'pay_*', when: args.amount > 'a'")[0]


def test_an_argument_of_two_types_may_be_either() -> None:
    text = f"{TOOLS}  - {{id: r, on: tool, tool: 'pay_*', when: args.note == 5 || args.note == 'a', then: deny}}\n"
    book = load_policies([("p.yaml", text)])
    said = [
        book.decide(Case("tool", Identity(), tool="pay_card", args={"note": note})).action for note in (5, "a", "b")
    ]
    assert said == ["deny", "deny", "allow"]


@pytest.mark.parametrize("rule", ["tool: free, when: args.any > 1", "tool: '*', when: args.any == 'x'"])
def test_where_a_table_leaves_the_arguments_open_any_may_be_named(rule: str) -> None:
    assert load_policies([("p.yaml", f"{TOOLS}  - {{id: r, on: tool, {rule}, then: deny}}\n")]).rules == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9))
@example(["has("])
@example(["args", "['x'"])
def test_whatever_is_written_as_a_condition_is_decided_or_refused(words: list[str]) -> None:
    condition = " ".join(words).replace("'", "''")
    text = (
        "policy: p\ntools: {t: {args: {x: int, y: double?, s: string, o: object, l: list}}}\n"
        f"rules: [{{id: r, on: tool, tool: t, when: '{condition}', then: note}}]\n"
    )
    try:
        book = load_policies([("p.yaml", text)])
    except PolicyErrors as error:
        told = error.mistakes
    else:
        told = []
        for args in ({"x": 1, "y": 2.0, "s": "a", "o": {"k": 1}, "l": ["a"]}, {}, None):
            assert book.decide(Case("tool", Identity(), tool="t", args=args)).action in ("allow", "note", "deny")
    assert all(mistake.startswith("p.yaml:3: ") for mistake in told)
