"""Prices by the hour of the day, with a commitment for each window."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from comptroller.metering.rating.line import ZERO, Line, RatingError
from comptroller.metering.rating.usage import Usage

ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours from one to before another (22 to 6 goes over midnight), and what holds in them.

    `commit` is what a window costs at least, and what passes it costs `factor` times as much. Without `true_up`
    it is only where the factor begins.
    """

    name: str
    since: int = 0
    until: int = 24
    unit: Fraction = ZERO
    commit: Fraction = ZERO  # an amount
    factor: Fraction = ONE
    true_up: bool = True

    def holds(self, hour: int) -> bool:
        if self.since < self.until:
            return self.since <= hour < self.until
        return hour >= self.since or hour < self.until

    def lines(self, quantity: Fraction) -> Iterator[Line]:
        gross = quantity * self.unit
        within = min(gross, self.commit) if self.commit else gross
        if within:
            yield Line("usage", self.name, within, min(quantity, self._units(within)), self.unit)
        if self.commit > gross and self.true_up:
            yield Line("minimum", self.name, self.commit - gross)
        if self.commit and gross > self.commit:
            over = gross - self.commit
            unit = self.unit * self.factor
            yield Line("overage", self.name, over * self.factor, self._units(over), unit)

    def _units(self, amount: Fraction) -> Fraction:
        return Fraction(amount, self.unit) if self.unit else ZERO


@dataclass(frozen=True, slots=True)
class Windows:
    """Every window of usage at the price of the first hours that hold it; the last hold the whole day."""

    hours: tuple[Hours, ...]

    def lines(self, usage: Usage) -> Iterator[Line]:
        if usage.quantity and not usage.windows:
            raise RatingError("The price goes by the hour, and the usage was told without its hours. Tell them.")
        for hour, quantity in usage.windows:
            held = next(hours for hours in self.hours if hours.holds(hour))
            yield from held.lines(quantity)
