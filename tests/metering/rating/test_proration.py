from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.periods import Calendar
from comptroller.metering.rating import RatingError
from comptroller.metering.rating.proration import (
    Part,
    change,
    days_between,
    in_advance,
    parts,
    prorated,
    rest_of,
    share,
    true_up,
)
from comptroller.metering.rating.rounding import Rounding

CENTS = Rounding()
dates = st.dates(date(2020, 1, 1), date(2030, 12, 31))
calendars = st.builds(Calendar, day=st.integers(1, 31), months=st.sampled_from([1, 3, 12]))


def ns(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * 1_000_000_000


@settings(deadline=None)
@given(calendar=calendars, days=st.lists(dates, min_size=2, max_size=5))
def test_adjoining_stretches_sum_to_the_whole(calendar: Calendar, days: list[date]) -> None:
    first, *between, after = sorted(days)
    edges = [first, *between, after]
    pieces = [share(calendar, one, other) for one, other in pairwise(edges)]
    assert sum(pieces) == share(calendar, first, after)


@settings(deadline=None)
@given(calendar=calendars, day=dates)
def test_a_whole_period_is_one_whatever_its_length(calendar: Calendar, day: date) -> None:
    whole = next(part for part in parts(calendar, day, day + timedelta(days=800)) if part.days == part.of)
    assert whole.share == 1


def test_a_period_may_count_as_thirty_days() -> None:
    january = Calendar()
    assert share(january, date(2026, 1, 1), date(2026, 1, 16), days=30) == Fraction(1, 2)
    assert share(january, date(2026, 2, 1), date(2026, 3, 1), days=30) == 1


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("America/New_York", "2024-03-09T00:00Z", "2024-03-11T00:00Z"),
        ("Australia/Sydney", "2024-04-06T00:00Z", "2024-04-08T00:00Z"),
    ],
)
def test_a_day_on_which_clocks_change_is_one_day(zone: str, start: str, end: str) -> None:
    assert days_between(zone, ns(start), ns(end)) == 2


@pytest.mark.parametrize(
    ("day", "first", "after", "target", "told"),
    [
        (1, "2011-02-01", "2011-02-14", "2011-03-01", [(13, 28)]),
        (27, "2011-02-14", None, "2011-03-01", [(13, 31), (28, 28)]),
        (13, "2011-02-01", None, "2011-02-01", [(12, 31)]),
        (15, "2010-12-15", "2011-03-17", "2011-03-15", [(31, 31), (31, 31), (28, 28), (2, 31)]),
        (15, "2011-02-01", None, "2011-01-31", []),
        (15, "2011-02-01", "2011-02-01", "2011-03-31", []),
    ],
)
def test_cycles_are_billed_when_they_begin_and_cut_ones_by_their_own_days(
    day: int, first: str, after: str | None, target: str, told: list[tuple[int, int]]
) -> None:
    end = None if after is None else date.fromisoformat(after)
    found = in_advance(Calendar(day=day), date.fromisoformat(first), end, date.fromisoformat(target))
    assert found == tuple(Part(days, of) for days, of in told)


def test_a_change_of_plan_rounds_both_sides_or_the_difference() -> None:
    left = Fraction(16, 30)
    legs = change(Fraction(29), Fraction(49), left, CENTS, "EUR")
    net = change(Fraction(29), Fraction(49), left, CENTS, "EUR", net="net")
    assert (legs.credit, legs.charge, legs.net) == (Fraction("15.47"), Fraction("26.13"), Fraction("10.66"))
    assert (net.credit, net.charge, net.net) == (Fraction("15.47"), Fraction("26.14"), Fraction("10.67"))


def test_the_day_of_a_change_belongs_to_what_is_left() -> None:
    assert rest_of(date(2024, 3, 1), date(2024, 3, 31), date(2024, 3, 15)) == Part(17, 31)
    with pytest.raises(RatingError, match="2024-04-01 is not within"):
        rest_of(date(2024, 3, 1), date(2024, 3, 31), date(2024, 4, 1))


def test_a_fee_for_some_days_of_a_period_is_payable() -> None:
    assert prorated(Fraction(100_000), 14, 31, CENTS, "EUR") == Fraction("45161.29")
    for days, of in ((32, 31), (-1, 31), (0, 0)):
        with pytest.raises(RatingError, match="is no part of a period"):
            prorated(Fraction(1), days, of, CENTS, "EUR")


def test_a_commitment_counts_charges_as_they_are_billed_and_only_for_its_days() -> None:
    assert true_up(Fraction(1000), [Fraction("749.996")], CENTS, "USD") == 250
    charges = [Fraction("6.90"), Fraction(10), Fraction(10), Fraction(10)]
    assert true_up(Fraction(10_000), charges, CENTS, "EUR", Fraction(2, 29)) == Fraction("652.76")
    assert true_up(Fraction(10), [Fraction(11)], CENTS, "USD") == 0
