"""Tiers: each unit at the price of its own tier (graduated), or all at that of the tier reached (volume)."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from comptroller.metering.rating.line import ZERO, Line, RatingError, total
from comptroller.metering.rating.terms import plain
from comptroller.metering.rating.usage import Usage


@dataclass(frozen=True, slots=True)
class Tier:
    """Up to and with so many units; None is without end. `flat` is due once the tier is reached."""

    up_to: Fraction | None
    unit: Fraction = ZERO
    flat: Fraction = ZERO


@dataclass(frozen=True, slots=True)
class Tiers:
    """What graduated and volume prices share: the ladder, and what holds at its two ends."""

    tiers: tuple[Tier, ...]
    flat_at_zero: bool = True  # whether the flat amount of the first tier is due before any unit
    last_goes_on: bool = False  # whether the last tier also holds for what passes its end
    of_value: bool = False  # tiers over a declared value instead of counted units

    def measured(self, usage: Usage) -> Fraction:
        measure = worth(usage) if self.of_value else usage.quantity
        if measure < 0:
            raise RatingError(f"There are {plain(measure)} units in tiers, less than none. Rate what was taken back "
                              "with the period it belongs to.")  # fmt: skip
        end = self.tiers[-1].up_to
        if end is not None and measure > end and not self.last_goes_on:
            raise RatingError(f"{plain(measure)} is past the last tier, which ends at {plain(end)}. Add a tier without "
                              "`up_to`, or set `beyond: last`.")  # fmt: skip
        return measure

    def reached(self, measure: Fraction) -> int:
        """The number of the tier that holds the last unit, counted from 0."""
        for number, tier in enumerate(self.tiers):
            if tier.up_to is None or measure <= tier.up_to:
                return number
        return len(self.tiers) - 1

    def spans(self, low: Fraction, high: Fraction) -> Iterator[tuple[int, Fraction]]:
        """How much of the stretch from `low` to `high` lies in each tier."""
        start = ZERO
        last = len(self.tiers) - 1
        for number, tier in enumerate(self.tiers):
            end = high if tier.up_to is None or number == last else tier.up_to
            share = min(high, end) - max(low, start)
            if share > 0:
                yield number, share
            start = end

    def name(self, number: int) -> str:
        return _name(self.tiers[number - 1].up_to if number else ZERO, self.tiers[number].up_to)

    def usage_line(self, number: int, quantity: Fraction) -> Line:
        unit = self.tiers[number].unit
        return Line("usage", self.name(number), unit * quantity, quantity, unit, number + 1)

    def flat_line(self, number: int) -> Line:
        flat = self.tiers[number].flat
        return Line("flat", self.name(number), flat, Fraction(1), flat, number + 1)


@dataclass(frozen=True, slots=True)
class Graduated(Tiers):
    """Every unit at the price of the tier it falls into."""

    def lines(self, usage: Usage) -> Iterator[Line]:
        changes = usage.changes
        if not changes and usage.prorated is not None:
            changes = ((usage.quantity, usage.prorated),)
        if changes:
            lines = tuple(self._seats(changes))
            yield from lines
            if total(lines) < 0:  # more was given back than was there: nothing is owed for that
                yield Line("floor", "not below nothing", -total(lines))
            return
        measure = self.measured(usage)
        yield from self._flats(measure)
        for number, share in self.spans(ZERO, measure):
            if self.tiers[number].unit or not self.tiers[number].flat:
                yield self.usage_line(number, share)

    def _flats(self, measure: Fraction) -> Iterator[Line]:
        if not measure and not self.flat_at_zero:
            return
        for number in range(self.reached(measure) + 1):
            if self.tiers[number].flat:
                yield self.flat_line(number)

    def _seats(self, changes: tuple[tuple[Fraction, Fraction], ...]) -> Iterator[Line]:
        """Seats come and go: the tier goes by how many there are, the price by how long each was there."""
        seats = most = ZERO
        for full, prorated in changes:
            after = seats + full
            self.measured(Usage(value=after, quantity=after))
            low, high = min(seats, after), max(seats, after)
            for number, share in self.spans(low, high):
                yield self.usage_line(number, Fraction(share * prorated, abs(full)))
            seats, most = after, max(most, after)
        yield from self._flats(most)


@dataclass(frozen=True, slots=True)
class Volume(Tiers):
    """All units at the price of the tier that the last one falls into: 15 may cost more than 16."""

    def lines(self, usage: Usage) -> Iterator[Line]:
        measure = self.measured(usage)
        number = self.reached(measure)
        tier = self.tiers[number]
        if tier.flat and (measure or self.flat_at_zero):
            yield self.flat_line(number)
        charged = measure if usage.prorated is None else usage.prorated
        if charged and (tier.unit or not tier.flat):
            yield self.usage_line(number, charged)


@lru_cache(maxsize=4096)
def _name(start: Fraction | None, end: Fraction | None) -> str:
    begins = f"above {plain(start or ZERO)}"
    return begins if end is None else f"{begins} up to {plain(end)}"


def worth(usage: Usage) -> Fraction:
    """The value a percentage is taken of: as declared, else that of all events."""
    if usage.value is not None:
        return usage.value
    if usage.events:
        return sum(usage.events, ZERO)
    raise RatingError("The price is a share of a value, and none was declared. Declare it with the claim, or give "
                      "the contract another price for this.")  # fmt: skip
