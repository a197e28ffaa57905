"""Where the month's spending goes: what was spent, and the pace of the last whole days for those that are left."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

PACE = 7  # whole days that say how fast it goes; weekdays and weekends alike
METHOD = (
    f"What this month has spent so far, and for each day left the mean of the last {PACE} whole days (UTC); "
    "for today what is left of that mean."
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """The month of a day; nanos of one currency."""

    currency: str
    spent: int  # this month
    pace: int  # a day
    expected: int  # at the month's end
    last_month: int


def forecast(currency: str, daily: Mapping[date, int], today: date) -> Forecast:
    """What the month will have spent if it goes on at the pace of the last whole days."""
    first = today.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    spent = sum(nanos for day, nanos in daily.items() if first <= day <= today)
    week = sum(daily.get(today - timedelta(days=back), 0) for back in range(1, PACE + 1))
    left = monthrange(today.year, today.month)[1] - today.day
    rest = max(week // PACE - daily.get(today, 0), 0)
    last_month = sum(nanos for day, nanos in daily.items() if before <= day < first)
    return Forecast(currency, spent, week // PACE, spent + week * left // PACE + rest, last_month)
