"""Prices that follow another amount: a percentage of a value, our cost times a factor, what events carry."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from comptroller.metering.rating.line import ZERO, Line, RatingError
from comptroller.metering.rating.models import counted
from comptroller.metering.rating.tiers import worth
from comptroller.metering.rating.usage import Usage

PERCENT = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class Percentage:
    """A share of a value, with a fee for each event; the first events, or so much of their value, may be free.

    With both allowances, what runs out first ends both. `least` and `most` bound what one event costs.
    """

    percent: Fraction
    fixed: Fraction = ZERO
    free_events: int | None = None
    free_value: Fraction | None = None
    least: Fraction | None = None
    most: Fraction | None = None

    def lines(self, usage: Usage) -> Iterator[Line]:
        if self._one_by_one:
            yield from self._events(_told(usage))
            return
        value, share = worth(usage), self.percent * PERCENT
        if value and share:
            yield Line("usage", "share", value * share, value, share)
        if self.fixed:
            count = Fraction(usage.count or len(usage.events))
            yield Line("flat", "per event", count * self.fixed, count, self.fixed)

    @property
    def _one_by_one(self) -> bool:
        """True where it matters which event had which value."""
        return any(term is not None for term in (self.free_events, self.free_value, self.least, self.most))

    def _events(self, events: tuple[Fraction, ...]) -> Iterator[Line]:
        for charged in self._charged(events):
            share = charged * self.percent * PERCENT
            amount = self._bounded(share + self.fixed)
            if amount != share + self.fixed:
                yield Line("usage", "at most" if amount < share + self.fixed else "at least", amount, charged)
                continue
            yield Line("usage", "share", share, charged, self.percent * PERCENT)
            if self.fixed:
                yield Line("flat", "per event", self.fixed, Fraction(1), self.fixed)

    def _charged(self, events: tuple[Fraction, ...]) -> Iterator[Fraction]:
        """How much of the value of each event is charged, those left out that are free."""
        before = ZERO
        for number, value in enumerate(events):
            free = ZERO
            if number < self._free_events:
                room = value if self.free_value is None else max(self.free_value - before, ZERO)
                free = min(room, value)
                before += value
                if free == value:
                    continue
            yield value - free

    @property
    def _free_events(self) -> int | Fraction:
        if self.free_events is not None:
            return self.free_events
        return 0 if self.free_value is None else 1 << 62

    def _bounded(self, amount: Fraction) -> Fraction:
        amount = amount if self.least is None else max(amount, self.least)
        return amount if self.most is None else min(amount, self.most)


def _told(usage: Usage) -> tuple[Fraction, ...]:
    if usage.events or not (usage.value or usage.count):
        return usage.events
    if usage.count == 1 and usage.value is not None:
        return (usage.value,)
    raise RatingError("The price looks at every event by itself, and only their sum was given. Give the value of each.")


@dataclass(frozen=True, slots=True)
class CostPlus:
    """What it cost us, times a factor; with a premium for each unit on top, if there is one."""

    multiplier: Fraction
    premium: Fraction = ZERO

    def lines(self, usage: Usage) -> Iterator[Line]:
        if usage.cost is None:
            raise RatingError("The price follows our cost, and none is known. Price the models used, then rate again.")
        if usage.cost:
            yield Line("usage", "cost", usage.cost * self.multiplier, usage.cost, self.multiplier)
        if self.premium and counted(usage):
            yield Line("usage", "premium", usage.quantity * self.premium, usage.quantity, self.premium)


@dataclass(frozen=True, slots=True)
class Dynamic:
    """What every event says it costs."""

    def lines(self, usage: Usage) -> Iterator[Line]:
        value = worth(usage)
        if value:
            yield Line("usage", "events", value, Fraction(usage.count or len(usage.events) or 1))
