"""What rating says: lines that add up to a total, in exact fractions of a currency."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from comptroller.core.errors import ComptrollerError
from comptroller.core.money import NANOS, Money
from comptroller.metering.rating.rounding import round_to

Kind = Literal["usage", "flat", "overage", "discount", "minimum", "maximum", "billed", "floor", "rounding", "credit"]
ZERO = Fraction(0)


class RatingError(ComptrollerError):
    """This usage has no amount under this price; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One part of an amount: so many units at so much each, or an amount for another reason."""

    kind: Kind
    name: str
    amount: Fraction
    quantity: Fraction = ZERO
    unit: Fraction = ZERO
    tier: int = 0  # counted from 1; 0 where the price has none

    @property
    def key(self) -> tuple[str, str, int]:
        """What it shares with a line for the same part of another run."""
        return self.kind, self.name, self.tier


@dataclass(frozen=True, slots=True)
class Rated:
    """What usage costs: the lines and their sum."""

    lines: tuple[Line, ...]
    total: Fraction
    currency: str

    @property
    def money(self) -> Money:
        """The total as money; to the nano where the price says not to round."""
        return Money(nanos(self.total), self.currency)

    def amount(self, *kinds: Kind) -> Fraction:
        """The sum of the lines of some kinds."""
        return total(line for line in self.lines if line.kind in kinds)


def nanos(amount: Fraction) -> int:
    """An amount in whole nanos; exact for whatever was rounded to a currency."""
    return int(round_to(amount, 9) * NANOS)


def total(lines: Iterable[Line]) -> Fraction:
    return sum((line.amount for line in lines), ZERO)


def merge(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Lines for the same part made one; what adds up to nothing is left out unless units were counted."""
    found: dict[tuple[str, str, int], Line] = {}
    for line in lines:
        known = found.get(line.key)
        found[line.key] = _joined(known, line) if known else line
    return tuple(line for line in found.values() if line.amount or line.quantity)


def negate(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The same lines taken back."""
    return tuple(replace(line, amount=-line.amount, quantity=-line.quantity) for line in lines)


def _joined(one: Line, other: Line) -> Line:
    unit = one.unit if one.unit == other.unit else ZERO
    return replace(one, amount=one.amount + other.amount, quantity=one.quantity + other.quantity, unit=unit)
