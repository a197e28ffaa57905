"""Prices by the unit: single units, a flat fee, packages, blocks, a committed quantity, a menu of outcomes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from comptroller.metering.rating.line import ZERO, Line, RatingError
from comptroller.metering.rating.rounding import Mode, round_whole
from comptroller.metering.rating.terms import plain
from comptroller.metering.rating.usage import Usage

ONE = Fraction(1)


def counted(usage: Usage) -> Fraction:
    """The units, none or more."""
    if usage.quantity < 0:
        raise RatingError(f"There are {plain(usage.quantity)} units, less than none. Rate what was taken back with "
                          "the period it belongs to.")  # fmt: skip
    return usage.quantity


@dataclass(frozen=True, slots=True)
class Unit:
    """So much for each unit; or for every `per` units, in proportion."""

    unit: Fraction
    per: Fraction = ONE

    def lines(self, usage: Usage) -> Iterator[Line]:
        units = counted(usage) if usage.prorated is None else usage.prorated
        each = Fraction(self.unit, self.per)
        if units:
            yield Line("usage", "units", units * each, units, each)


@dataclass(frozen=True, slots=True)
class Flat:
    """A fee for the period, whatever was used."""

    amount: Fraction

    def lines(self, usage: Usage) -> Iterator[Line]:
        share = ONE if usage.prorated is None else usage.prorated
        yield Line("flat", "fee", self.amount * share, share, self.amount)


@dataclass(frozen=True, slots=True)
class Package:
    """So much for every package of `size` units, a begun one included."""

    size: Fraction
    amount: Fraction
    round: Mode = "ceiling"

    def lines(self, usage: Usage) -> Iterator[Line]:
        packages = Fraction(round_whole(Fraction(counted(usage), self.size), self.round))
        if packages:
            yield Line("usage", f"packages of {plain(self.size)}", packages * self.amount, packages, self.amount)


@dataclass(frozen=True, slots=True)
class Block:
    """Blocks of `size` units at one price, at most so many of them."""

    size: Fraction
    price: Fraction
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Blocks:
    """Units are counted in begun blocks, whose size and price change from step to step."""

    blocks: tuple[Block, ...]
    priced: Literal["graduated", "volume"] = "graduated"
    last_goes_on: bool = False

    def lines(self, usage: Usage) -> Iterator[Line]:
        yield from (self._each if self.priced == "graduated" else self._reached)(counted(usage))

    def _each(self, units: Fraction) -> Iterator[Line]:
        for number, block in enumerate(self.blocks):
            if units <= 0:
                return
            begun = _begun(units, block.size)
            most = self._most(number)
            begun = begun if most is None else min(begun, most)
            units -= begun * block.size
            yield self._line(number, begun)
        if units > 0:
            raise self._past()

    def _reached(self, units: Fraction) -> Iterator[Line]:
        end = ZERO
        for number, block in enumerate(self.blocks):
            most = self._most(number)
            end += block.size * (most or 0)
            if units and (most is None or units <= end):
                yield self._line(number, _begun(units, block.size))
                return
        if units:
            raise self._past()

    def _most(self, number: int) -> int | None:
        endless = self.last_goes_on and number == len(self.blocks) - 1
        return None if endless else self.blocks[number].most

    def _line(self, number: int, begun: int) -> Line:
        block = self.blocks[number]
        return Line(
            "usage", f"blocks of {plain(block.size)}", begun * block.price, Fraction(begun), block.price, number + 1
        )

    def _past(self) -> RatingError:
        return RatingError("The usage is past the last block. Leave `most` out of the last, or set `beyond: last`.")


@dataclass(frozen=True, slots=True)
class Committed:
    """A quantity bought beforehand at its own price, due in any case; what passes it at another."""

    quantity: Fraction
    unit: Fraction
    overage: Fraction

    def lines(self, usage: Usage) -> Iterator[Line]:
        yield Line("usage", "committed", self.quantity * self.unit, self.quantity, self.unit)
        over = counted(usage) - self.quantity
        if over > 0:
            yield Line("overage", "beyond the commitment", over * self.overage, over, self.overage)


@dataclass(frozen=True, slots=True)
class Menu:
    """A price for each kind of outcome, and how many of one conversation are charged."""

    prices: Mapping[str, Fraction] = field(hash=False)
    most: int | None = None
    keep: Literal["first", "last", "dearest"] = "first"

    def lines(self, usage: Usage) -> Iterator[Line]:
        if usage.quantity and not usage.subjects:
            raise RatingError("The menu goes by kinds of outcomes, and none were told, only their number. Tell them.")
        for outcomes in usage.subjects:
            for kind in self._kept(outcomes):
                yield Line("usage", kind, self._price(kind), ONE, self._price(kind))

    def _kept(self, outcomes: tuple[str, ...]) -> tuple[str, ...]:
        if self.most is None:
            return outcomes
        if self.keep == "dearest":
            return tuple(sorted(outcomes, key=self._price, reverse=True)[: self.most])
        return outcomes[: self.most] if self.keep == "first" else outcomes[max(len(outcomes) - self.most, 0) :]

    def _price(self, kind: str) -> Fraction:
        price = self.prices.get(kind)
        if price is None:
            known = ", ".join(sorted(self.prices))
            raise RatingError(f"There is no price for the outcome {kind!r}, only for {known}. Add it to `prices`.")
        return price


def _begun(units: Fraction, size: Fraction) -> int:
    return round_whole(Fraction(units, size), "ceiling")
