"""Unit economics: what a success costs with failed attempts in it, and what moved a margin, to the nano."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.books import Posting, Txn
from comptroller.core.money import NANOS, Money
from comptroller.core.outcome import Outcome
from comptroller.metering.periods import Calendar, period_named
from comptroller.metering.rating.line import nanos
from comptroller.office.economics import Months, Movers, Unit, compared, measured, moved
from comptroller.office.unit_costs import Reached, merged
from comptroller.office.work import converted

OCTOBER, NOVEMBER = (period_named(Calendar(), label).start for label in ("2026-10", "2026-11"))
UNITS = st.builds(Unit, *[st.integers(0, 50), *[st.integers(0, 10**12)] * 4])


def outcome(key: str, at: int, run: str, **more: Any) -> Outcome:
    told = {"customer": "acme", "workflow": "refunds", "type": "refund", "fee": Money(2_000, "USD"), **more}
    return Outcome(key, "ours", subject=key, state="verified", claim=key, run=run, agents=(),
                   claimed_at=at, verified_at=at, **told)  # fmt: skip


def spent(run: str, month: str, cost: str, runs: int = 1) -> dict[str, object]:
    return {"run": run, "customer": "acme", "workflow": "refunds", "month": month, "currency": "USD", "runs": runs,
            "cost": cost}  # fmt: skip


@given(UNITS, UNITS)
def test_what_moved_a_margin_sums_to_its_change(before: Unit, now: Unit) -> None:
    parts = moved(before, now)
    assert parts.price + parts.mix + parts.cost + parts.disputes == now.margin - before.margin


def test_dearer_successes_and_disputes_are_told_apart_from_prices() -> None:
    before = Unit(outcomes=10, fees=1000, cost=300)
    assert moved(before, Unit(outcomes=10, fees=1000, cost=500)) == Movers(cost=-200)
    assert moved(before, Unit(outcomes=10, fees=900, cost=300)) == Movers(price=-100)
    assert moved(before, Unit(outcomes=10, fees=1000, cost=300, back=100)) == Movers(disputes=-100)
    assert moved(before, Unit(outcomes=20, fees=2000, cost=600)) == Movers(mix=700)


def test_a_run_is_paid_for_by_its_outcomes_and_failed_ones_count_in_their_month() -> None:
    known = [outcome("a", NOVEMBER, "r1"), outcome("b", NOVEMBER, "r1"), outcome("c", OCTOBER, "r2")]
    rows = [
        spent("r1", "2026-10", "0.000000301"),
        spent("", "2026-11", "0.0000001", runs=4),
        spent("r2", "2026-10", "0"),
    ]
    months = measured(known, [], rows, {})
    (row, vain) = compared(months, "2026-11", "2026-10", "type")
    assert (row.name, row.now) == ("refund", Unit(outcomes=2, fees=4_000, cost=301))
    assert (vain.name, vain.now) == ("", Unit(vain=100, runs=4))
    by_customer = compared(months, "2026-11", "2026-10", "customer")
    assert [one.now.each for one in by_customer] == [200]


def test_what_is_taken_back_counts_in_the_month_it_is_taken_back_in() -> None:
    postings = (Posting("deferred", "USD", 500), Posting("unbilled", "USD", -500))
    txn = Txn("t", "e", "reversed", NOVEMBER, "2026-11", postings, "ours", "acme", about={"outcome": "a"})
    months = measured([outcome("a", OCTOBER, "r")], [txn], [], {})
    row = compared(months, "2026-11", "2026-10", "workflow")[0]
    assert (row.before.fees, row.now.back, row.movers) == (2_000, 500, Movers(mix=-2_000, disputes=-500))


@pytest.mark.parametrize(("rates", "cost", "unknown"), [({}, 0, 1), ({("EUR", "USD"): 2}, 600, 0)])
def test_a_cost_without_a_rate_is_told_as_unknown(rates: Any, cost: int, unknown: int) -> None:
    row = {**spent("r", "2026-11", "0.0000003"), "currency": "EUR"}
    unit = compared(measured([outcome("a", NOVEMBER, "r")], [], [row], rates), "2026-11", "2026-10", "type")[0].now
    assert (unit.cost, unit.unknown) == (cost, unknown)


# -- many rows made few


@given(st.integers(0, 10**20), st.fractions(min_value="1/900", max_value=1000, max_denominator=997))
def test_an_amount_in_another_currency_is_rounded_to_the_nano_half_up(amount: int, rate: Fraction) -> None:
    made = converted(amount, "EUR", "USD", {("EUR", "USD"): rate})
    assert 2 * abs(made - amount * rate) <= 1
    assert made == nanos(Fraction(amount, NANOS) * rate)


CUSTOMERS, CURRENCIES = ("acme", "bolt", "cora", "dora"), ("USD", "EUR", "JPY")
VERIFIED = st.tuples(st.sampled_from(CUSTOMERS), st.sampled_from(("refund", "loan")), st.integers(0, 4),
                     st.sampled_from((OCTOBER, NOVEMBER)), st.booleans())  # fmt: skip
SPENT = st.tuples(st.integers(-1, 6), st.sampled_from(CUSTOMERS), st.sampled_from(("refunds", "", None)),
                  st.sampled_from(("2026-10", "2026-11")), st.sampled_from((*CURRENCIES, "", None)), st.integers(0, 3),
                  st.none() | st.integers(0, 10**13) | st.just(10**22 + 1))  # fmt: skip
PAID = st.dictionaries(st.sampled_from(CUSTOMERS), st.sampled_from(CURRENCIES))
RATES = st.dictionaries(
    st.tuples(st.sampled_from(CURRENCIES), st.sampled_from(CURRENCIES)),
    st.fractions(min_value="1/900", max_value=1000, max_denominator=997),
)


@given(st.lists(VERIFIED, max_size=12), PAID, st.lists(SPENT, max_size=30), RATES)
def test_what_many_rows_are_merged_to_comes_to_the_same_to_the_nano(
    verified: Any, paid: Any, spent: Any, rates: Any
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    known = [
        outcome(f"o{number}", at, f"r{run}" if run else "", customer=customer, type=type,
                fee=Money(700, paid[customer]) if customer in paid and priced else None)
        for number, (customer, type, run, at, priced) in enumerate(verified)
    ]  # fmt: skip
    rows = [
        {"run": f"r{run}" if run >= 0 else "", "customer": customer, "workflow": workflow, "month": month,
         "currency": currency, "runs": runs, "cost": None if nanos is None else Decimal(nanos).scaleb(-9)}
        for run, customer, workflow, month, currency, runs, nanos in spent
    ]  # fmt: skip
    told = pyarrow.Table.from_pylist(rows, pyarrow.schema([(name, kind(pyarrow)) for name, kind in COLUMNS.items()]))
    few = merged(told, Reached.of(known), rates)
    assert len(few) <= len(rows)
    assert _counted(measured(known, [], few, rates)) == _counted(measured(known, [], rows, rates))


def test_runs_that_reached_the_same_and_those_that_reached_nothing_are_one_row_each() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    known = [outcome(f"o{number}", NOVEMBER, f"r{number}") for number in range(50)]
    rows = [{**spent(f"r{number}", "2026-11", ""), "cost": Decimal("0.000000001")} for number in range(80)]
    told = pyarrow.Table.from_pylist(rows, pyarrow.schema([(name, kind(pyarrow)) for name, kind in COLUMNS.items()]))
    few = merged(told, Reached.of(known), {})
    assert sorted((row["cost"], row["runs"]) for row in few) == [(Decimal("3E-8"), 30), (Decimal("5.0E-8"), 50)]


def test_a_run_of_several_outcomes_keeps_its_own_parts_beside_others_like_it() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    kinds = (("r1", "refund"), ("r1", "loan"), ("r2", "refund"), ("r2", "visa"))
    known = [outcome(f"o{number}", NOVEMBER, run, type=type) for number, (run, type) in enumerate(kinds)]
    rows = [{**spent(run, "2026-11", ""), "cost": Decimal(cost).scaleb(-9)} for run, cost in (("r1", 3), ("r2", 8))]
    told = pyarrow.Table.from_pylist(rows, pyarrow.schema([(name, kind(pyarrow)) for name, kind in COLUMNS.items()]))
    found = compared(measured(known, [], merged(told, Reached.of(known), {}), {}), "2026-11", "2026-10", "type")
    assert {row.name: row.now.cost for row in found} == {"refund": 5, "loan": 2, "visa": 4}


def _counted(months: Months) -> dict[Any, Unit]:
    return {key: unit for key, unit in months.units.items() if unit != Unit()}


COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("run", "customer", "workflow", "month", "currency"), lambda arrow: arrow.string()),
    "runs": lambda arrow: arrow.int64(),
    "cost": lambda arrow: arrow.decimal128(38, 9),
}
