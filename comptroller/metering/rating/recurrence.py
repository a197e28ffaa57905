"""Recurrence: the instants at which something happens again, by the clock on the wall of a zone."""

import calendar
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

from comptroller.metering.periods import SECOND, zone_named

Every = Literal["hour", "day", "week", "month", "year"]
_MONTHS = {"month": 1, "year": 12}
_DAYS = {"day": 1, "week": 7}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def recurrences(every: Every, anchor: int, zone: str, until: int) -> Iterator[int]:
    """The instants (ns since 1970) after the anchor, up to and with `until`.

    Days keep the time on the wall when clocks change; months keep the day, or their last where they are shorter.
    """
    count = 1
    while (at := _nth(every, anchor, zone, count)) <= until:
        yield at
        count += 1


def _nth(every: Every, anchor: int, zone: str, count: int) -> int:
    if every == "hour":
        return anchor + count * 3600 * SECOND
    local = (_EPOCH + timedelta(seconds=anchor // SECOND)).astimezone(zone_named(zone))
    if every in _DAYS:
        moved = local + timedelta(days=_DAYS[every] * count)
    else:
        months = local.year * 12 + local.month - 1 + _MONTHS[every] * count
        year, month = divmod(months, 12)
        day = min(local.day, calendar.monthrange(year, month + 1)[1])
        moved = local.replace(year=year, month=month + 1, day=day)
    return (moved.astimezone(UTC) - _EPOCH) // timedelta(seconds=1) * SECOND + anchor % SECOND
