from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.metering.window import DAY, HOUR, NEVER, surely_over, window_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Those whose clocks shift by whole hours, at midnight, and around the date line.
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Africa/Cairo", "America/Havana", "Pacific/Apia"]
instants = st.integers(1_104_537_600, 2_114_380_800).map(lambda seconds: seconds * 1_000_000_000)  # 2005 to 2037


def ns(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1) * 1000


def local(zone: str, *at: int, fold: int = 0) -> int:
    return ns(datetime(*at, tzinfo=ZoneInfo(zone), fold=fold))  # type: ignore[misc, arg-type]


@given(instants, st.sampled_from(ZONES), st.sampled_from(["hour", "day", "month"]))
def test_windows_follow_each_other_without_gap_or_overlap(now: int, zone: str, every: str) -> None:
    label, end = window_of(every, zone, now)
    start = ns(datetime.fromisoformat(label))
    assert start <= now < end
    assert window_of(every, zone, end - 1) == (label, end)
    assert ns(datetime.fromisoformat(window_of(every, zone, end)[0])) == end


@given(instants, st.sampled_from(ZONES), st.sampled_from(["hour", "day", "month"]))
def test_the_answer_does_not_depend_on_what_was_asked_before(now: int, zone: str, every: str) -> None:
    first = window_of(every, zone, now)
    for other in (now - 40 * DAY, now + 40 * DAY, now - HOUR, now + HOUR):
        window_of(every, zone, other)
        assert window_of(every, zone, now) == first


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 7, 1), 24)])
def test_a_day_lasts_as_long_as_its_clocks_say(day: tuple[int, int, int], hours: int) -> None:
    now = local("Europe/Berlin", *day, 12)
    label, end = window_of("day", "Europe/Berlin", now)
    assert end - ns(datetime.fromisoformat(label)) == hours * HOUR


def test_the_hour_that_comes_twice_is_two_windows() -> None:
    first, second = (local("Europe/Berlin", 2026, 10, 25, 2, 30, fold=fold) for fold in (0, 1))
    assert window_of("hour", "Europe/Berlin", first)[0] == "2026-10-25T02:00+02:00"
    assert window_of("hour", "Europe/Berlin", second)[0] == "2026-10-25T02:00+01:00"


def test_a_shift_of_half_an_hour_does_not_join_two_hours() -> None:
    first, second = (local("Australia/Lord_Howe", 2026, 4, 5, 1, 45, fold=fold) for fold in (0, 1))
    assert window_of("hour", "Australia/Lord_Howe", first)[0] != window_of("hour", "Australia/Lord_Howe", second)[0]


def test_a_day_whose_midnight_is_skipped_starts_at_the_skip() -> None:
    label, _ = window_of("day", "Africa/Cairo", local("Africa/Cairo", 2026, 4, 24, 12))
    skip = local("Africa/Cairo", 2026, 4, 24, 1)
    assert ns(datetime.fromisoformat(label)) == skip
    assert window_of("day", "Africa/Cairo", skip - 1)[1] == skip


def test_days_of_two_zones_are_two_windows() -> None:
    now = local("UTC", 2026, 5, 5, 12)
    assert window_of("day", "Asia/Kolkata", now)[0] != window_of("day", "UTC", now)[0]


@pytest.mark.parametrize("every", ["", "run"])
def test_a_budget_for_ever_or_for_a_run_never_ends(every: str) -> None:
    assert window_of(every, "UTC", 1) == ("", NEVER)


def test_an_unknown_window_is_named_with_its_remedy() -> None:
    with pytest.raises(ValueError, match=r"'week' is not a window\. Write hour, day, month or run"):
        window_of("week", "UTC", 1)


@given(instants, st.sampled_from(ZONES), st.sampled_from(["hour", "day", "month"]))
def test_a_window_is_only_called_over_after_its_end(now: int, zone: str, every: str) -> None:
    label, end = window_of(every, zone, now)
    assert not surely_over(every, label, end)
    assert surely_over(every, label, end + 6 * DAY)


@pytest.mark.parametrize("label", ["", "2026-11-21", "no label", "\ud800"])
def test_a_label_that_is_not_ours_is_never_called_over(label: str) -> None:
    assert not surely_over("day", label, NEVER)
