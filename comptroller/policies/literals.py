"""Text in a condition that must be more than text: patterns, moments and lengths of time, tried out at load."""

from collections.abc import Sequence
from itertools import pairwise

from comptroller.policies.condition import Condition, Undecided
from comptroller.policies.syntax import BadCondition, Token, tokens

_TRIALS = {
    "matches": ("''.matches({0})", "a pattern", "RE2 has no look-around and no back-references"),
    "timestamp": ("timestamp({0}) == timestamp({0})", "a moment", "Write it like `2026-01-31T00:00:00Z`"),
    "duration": ("duration({0}) == duration({0})", "a length of time", "Write it like `90s`, `15m` or `1h30m`"),
}


def check_literals(text: str) -> None:
    """Raise BadCondition for a literal that would fail on every call."""
    found = tokens(text)
    for at, token in enumerate(found):
        if token.text in _TRIALS and [item.text for item in found[at + 1 : at + 2]] == ["("]:
            _try(token.text, _last_argument(found[at + 2 : at + 6]))


def _last_argument(following: Sequence[Token]) -> str | None:
    """The literal before the closing bracket: in `x.matches("p")` and in `matches(x, "p")` alike."""
    for token, after in pairwise(following):
        if token.kind == "string" and after.text == ")":
            return token.text
        if token.text == "(":
            return None
    return None


def _try(name: str, literal: str | None) -> None:
    trial, what, remedy = _TRIALS[name]
    if literal is None:
        return
    try:
        Condition(trial.format(literal), {}).holds({})
    except Undecided as why:
        raise BadCondition(f"{literal} is not {what}: {why}. {remedy}.") from None
