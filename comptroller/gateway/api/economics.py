"""Unit economics over HTTP: what outcomes earn and cost, a month beside the one before, and what moved the margin."""

from typing import Annotated, Literal

from pydantic import Field

from comptroller.core.errors import SettingsError
from comptroller.core.money import decimal_text
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.invoices import opened
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Money, Name, Said, Told
from comptroller.metering.periods import Calendar, Period, period_at, period_before, period_named
from comptroller.office.economics import Months, Movers, Row, Unit, compared, measured
from comptroller.office.unit_costs import Reached, merged

MONTH = r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$"  # what the books can compare: an instant has 64 bits
LATE = 3  # months before those asked for in which a run may have begun whose outcome was verified later
_UTC = Calendar()


class UnitTold(Told):
    """A month. `cost_per_success` has the cost of failed attempts in it; `costs_unknown` had no rate of exchange."""

    outcomes: int
    fees: Money
    taken_back: Money
    cost: Money
    cost_in_vain: Money
    runs_in_vain: int
    cost_per_success: Money | None
    margin: Money
    costs_unknown: int


class MoversTold(Told):
    """What the change of the margin is made of; the parts sum to it."""

    price: Money
    mix: Money
    cost_per_success: Money
    disputes: Money


class EconomyRow(Told):
    """A kind of outcomes. The name is empty where runs claimed no outcome of any type."""

    name: str
    currency: str
    now: UnitTold
    before: UnitTold
    change: Money
    movers: MoversTold


class TrendRow(Told):
    """All outcomes of a month."""

    month: str
    currency: str
    unit: UnitTold


class Economics(Told):
    """A month beside the one before, and the months up to it."""

    month: str
    before: str
    rows: list[EconomyRow]
    totals: list[EconomyRow]
    trend: list[TrendRow]


class EconomicsAsked(Said):
    """Which month (UTC), by what, whose, and how many months of trend."""

    month: Annotated[str, Field(pattern=MONTH, examples=["2026-11"])] | None = None
    by: Literal["type", "customer", "workflow"] = "type"
    customer: Name | None = None
    type: Name | None = None
    workflow: Name | None = None
    months: Annotated[int, Field(ge=2, le=24)] = 6


def show_economics(ask: Ask) -> Economics:
    """What outcomes earned and cost."""
    said, who = ask.query, ask.who
    with opened(ask) as keeper:
        month = _month(said.month, keeper.desk.clock.now_ns())
        customer = said.customer or who.customer
        if who.customer not in ("", customer):
            raise Problem(403, "not_allowed", "This key is for another customer.", "Leave it out.", "query.customer")
        mine = [
            one for one in list(keeper.registry.outcomes.values()) if who.owns(one) and customer in ("", one.customer)
        ]
        mine = [one for one in mine if said.type in (None, one.type) and said.workflow in (None, one.workflow)]
        txns, rates = list(keeper.accounts.txns.values()), keeper.desk.fx
    spans = _before(month, said.months)
    since = _before(spans[0], LATE + 1)[0].start
    whose = {"tenant": who.tenant, "customer": customer or None, "workflow": said.workflow}
    told = ask.bureau.reader.query("unit_runs", **whose, since=since, until=month.end)
    reached = Reached.of(mine)
    months = measured(mine, txns, merged(told, reached, rates), rates, reached)
    found = compared(months, month.label, spans[-2].label, said.by)
    if said.type is not None:
        found = [row for row in found if said.by != "type" or row.name]
    return Economics(
        month=month.label,
        before=spans[-2].label,
        rows=[_row(one) for one in found],
        totals=[_row(one) for one in _totals(found)],
        trend=_trend(months, spans),
    )


def _month(label: str | None, now: int) -> Period:
    if label is None:
        return period_at(_UTC, now)
    try:
        return period_named(_UTC, label)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _before(month: Period, count: int) -> list[Period]:
    """So many months up to this one, the oldest first."""
    found = [month]
    while len(found) < count:
        found.insert(0, period_before(_UTC, found[0]))
    return found


def _totals(rows: list[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for row in rows:
        known = found.get(row.currency, Row("", row.currency, Unit(), Unit(), Movers()))
        found[row.currency] = Row(
            "", row.currency, known.now + row.now, known.before + row.before, known.movers + row.movers
        )
    return list(found.values())


def _trend(months: Months, spans: list[Period]) -> list[TrendRow]:
    told = []
    for span in spans:
        sums: dict[str, Unit] = {}
        for (_, currency), unit in months.of(span.label).items():
            sums[currency] = sums.get(currency, Unit()) + unit
        told += [TrendRow(month=span.label, currency=name, unit=_unit(unit)) for name, unit in sorted(sums.items())]
    return told


def _row(one: Row) -> EconomyRow:
    moved = one.movers
    return EconomyRow(
        name=one.name,
        currency=one.currency,
        now=_unit(one.now),
        before=_unit(one.before),
        change=decimal_text(one.now.margin - one.before.margin),
        movers=MoversTold(
            price=decimal_text(moved.price),
            mix=decimal_text(moved.mix),
            cost_per_success=decimal_text(moved.cost),
            disputes=decimal_text(moved.disputes),
        ),
    )


def _unit(one: Unit) -> UnitTold:
    return UnitTold(
        outcomes=one.outcomes,
        fees=decimal_text(one.fees),
        taken_back=decimal_text(one.back),
        cost=decimal_text(one.cost),
        cost_in_vain=decimal_text(one.vain),
        runs_in_vain=one.runs,
        cost_per_success=None if one.each is None else decimal_text(one.each),
        margin=decimal_text(one.margin),
        costs_unknown=one.unknown,
    )


ROUTES = (
    Route(
        "GET",
        "/api/economics",
        "What outcomes earn and cost in a month, beside the month before, and what moved the margin.",
        READ,
        show_economics,
        Economics,
        EconomicsAsked,
    ),
)
