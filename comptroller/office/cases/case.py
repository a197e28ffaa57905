"""A pricing case: what is priced, what it should come to, and what it comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from comptroller.metering.rating.terms import plain

Value = Fraction | str
Told = Value | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a case comes to: one amount, or several by name.

    A case may expect one of the `named` amounts instead, or some of them; of a `whole` answer it expects all.
    """

    told: Told
    named: Mapping[str, Value] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """A case that was tried. `because` says why there is no amount."""

    id: str
    expected: Any
    got: Any
    because: str = ""

    @property
    def wrong(self) -> bool:
        """True where it is not what it should be, or has no amount although nothing said so."""
        return bool(self.because) if self.expected is None else self.expected != self.got

    @property
    def shown(self) -> bool:
        """True where there is something to see: a mistake, or an amount that nobody said beforehand."""
        return self.wrong or self.expected is None


def compare(case: str, expected: Any, answer: Answer) -> Result:
    """The answer beside what was expected, written with as many decimals where that loses nothing."""
    told, expected = answer.told, _text(expected)
    if isinstance(expected, dict) and not (answer.whole and isinstance(told, dict)):
        known = {**answer.named, **(told if isinstance(told, dict) else {})}
        told = {name: known[name] for name in expected if name in known}
    return Result(case, expected, _written(told, expected))


def _text(expected: Any) -> Any:
    """Amounts as texts: a number in a file means what it looks like."""
    if isinstance(expected, dict):
        return {name: _text(value) for name, value in expected.items()}
    if isinstance(expected, list):
        return [_text(value) for value in expected]
    return expected if expected is None else str(expected)


def _written(told: Told, expected: Any) -> Any:
    if isinstance(told, dict):
        known = expected if isinstance(expected, dict) else {}
        return {name: _written(value, known.get(name)) for name, value in told.items()}
    if isinstance(told, list):
        likes = expected if isinstance(expected, list) else []
        return [_written(value, like) for value, like in zip_longest(told, likes[: len(told)])]
    return told if isinstance(told, str) else plain(told, _decimals(expected))


def _decimals(expected: Any) -> int:
    _, _, decimals = str(expected).partition(".")
    return len(decimals) if decimals.isdigit() else 0
