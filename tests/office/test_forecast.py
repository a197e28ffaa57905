"""The month's end at the pace of the last whole days."""

from datetime import date, timedelta

from comptroller.office.forecast import Forecast, forecast

TENTH = date(2026, 11, 10)


def days(nanos: int, first: date, count: int) -> dict[date, int]:
    return {first + timedelta(days=number): nanos for number in range(count)}


def test_an_even_month_ends_at_its_days_times_its_pace() -> None:
    told = forecast("USD", days(70, date(2026, 10, 1), 40), TENTH)
    assert told == Forecast("USD", 9 * 70, 70, 9 * 70 + 20 * 70 + 70, 31 * 70)


def test_a_day_above_the_pace_is_not_counted_twice() -> None:
    assert forecast("USD", {**days(70, date(2026, 11, 1), 9), TENTH: 700}, TENTH).expected == 630 + 700 + 20 * 70


def test_nothing_spent_expects_nothing_and_the_last_day_expects_no_more() -> None:
    assert forecast("USD", {}, TENTH).expected == 0
    assert forecast("USD", days(7, date(2026, 11, 1), 30), date(2026, 11, 30)).expected == 210
