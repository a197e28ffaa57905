"""Unit economics: what a success costs with failed attempts in it, and what moved a margin, to the nano."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.books import Posting, Txn
from comptroller.core.money import Money
from comptroller.core.outcome import Outcome
from comptroller.metering.periods import Calendar, period_named
from comptroller.office.economics import Movers, Unit, compared, measured, moved

OCTOBER, NOVEMBER = (period_named(Calendar(), label).start for label in ("2026-10", "2026-11"))
UNITS = st.builds(Unit, *[st.integers(0, 50), *[st.integers(0, 10**12)] * 4])


def outcome(key: str, at: int, run: str, **more: Any) -> Outcome:
    told = {"customer": "acme", "workflow": "refunds", "fee": Money(2_000, "USD"), **more}
    return Outcome(key, "ours", type="refund", subject=key, state="verified", claim=key, run=run, agents=(),
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
