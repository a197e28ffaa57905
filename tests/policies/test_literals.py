"""Literals that would fail on every call."""

import pytest

from comptroller.policies.literals import check_literals
from comptroller.policies.syntax import BadCondition


@pytest.mark.parametrize(
    "text", ["text.matches('(')", "matches(text, '(?<=a)b')", "now > timestamp('x')", "duration('1 day') > x"]
)
def test_a_literal_that_always_fails_is_refused(text: str) -> None:
    with pytest.raises(BadCondition, match="is not a"):
        check_literals(text)


@pytest.mark.parametrize(
    "text",
    [
        "text.matches(r'(?i)^\\d+$')",
        "text.matches(args.pattern)",
        "now > timestamp('2026-01-01T00:00:00Z')",
        "agent == '('",
    ],
)
def test_others_pass(text: str) -> None:
    check_literals(text)
