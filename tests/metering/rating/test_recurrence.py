from datetime import UTC, datetime, timedelta

import pytest

from comptroller.metering.rating.recurrence import Every, recurrences


def ns(text: str) -> int:
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * 1_000_000_000


@pytest.mark.parametrize(
    ("every", "anchor", "until", "told"),
    [
        ("day", "2024-03-09T08:00-05:00", "2024-03-11", ["2024-03-10T08:00-04:00"]),
        ("hour", "2024-03-10T01:00-05:00", "2024-03-10T03:00-04:00", ["2024-03-10T03:00-04:00"]),
        ("month", "2024-01-31T08:00-05:00", "2024-04-01", ["2024-02-29T08:00-05:00", "2024-03-31T08:00-04:00"]),
        ("year", "2024-02-29T08:00-05:00", "2026-01-01", ["2025-02-28T08:00-05:00"]),
        ("week", "2024-03-05T08:00-05:00", "2024-03-12T12:00Z", ["2024-03-12T08:00-04:00"]),
    ],
)
def test_what_recurs_keeps_the_time_on_the_wall(every: Every, anchor: str, until: str, told: list[str]) -> None:
    assert list(recurrences(every, ns(anchor), "America/New_York", ns(until))) == [ns(at) for at in told]


def test_parts_of_a_second_are_kept() -> None:
    assert next(recurrences("day", 7, "UTC", 10**15)) == 86_400 * 10**9 + 7
