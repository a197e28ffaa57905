"""Periods: calendar months, anniversaries, and days on which clocks change."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.metering.periods import Calendar, midnight_ns, next_period, period_at, period_named, period_on

HOUR = 3_600_000_000_000


def test_a_month_has_its_days_however_clocks_change() -> None:
    march = period_on(Calendar("Europe/Berlin"), date(2026, 3, 15))
    assert (march.label, march.days, march.end - march.start) == ("2026-03", 31, (31 * 24 - 1) * HOUR)


def test_a_day_that_has_no_midnight_begins_when_clocks_have_moved() -> None:
    assert (
        midnight_ns("America/Santiago", date(2026, 9, 6)) - midnight_ns("America/Santiago", date(2026, 9, 5))
        == 24 * HOUR
    )
    assert (
        midnight_ns("America/Santiago", date(2026, 9, 7)) - midnight_ns("America/Santiago", date(2026, 9, 6))
        == 23 * HOUR
    )


def test_an_anniversary_on_the_31st_falls_on_the_last_day_of_shorter_months() -> None:
    calendar = Calendar(day=31)
    firsts = [period_on(calendar, date(2026, 1, 31))]
    for _ in range(3):
        firsts.append(next_period(calendar, firsts[-1]))
    assert [period.first for period in firsts] == [
        date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)
    ]  # fmt: skip


def test_a_period_is_named_by_its_month_or_its_first_day() -> None:
    assert period_named(Calendar(), "2026-11").first == date(2026, 11, 1)
    assert period_named(Calendar(day=21), "2026-10-21").after == date(2026, 11, 21)
    with pytest.raises(ValueError, match="no period of this calendar"):
        period_named(Calendar(day=21), "2026-10-20")
    with pytest.raises(ValueError, match="no period of this calendar"):
        period_named(Calendar(), "november")


@given(
    st.sampled_from(["UTC", "Europe/Berlin", "America/Santiago", "Pacific/Apia"]),
    st.integers(1, 31),
    st.sampled_from([1, 3, 12]),
    st.dates(date(2011, 1, 1), date(2030, 1, 1)),
)
def test_periods_follow_one_another_without_gap_or_overlap(zone: str, day: int, months: int, on: date) -> None:
    calendar = Calendar(zone, day, months, on.month)
    period = period_on(calendar, on)
    after = next_period(calendar, period)
    assert period.first <= on < period.after == after.first
    assert period.end == after.start
    assert period_at(calendar, period.start) == period == period_at(calendar, period.end - 1)
    assert period_on(calendar, period.after - timedelta(days=1)) == period
