"""Splitting an amount so that the parts are payable and sum to it exactly."""

from collections.abc import Mapping
from fractions import Fraction
from math import lcm

from comptroller.core.money import largest_remainder
from comptroller.metering.rating.line import RatingError
from comptroller.metering.rating.terms import plain


def split(amount: Fraction, weights: Mapping[str, Fraction], places: int) -> dict[str, Fraction]:
    """The amount split by weight at so many decimals; leftovers go to the largest remainders, then by name.

    A negative amount splits as its opposite does, so that what is taken back mirrors what was given. Parts of
    nothing are left out.
    """
    unit = Fraction(1, 10**places)
    pieces = Fraction(abs(amount), unit)
    if pieces.denominator != 1:
        raise RatingError(f"{plain(amount)} cannot be split: it is finer than {plain(unit)}. Round it first.")
    if any(weight < 0 for weight in weights.values()) or not any(weights.values()):
        raise RatingError("Weights of a split must not be negative, and one of them must be above 0.")
    names = sorted(weights)
    common = lcm(*(weights[name].denominator for name in names))
    parts = largest_remainder(pieces.numerator, [int(weights[name] * common) for name in names])
    sign = -1 if amount < 0 else 1
    return {name: sign * part * unit for name, part in zip(names, parts, strict=True) if part}
