"""Which claims are one outcome, and which window a time falls into."""

from datetime import UTC, datetime

import pytest

from comptroller.metering.identity import identity, window_of
from tests.metering.lives import DAY


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def test_no_two_sets_of_parts_are_one_identity() -> None:
    one = identity("t", "c", "ab", "c", 0)
    assert one != identity("t", "c", "a", "bc", 0)
    assert one != identity("t", "c", "ab", "c", 1)
    assert one != identity("t2", "c", "ab", "c", 0)


@pytest.mark.parametrize(
    ("window", "zone", "first", "second", "same"),
    [
        (0, "UTC", "2020-01-01", "2030-01-01", True),
        (30 * DAY, "UTC", "2026-01-01", "2026-03-15", False),
        ("day", "UTC", "2026-01-01T00:00", "2026-01-01T23:59", True),
        ("day", "Asia/Tokyo", "2026-01-01T14:00", "2026-01-01T16:00", False),
        ("week", "UTC", "2026-01-05", "2026-01-11T23:59", True),
        ("week", "UTC", "2026-01-04", "2026-01-05", False),
        ("month", "UTC", "2026-01-01", "2026-01-31T23:59", True),
        ("month", "America/New_York", "2026-02-01T04:59", "2026-02-01T05:01", False),
        ("year", "UTC", "2026-01-01", "2026-12-31", True),
    ],
)
def test_a_window_is_the_calendars_or_a_span(window: str | int, zone: str, first: str, second: str, same: bool) -> None:
    assert (window_of(window, at(first), zone) == window_of(window, at(second), zone)) is same


def test_a_window_of_no_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a window"):
        window_of("fortnight", 0)
