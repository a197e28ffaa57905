"""Usage: what was metered in a period, as far as a price asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from comptroller.metering.rating.line import ZERO


@dataclass(frozen=True, slots=True)
class Usage:
    """What is rated. Everything is optional: a price says what it lacks."""

    quantity: Fraction = ZERO  # units counted
    prorated: Fraction | None = None  # of these units, as many as count for their time in the period
    value: Fraction | None = None  # declared worth that a percentage is taken of
    cost: Fraction | None = None  # what it cost us
    events: tuple[Fraction, ...] = ()  # the worth of every event, in order
    count: int = 0  # how many events there were, where they are not told one by one
    peaks: Mapping[str, Fraction] = field(default_factory=dict)  # the highest reading of each meter
    buckets: tuple[Fraction, ...] = ()  # units of each stretch of time, each rated by itself
    windows: tuple[tuple[int, Fraction], ...] = ()  # units by hour of the day (0 to 23)
    changes: tuple[tuple[Fraction, Fraction], ...] = ()  # seats added or removed: in full, and prorated
    subjects: tuple[tuple[str, ...], ...] = ()  # outcomes of each conversation, in order

    def __add__(self, other: "Usage") -> "Usage":
        """Usage of a period so far and what came since."""
        return Usage(
            quantity=self.quantity + other.quantity,
            prorated=_prorated(self, other),
            value=_worth(self, other),
            cost=_sum(self.cost, other.cost),
            events=self.events + other.events,
            count=self.count + other.count,
            peaks=_highest(self.peaks, other.peaks),
            buckets=self.buckets + other.buckets,
            windows=self.windows + other.windows,
            changes=self.changes + other.changes,
            subjects=self.subjects + other.subjects,
        )


def _prorated(one: Usage, other: Usage) -> Fraction | None:
    if one.prorated is None and other.prorated is None:
        return None
    return sum((used.quantity if used.prorated is None else used.prorated for used in (one, other)), ZERO)


def _worth(one: Usage, other: Usage) -> Fraction | None:
    """A sum where one of the two declares a value: events of the other count with theirs."""
    if one.value is None and other.value is None:
        return None
    return sum((sum(used.events, ZERO) if used.value is None else used.value for used in (one, other)), ZERO)


def _sum(one: Fraction | None, other: Fraction | None) -> Fraction | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _highest(one: Mapping[str, Fraction], other: Mapping[str, Fraction]) -> dict[str, Fraction]:
    return {meter: max(one.get(meter, ZERO), other.get(meter, ZERO)) for meter in (*one, *other)}
