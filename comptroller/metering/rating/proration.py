"""Proration by the day: shares of a billing period, cycles billed in advance, changes of plan.

A day is a day in the customer's zone, also when clocks change.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from comptroller.metering.periods import Calendar, day_of, next_period, period_on
from comptroller.metering.rating.line import ZERO, RatingError
from comptroller.metering.rating.rounding import Rounding

ONE = Fraction(1)
Net = Literal["legs", "net"]


@dataclass(frozen=True, slots=True)
class Part:
    """So many days of a cycle of so many."""

    days: int
    of: int

    @property
    def share(self) -> Fraction:
        return Fraction(self.days, self.of)


def days_between(zone: str, start: int, end: int) -> int:
    """How many days lie between two instants (ns since 1970), by the calendar of a zone."""
    return (day_of(zone, end) - day_of(zone, start)).days


def share(calendar: Calendar, first: date, after: date, days: int | None = None) -> Fraction:
    """What part of its billing period, or of how many periods, a stretch of days is.

    Adjoining stretches sum to the whole. With `days` (30, say) every period counts as so long whatever it has, a
    whole one as 1; stretches then sum to the whole only where it is as long as that.
    """
    return sum((_counted(part, days) for part in parts(calendar, first, after)), ZERO)


def parts(calendar: Calendar, first: date, after: date) -> tuple[Part, ...]:
    """The stretch from one day to before another, cut where billing periods begin."""
    found = []
    period = period_on(calendar, first)
    while first < after:
        end = min(after, period.after)
        found.append(Part((end - first).days, period.days))
        first, period = end, next_period(calendar, period)
    return tuple(found)


def in_advance(calendar: Calendar, first: date, after: date | None, target: date) -> tuple[Part, ...]:
    """The cycles billed by a day where each is billed when it begins; the first and the last may be cut.

    A cut cycle counts by its own days: the one that leads up to the first billing day by those since the billing
    day before.
    """
    end = period_on(calendar, target).after
    if first > target or (after is not None and after <= first):
        return ()
    return parts(calendar, first, end if after is None else min(after, end))


def prorated(fee: Fraction, days: int, of: int, rounding: Rounding, currency: str) -> Fraction:
    """The fee for so many days of a period of so many, payable."""
    if not 0 <= days <= of or not of:
        raise RatingError(f"{days} of {of} days is no part of a period. Give days within it.")
    return rounding.of(fee * Fraction(days, of), currency)


@dataclass(frozen=True, slots=True)
class Change:
    """What a change of plan costs: the old one given back, the new one charged, for the rest of the period."""

    credit: Fraction
    charge: Fraction
    net: Fraction


def change(
    old: Fraction, new: Fraction, left: Fraction, rounding: Rounding, currency: str, net: Net = "legs"
) -> Change:
    """The change with so much of the period `left`.

    By `legs` both sides are rounded and the difference follows; by `net` the difference is rounded, and the charge
    follows.
    """
    credit = rounding.of(old * left, currency)
    if net == "legs":
        charge = rounding.of(new * left, currency)
        return Change(credit, charge, charge - credit)
    difference = rounding.of((new - old) * left, currency)
    return Change(credit, credit + difference, difference)


def rest_of(first: date, last: date, at: date) -> Part:
    """What is left of a period on a day of it, that day included; both ends belong to the period."""
    if not first <= at <= last:
        raise RatingError(f"{at} is not within {first} to {last}. Name a day of the period.")
    return Part((last - at).days + 1, (last - first).days + 1)


def true_up(
    minimum: Fraction, charges: Iterable[Fraction], rounding: Rounding, currency: str, part: Fraction = ONE
) -> Fraction:
    """What is lacking to a commitment, never less than nothing; `part` is how much of the period it holds for.

    Every charge counts as it is billed: rounded.
    """
    lacking = rounding.of(minimum * part, currency) - sum((rounding.of(one, currency) for one in charges), ZERO)
    return max(lacking, ZERO)


def _counted(part: Part, days: int | None) -> Fraction:
    # A period is never more than whole: 31 days of a month that counts as 30 are one month.
    return part.share if days is None or part.days == part.of else min(Fraction(part.days, days), ONE)
