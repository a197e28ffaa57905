"""One rule alone: what it says, and how it tells why it could not."""

from collections.abc import Mapping

import pytest

from comptroller.core.call import Identity
from comptroller.core.verdict import Case, Verdict
from comptroller.policies.load import load_policies


def judge(when: str, args: Mapping[str, object]) -> Verdict | None:
    table = "tools: {t: {args: {amount: double, note: string?}}}\n"
    rule = f"rules: [{{id: r, on: tool, tool: t, when: {when!r}, then: ask}}]\n"
    book = load_policies([("p.yaml", f"policy: p\n{table}{rule}")])
    return book.policies[0].rules[0].judge(Case("tool", Identity(), tool="t", args=args), None)


def test_a_rule_that_does_not_match_says_nothing() -> None:
    assert judge("args.amount > 100", {"amount": 1}) is None


def test_a_rule_without_a_condition_always_says_its_word() -> None:
    verdict = judge("true", {})
    assert verdict is not None
    assert (verdict.action, verdict.error) == ("ask", False)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ({"amount": "1"}, "`args.amount` is a string, not a number."),
        ({"amount": 0}, "float division by zero."),
        ({}, "`args.amount` is absent."),
        ({"amount": 0, "note": 5}, "`args.note` is a number, not a string."),
    ],
)
def test_the_reason_is_the_input_that_is_to_blame(args: Mapping[str, object], reason: str) -> None:
    verdict = judge("has(args.note) && args.note == 'vip' || 1 / args.amount > 0", args)
    assert verdict is not None
    assert verdict.error
    assert verdict.because == f"r could not be decided, so it says deny: {reason}"


def test_an_absence_that_was_asked_about_is_not_blamed() -> None:
    verdict = judge("has(args.note) && args.note == 'vip' || 1 / args.amount > 0", {"amount": 0})
    assert verdict is not None
    assert "note" not in verdict.because
