"""Prices for capacity: one price for what was reserved, and what passes it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from comptroller.metering.rating.line import ZERO, Line, RatingError
from comptroller.metering.rating.models import counted
from comptroller.metering.rating.terms import plain
from comptroller.metering.rating.usage import Usage


@dataclass(frozen=True, slots=True)
class Reservation:
    """One price while every meter stays within its most; a meter that is not named is not limited."""

    price: Fraction
    most: Mapping[str, Fraction] = field(hash=False)

    def holds(self, peaks: Mapping[str, Fraction]) -> bool:
        return all(peaks.get(meter, ZERO) <= most for meter, most in self.most.items())


@dataclass(frozen=True, slots=True)
class Capacity:
    """The price of the smallest reservation that holds all peaks of the period."""

    tiers: tuple[Reservation, ...]
    last_goes_on: bool = False

    def lines(self, usage: Usage) -> Iterator[Line]:
        if usage.quantity and not usage.peaks:
            raise RatingError("The price goes by peaks, and the usage was told without any. Tell the highest reading.")
        number = self._fitting(usage.peaks)
        price = self.tiers[number].price
        yield Line("flat", "capacity", price, Fraction(1), price, number + 1)

    def _fitting(self, peaks: Mapping[str, Fraction]) -> int:
        for number, tier in enumerate(self.tiers):
            if tier.holds(peaks):
                return number
        if self.last_goes_on:
            return len(self.tiers) - 1
        told = ", ".join(f"{meter} {plain(peak)}" for meter, peak in sorted(peaks.items()))
        raise RatingError(f"No reservation holds {told}. Add a tier without `max`, or set `beyond: last`.")


@dataclass(frozen=True, slots=True)
class Seats:
    """So much a seat, each with its throughput; what all seats together do not hold costs by the unit."""

    unit: Fraction
    throughput: Mapping[str, Fraction] = field(default_factory=dict, hash=False)
    overage: Mapping[str, Fraction] = field(default_factory=dict, hash=False)

    def lines(self, usage: Usage) -> Iterator[Line]:
        seats = counted(usage)
        charged = seats if usage.prorated is None else usage.prorated
        if charged:
            yield Line("usage", "seats", charged * self.unit, charged, self.unit)
        for meter, each in self.throughput.items():
            over = usage.peaks.get(meter, ZERO) - seats * each
            if over > 0:
                yield Line("overage", meter, over * self._rate(meter, over), over, self._rate(meter, over))

    def _rate(self, meter: str, over: Fraction) -> Fraction:
        rate = self.overage.get(meter)
        if rate is None:
            raise RatingError(f"{meter} passes what the seats hold by {plain(over)}, and that has no price. Queue what "
                              "does not fit, add seats, or name a price under `overage`.")  # fmt: skip
        return rate
