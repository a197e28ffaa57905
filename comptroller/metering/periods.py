"""Periods of a billing calendar: which one an instant falls into, and from which instant to which it lasts."""

import calendar as _calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Calendar:
    """A period begins on this day of the month (or the month's last, where it is shorter), every so many months."""

    zone: str = "UTC"
    day: int = 1
    months: int = 1
    month: int = 1  # a month in which a period begins, 1 to 12


@dataclass(frozen=True, slots=True)
class Period:
    """From the first day up to, not including, the day after the last; `start` and `end` in ns since 1970."""

    label: str
    first: date
    after: date
    start: int
    end: int

    @property
    def days(self) -> int:
        """How many days it has; a day is a day, also when clocks change."""
        return (self.after - self.first).days

    @property
    def last(self) -> date:
        return self.after - timedelta(days=1)

    def __contains__(self, at: int) -> bool:
        return self.start <= at < self.end


def period_at(calendar: Calendar, at: int) -> Period:
    """The period that an instant falls into."""
    return period_on(calendar, day_of(calendar.zone, at))


@lru_cache(maxsize=4096)
def period_on(calendar: Calendar, day: date) -> Period:
    """The period that a day is in."""
    year, month = day.year, day.month
    while (first := _start(calendar, year, month)) is None or first > day:
        year, month = _moved(year, month, -1)
    after = _start(calendar, *_moved(year, month, calendar.months))
    assert after is not None, "a period's end begins the next one"
    zone = calendar.zone
    return Period(_label(calendar, first), first, after, midnight_ns(zone, first), midnight_ns(zone, after))


def period_named(calendar: Calendar, label: str) -> Period:
    """The period a label names: `2026-11`, or the day it begins on; ValueError with the remedy."""
    text = f"{label}-{calendar.day:02}" if len(label) == 7 else label
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    found = period_on(calendar, day) if day else None
    if found is None or found.first != day:
        raise ValueError(f"{label!r} is no period of this calendar. Write the day it begins on, or the month: 2026-11.")
    return found


def next_period(calendar: Calendar, period: Period) -> Period:
    return period_on(calendar, period.after)


def period_before(calendar: Calendar, period: Period) -> Period:
    return period_on(calendar, period.first - timedelta(days=1))


def day_of(zone: str, at: int) -> date:
    """The day that an instant falls on, in a zone."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at // SECOND)).astimezone(zone_named(zone)).date()


def midnight_ns(zone: str, day: date) -> int:
    """When a day begins. Where clocks skip midnight: at the skip; where it comes twice: the first."""
    moment = datetime(day.year, day.month, day.day, tzinfo=zone_named(zone))
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * SECOND


@lru_cache(maxsize=256)
def zone_named(name: str) -> tzinfo:
    return UTC if name in ("", "UTC") else ZoneInfo(name)


def _start(calendar: Calendar, year: int, month: int) -> date | None:
    """The day in this month on which a period begins; None where none does."""
    if (month - calendar.month) % calendar.months:
        return None
    return date(year, month, min(calendar.day, _calendar.monthrange(year, month)[1]))


def _moved(year: int, month: int, months: int) -> tuple[int, int]:
    count = year * 12 + month - 1 + months
    return count // 12, count % 12 + 1


def _label(calendar: Calendar, first: date) -> str:
    return first.isoformat() if calendar.day != 1 else first.isoformat()[:7]
