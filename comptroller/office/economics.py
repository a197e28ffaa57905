"""Unit economics: what outcomes earned and cost month by month, what failed attempts cost, and what moved the margin.

An outcome counts in the month (UTC) it was verified in, with the whole fee; what is taken back of it counts against
the month it is taken back in. A run's cost goes with the outcomes that were verified of it; a run that came to
nothing counts in the month it began, as spent in vain.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from comptroller.core.books import Txn
from comptroller.core.outcome import Outcome
from comptroller.metering.postings import CLAWBACK, DEFERRED
from comptroller.office.costs import in_currency, nanos_of
from comptroller.office.unit_costs import UNPAID, Place, Reached, month_of, place_of
from comptroller.office.work import Rates

By = Literal["type", "customer", "workflow"]
_BACK = ("reversed", "clawed_back")


@dataclass(frozen=True, slots=True)
class Unit:
    """What outcomes of one kind came to in a month; nanos of one currency."""

    outcomes: int = 0
    fees: int = 0
    back: int = 0  # taken back by disputes and claw-backs
    cost: int = 0  # of their runs
    vain: int = 0  # of runs that came to nothing
    runs: int = 0  # that came to nothing
    unknown: int = 0  # costs without a rate to the currency

    @property
    def spent(self) -> int:
        return self.cost + self.vain

    @property
    def margin(self) -> int:
        return self.fees - self.back - self.spent

    @property
    def each(self) -> int | None:
        """What one success cost, failed attempts included."""
        return self.spent // self.outcomes if self.outcomes else None

    def __add__(self, other: "Unit") -> "Unit":
        return Unit(
            self.outcomes + other.outcomes,
            self.fees + other.fees,
            self.back + other.back,
            self.cost + other.cost,
            self.vain + other.vain,
            self.runs + other.runs,
            self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True)
class Movers:
    """What the change of a margin is made of; the parts sum to it."""

    price: int = 0  # the average fee
    mix: int = 0  # more or fewer outcomes, and of which kinds
    cost: int = 0  # what one success cost
    disputes: int = 0  # more or less taken back

    def __add__(self, other: "Movers") -> "Movers":
        return Movers(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of outcomes in a month, and in the one before."""

    name: str
    currency: str
    now: Unit
    before: Unit
    movers: Movers


@dataclass(slots=True)
class Months:
    """The units of months, by place and currency."""

    units: dict[tuple[str, Place, str], Unit] = field(default_factory=dict)

    def add(self, month: str, place: Place, currency: str, unit: Unit) -> None:
        key = month, place, currency
        self.units[key] = self.units.get(key, Unit()) + unit

    def of(self, month: str) -> Mapping[tuple[Place, str], Unit]:
        """The units of one month."""
        return {(place, unit): found for (at, place, unit), found in self.units.items() if at == month}


def measured(
    outcomes: Sequence[Outcome],
    txns: Iterable[Txn],
    rows: Iterable[Mapping[str, object]],
    rates: Rates,
    reached: Reached | None = None,
) -> Months:
    """All months, out of outcomes, the books, and the rows of the query `unit_runs`, or what they were merged to."""
    months, known, reached = Months(), {one.key: one for one in outcomes}, reached or Reached.of(outcomes)
    _earn(months, reached)
    for txn in txns:
        taken = known.get(txn.about.get("outcome", "")) if txn.kind in _BACK else None
        if taken is not None and taken.fee is not None:
            months.add(month_of(txn.at), place_of(taken), taken.fee.currency, Unit(back=_back(txn)))
    for row in rows:
        sharing = reached.by_run.get(str(row["run"]), []) if row["run"] else []
        _spend(months, row, sharing, reached.currencies, rates)
    return months


def _earn(months: Months, reached: Reached) -> None:
    """Outcomes and their fees: added up first, as there are many of few kinds."""
    sums: dict[tuple[str, Place], list[int]] = {}
    for sharing in reached.by_run.values():
        for one in sharing:
            found = sums.setdefault((month_of(one.verified_at), place_of(one)), [0, 0])
            found[0] += 1
            found[1] += one.fee.nanos if one.fee is not None else 0
    for (month, place), (count, fees) in sums.items():
        months.add(month, place, reached.currencies.get(place[0], UNPAID), Unit(count, fees))


def taken_back(txns: Iterable[Txn], month: str) -> frozenset[str]:
    """The outcomes of which something was taken back in a month."""
    return frozenset(
        txn.about.get("outcome", "") for txn in txns if txn.kind in _BACK and _back(txn) and month_of(txn.at) == month
    )


def _back(txn: Txn) -> int:
    return sum(one.nanos for one in txn.postings if one.account in (DEFERRED, CLAWBACK) and one.nanos > 0)


def compared(months: Months, month: str, before: str, by: By) -> list[Row]:
    """A month beside the one before: by type, customer or workflow, the largest margin first."""
    now, then = months.of(month), months.of(before)
    found: dict[tuple[str, str], Row] = {}
    for place, currency in {**now, **then}:
        one, other = now.get((place, currency), Unit()), then.get((place, currency), Unit())
        key = place[("customer", "workflow", "type").index(by)], currency
        row = found.get(key, Row(*key, Unit(), Unit(), Movers()))
        found[key] = replace(row, now=row.now + one, before=row.before + other, movers=row.movers + moved(other, one))
    return sorted(found.values(), key=lambda row: (row.currency, -row.now.margin, row.name))


def moved(before: Unit, now: Unit) -> Movers:
    """What the change of a margin is made of, at the prices and costs of the month before."""
    price = now.fees - now.outcomes * before.fees // before.outcomes if before.outcomes and now.outcomes else 0
    if before.outcomes and now.outcomes:
        cost = now.outcomes * before.spent // before.outcomes - now.spent
    elif before.outcomes:
        cost = -now.spent
    else:
        cost = 0 if now.outcomes else before.spent - now.spent
    disputes = before.back - now.back
    return Movers(price, now.margin - before.margin - price - cost - disputes, cost, disputes)


def _spend(
    months: Months, row: Mapping[str, object], sharing: Sequence[Outcome], main: Mapping[str, str], rates: Rates
) -> None:
    customer, base = str(row["customer"]), str(row["currency"])
    currency = main.get(customer, UNPAID if sharing else base)
    amount = in_currency(nanos_of(row["cost"]), base, currency, rates)
    if amount is None:
        place = place_of(sharing[0]) if sharing else (customer, str(row["workflow"]), "")
        months.add(str(row["month"]), place, currency, Unit(unknown=1))
        return
    for number, one in enumerate(sharing):
        part = amount * (number + 1) // len(sharing) - amount * number // len(sharing)
        months.add(month_of(one.verified_at), place_of(one), currency, Unit(cost=part))
    if not sharing:
        place = customer, str(row["workflow"]), ""
        months.add(str(row["month"]), place, currency, Unit(vain=amount, runs=int(str(row["runs"]))))
