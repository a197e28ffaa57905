"""Conditions that can never be true."""

import pytest

from comptroller.policies.never import why_never


@pytest.mark.parametrize(
    "text",
    [
        "false",
        "1 > 2",
        "args.x > 1 && false",
        "args.x > 5 && args.x < 5",
        "args.x > 5 && args.x <= 5",
        "args.x == 1 && args.x == 2",
        "5 < args.x && args.x < -5",
        "agent == 'a' && agent == 'b'",
        "tool == 'other'",
        "1 == 2 || 'a' == 'b'",
    ],
)
def test_what_can_never_be_true_is_told(text: str) -> None:
    assert why_never(text, "refund")


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "args.x >= 5 && args.x <= 5",
        "args.x > 5 || args.x < 5",
        "args.x > 5 && args.y < 5",
        "agent == 'a' || agent == 'b'",
        "args.x > 5 ? args.x < 3 : true",
        "(args.x > 5 || true) && args.x < 3",
        "tool == 'refund'",
        "tool.startsWith('other')",
        "args.x - 5 > 5 && args.x < 6",
        "agent == 'a' && user == 'b'",
        "args.x > 5 && args.x < 6",
        "size(text) > 5 && size(text) < 9",
    ],
)
def test_what_may_be_true_is_left_alone(text: str) -> None:
    assert why_never(text, "refund") is None


def test_a_glob_for_the_tool_is_minded() -> None:
    assert why_never("tool == 'refund_eu'", "refund_*") is None
