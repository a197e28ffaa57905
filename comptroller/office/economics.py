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
from comptroller.metering.periods import Calendar, period_at
from comptroller.metering.postings import CLAWBACK, DEFERRED
from comptroller.office.costs import in_currency, nanos_of
from comptroller.office.work import Rates

By = Literal["type", "customer", "workflow"]
Place = tuple[str, str, str]  # customer, workflow and type of outcome; no type where nothing was reached
UNPAID = "USD"  # what outcomes are told in of customers who pay for none
_BACK = ("reversed", "clawed_back")
_UTC = Calendar()


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
        return Unit(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


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


def month_of(at: int) -> str:
    """The month (UTC) of an instant."""
    return period_at(_UTC, at).label


def measured(
    outcomes: Sequence[Outcome], txns: Iterable[Txn], rows: Iterable[Mapping[str, object]], rates: Rates
) -> Months:
    """All months, out of outcomes, the books, and the rows of the query `unit_runs`."""
    months, known, main = Months(), {one.key: one for one in outcomes}, _currencies(outcomes)
    sharing: dict[str, list[Outcome]] = {}
    for one in outcomes:
        if one.verified_at and one.state != "duplicate":
            sharing.setdefault(one.run, []).append(one)
            fee = one.fee.nanos if one.fee is not None else 0
            months.add(month_of(one.verified_at), _place(one), main.get(one.customer, UNPAID), Unit(1, fee))
    for txn in txns:
        taken = known.get(txn.about.get("outcome", "")) if txn.kind in _BACK else None
        if taken is not None and taken.fee is not None:
            months.add(month_of(txn.at), _place(taken), taken.fee.currency, Unit(back=_back(txn)))
    for row in rows:
        _spend(months, row, sharing.get(str(row["run"]), []) if row["run"] else [], main, rates)
    return months


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


def _place(one: Outcome) -> Place:
    return one.customer, one.workflow, one.type


def _currencies(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """What each customer pays in: a contract has one currency."""
    return {one.customer: one.fee.currency for one in outcomes if one.fee is not None}


def _spend(
    months: Months, row: Mapping[str, object], sharing: Sequence[Outcome], main: Mapping[str, str], rates: Rates
) -> None:
    customer, base = str(row["customer"]), str(row["currency"])
    currency = main.get(customer, UNPAID if sharing else base)
    amount = in_currency(nanos_of(row["cost"]), base, currency, rates)
    if amount is None:
        place = _place(sharing[0]) if sharing else (customer, str(row["workflow"]), "")
        months.add(str(row["month"]), place, currency, Unit(unknown=1))
        return
    for number, one in enumerate(sharing):
        part = amount * (number + 1) // len(sharing) - amount * number // len(sharing)
        months.add(month_of(one.verified_at), _place(one), currency, Unit(cost=part))
    if not sharing:
        place = customer, str(row["workflow"]), ""
        months.add(str(row["month"]), place, currency, Unit(vain=amount, runs=int(str(row["runs"]))))
