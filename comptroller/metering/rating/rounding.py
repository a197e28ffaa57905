"""Rounding: to how many decimals, which way, and whether each line or only the sum."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from comptroller.core.currencies import minor_places

Mode = Literal["half_up", "half_even", "half_down", "up", "down", "ceiling", "floor"]
At = Literal["line", "total", "none"]


@dataclass(frozen=True, slots=True)
class Rounding:
    """How amounts become payable. Halves go away from zero with `half_up`, as invoices are used to."""

    at: At = "line"
    mode: Mode = "half_up"
    places: int | None = None  # None: as many as the currency's smallest unit has

    def decimals(self, currency: str) -> int:
        """To how many decimals this rounds in a currency."""
        return minor_places(currency) if self.places is None else self.places

    def of(self, amount: Fraction, currency: str) -> Fraction:
        """The amount rounded, whatever `at` says."""
        return round_to(amount, self.decimals(currency), self.mode)


PAYABLE = Rounding()


def round_to(amount: Fraction, places: int, mode: Mode = "half_up") -> Fraction:
    """The amount with so many decimals."""
    unit = 10**places
    if unit % amount.denominator == 0:  # it has no more than these, as most have: 0.7 us instead of 1.7
        return amount
    return Fraction(round_ratio(amount.numerator * unit, amount.denominator, mode), unit)


def round_whole(amount: Fraction, mode: Mode = "half_up") -> int:
    """The whole number that a mode makes of an amount."""
    return round_ratio(amount.numerator, amount.denominator, mode)


def round_ratio(numerator: int, denominator: int, mode: Mode = "half_up") -> int:
    """The whole number that a mode makes of a fraction, without making the fraction."""
    whole, rest = divmod(abs(numerator), denominator)
    if rest and _goes_up(mode, 2 * rest - denominator, bool(whole % 2), numerator < 0):
        whole += 1
    return -whole if numerator < 0 else whole


def _goes_up(mode: Mode, beyond_half: int, odd: bool, negative: bool) -> bool:
    """True where the size of the number grows."""
    if mode in ("up", "down"):
        return mode == "up"
    if mode in ("ceiling", "floor"):
        return negative == (mode == "floor")
    if beyond_half:
        return beyond_half > 0
    return mode == "half_up" or (mode == "half_even" and odd)


def add_up(amounts: Iterable[Fraction], rounding: Rounding, currency: str) -> Fraction:
    """The sum: of rounded amounts, rounded itself, or exact, as the rule says."""
    if rounding.at == "line":
        return sum((rounding.of(amount, currency) for amount in amounts), Fraction(0))
    total = sum(amounts, Fraction(0))
    return rounding.of(total, currency) if rounding.at == "total" else total
