"""Rates in sliding windows, and calls under way as holds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, Fact, Line
from comptroller.core.verdict import Limit
from comptroller.metering.budget import Purse
from comptroller.metering.limits import STEPS, Throttle, lines_of, rates_of
from comptroller.metering.window import DAY, HOUR, SECOND

MIN = 60 * SECOND
NOW = 1_767_225_600_000_000_000
KEY = "key:k1|min:"
PLACE = "key:k1|live:"


def asks(most: int, amount: int = 1, key: str = KEY, unit: str = "requests") -> list[list[object]]:
    return [[key, unit, amount, most]]


def test_a_burst_at_the_edge_of_a_minute_cannot_double_the_rate() -> None:
    throttle = Throttle()
    for number in range(60):
        throttle.take(f"a{number}", asks(60), 59 * SECOND)  # the last second of one minute
    short = throttle.room(asks(60), 61 * SECOND)  # the first of the next
    assert short is not None
    assert (short.settled, short.wait_ns) == (60, 58 * SECOND)
    assert throttle.room(asks(60), 119 * SECOND) is None


def test_what_a_call_did_not_use_of_its_tokens_is_room_again() -> None:
    throttle = Throttle()
    throttle.take("h1", asks(1000, 900, unit="tokens"), NOW)
    assert throttle.room(asks(1000, 200, unit="tokens"), NOW + 1) is not None
    throttle.settle("h1", [[KEY, "tokens", 300]])
    assert throttle.room(asks(1000, 700, unit="tokens"), NOW + 1) is None
    assert throttle.room(asks(1000, 701, unit="tokens"), NOW + 1) is not None


def test_tokens_beyond_what_was_held_count_too_and_a_second_end_counts_nothing() -> None:
    throttle = Throttle()
    throttle.take("h1", asks(1000, 100, unit="tokens"), NOW)
    throttle.settle("h1", [[KEY, "tokens", 950]])
    throttle.settle("h1", [[KEY, "tokens", 0]])
    assert throttle.room(asks(1000, 51, unit="tokens"), NOW + 1) is not None


def test_what_ends_after_its_window_has_passed_changes_nothing() -> None:
    throttle = Throttle()
    throttle.take("h1", asks(1000, 900, unit="tokens"), NOW)
    assert throttle.room(asks(1000, 1000, unit="tokens"), NOW + MIN) is None
    throttle.settle("h1", [[KEY, "tokens", 0]])
    throttle.take("h2", asks(1000, 1000, unit="tokens"), NOW + MIN)
    assert throttle.room(asks(1000, 1, unit="tokens"), NOW + MIN) is not None


def test_more_than_the_limit_never_fits_and_no_time_is_named_for_it() -> None:
    throttle = Throttle()
    throttle.take("h1", asks(10, 5, unit="tokens"), NOW)
    short = throttle.room(asks(10, 11, unit="tokens"), NOW)
    assert short is not None
    assert short.wait_ns == 0


def test_of_several_limits_the_one_that_has_to_wait_longest_is_told() -> None:
    throttle = Throttle()
    rows = [*asks(1), ["key:k1|hour:", "requests", 1, 1]]
    throttle.take("h1", rows, NOW)
    short = throttle.room(rows, NOW)
    assert short is not None
    assert (short.line.key, short.wait_ns) == ("key:k1|hour:", HOUR)


def test_two_limits_on_one_counter_count_a_call_once() -> None:
    throttle = Throttle()
    throttle.take("h1", [*asks(2), *asks(5)], NOW)
    assert throttle.room([*asks(2), *asks(5)], NOW) is None


def test_a_window_nobody_uses_is_forgotten() -> None:
    throttle = Throttle()
    throttle.take("h1", asks(5), NOW)
    throttle.prune(NOW + MIN - 1)
    assert throttle._windows
    throttle.prune(NOW + MIN)
    assert not throttle._windows


def test_a_length_of_time_of_another_version_is_counted_as_the_longest() -> None:
    throttle = Throttle()
    throttle.take("h1", asks(1, key="key:k1|week:"), NOW)
    short = throttle.room(asks(1, key="key:k1|week:"), NOW)
    assert short is not None
    assert short.wait_ns == DAY


def test_a_window_is_no_larger_for_many_calls() -> None:
    throttle = Throttle()
    for number in range(5_000):
        throttle.take(f"h{number}", asks(10**6), NOW + number * MIN // 5_000)
    assert len(throttle._windows[KEY, "requests"].entries) <= STEPS + 1


gaps = st.one_of(st.integers(0, 3), st.integers(0, MIN // 3), st.sampled_from([MIN // STEPS, MIN // STEPS - 1, MIN]))


@given(
    most=st.integers(1, 12),
    calls=st.lists(st.tuples(gaps, st.integers(1, 6), st.sampled_from([None, 0, 1, 2])), max_size=60),
)
def test_no_stretch_of_the_length_ever_holds_more_than_the_limit(
    most: int, calls: list[tuple[int, int, int | None]]
) -> None:
    throttle, now = Throttle(), NOW
    counted: list[tuple[int, int]] = []
    for number, (gap, amount, used) in enumerate(calls):
        now += gap
        rows = asks(most, amount, unit="tokens")
        short = throttle.room(rows, now)
        if short is None:
            throttle.take(f"h{number}", rows, now)
            if used is not None:  # it ends at once, with less than was held or exactly that
                throttle.settle(f"h{number}", [[KEY, "tokens", min(used, amount)]])
            counted.append((now, amount if used is None else min(used, amount)))
            for end, _ in counted:
                assert sum(tokens for at, tokens in counted if end - MIN < at <= end) <= most
        elif short.wait_ns:
            exact = soonest(counted, amount, most)
            assert exact <= now + short.wait_ns <= exact + MIN // STEPS  # never early, a hundredth late at most
        else:
            assert amount > most


def soonest(counted: list[tuple[int, int]], amount: int, most: int) -> int:
    """When so much fits by the exact log."""
    left = list(counted)
    while sum(tokens for _, tokens in left) + amount > most:
        at, _ = left.pop(0)
    return at + MIN


def test_limits_become_lines_for_calls_under_way_and_rows_for_rates() -> None:
    limits = [
        Limit("key", "k1", "live", 4, "", 0, "p:1", Line(PLACE, "live", 1, 4)),
        Limit("key", "k1", "requests", 60, "min", 0, "p:1", Line(KEY, "requests", 1, 60)),
        Limit("key", "k1", "tokens", 100, "min", 0, "p:1", Line(KEY, "tokens", 1, 100)),
    ]
    assert lines_of(limits) == [Line(PLACE, "live", 1, 4)]
    assert rates_of(limits, 70) == [[KEY, "requests", 1, 60], [KEY, "tokens", 70, 100]]


# -- calls under way: holds in a unit that is never charged


def opened(purse: Purse, number: int, most: int) -> bool:
    line = Line(PLACE, "live", 1, most)
    if purse.room([line]) is not None:
        return False
    hold = {"id": f"h{number}", "lines": [[line.key, line.unit, 1, most]], "lease_ns": NOW, "price": ""}
    purse.apply(Fact(CALL_OPENED, f"o{number}", NOW, "r1", f"h{number}", {"hold": hold}))
    return True


def ended(purse: Purse, hold: str, how: str) -> None:
    data: dict[str, object] = {"hold": {"id": hold}}
    if how == "told":
        data = {"hold": {"id": hold, "lines": [[PLACE, "live", 0]]}}
    kind = HOLD_EXPIRED if how == "expired" else CALL_CLOSED
    purse.apply(Fact(kind, f"e{hold}", NOW, "r1", hold, data))


@pytest.mark.parametrize("how", ["told", "untold", "expired"])
def test_a_place_among_the_calls_under_way_comes_back_however_a_call_ends(how: str) -> None:
    purse = Purse()
    assert opened(purse, 1, most=1)
    assert not opened(purse, 2, most=1)
    ended(purse, "h1", how)
    assert opened(purse, 3, most=1)
    purse.check()


def test_counters_of_calls_under_way_are_forgotten_when_none_is() -> None:
    purse = Purse()
    opened(purse, 1, most=1)
    purse.prune(NOW)
    assert purse.counter(PLACE, "live") == (0, 1)
    ended(purse, "h1", "told")
    purse.prune(NOW)
    assert purse.snapshot()["counters"] == []


moves = st.lists(st.sampled_from(["open", "told", "untold", "expired", "restart", "prune"]), max_size=60)


@given(most=st.integers(1, 4), moves=moves)
def test_never_more_calls_are_under_way_than_the_limit_and_no_place_is_lost(most: int, moves: list[str]) -> None:
    purse, live = Purse(), list[str]()
    for number, move in enumerate(moves):
        if move == "open":
            assert opened(purse, number, most) == (len(live) < most)
            live += [f"h{number}"] if len(live) < most else []
        elif move == "restart":
            purse = Purse.restore(json.loads(json.dumps(purse.snapshot())))
        elif move == "prune":
            purse.prune(NOW)
        elif live:
            ended(purse, live.pop(0), move)
        assert purse.counter(PLACE, "live") == (0, len(live))
        purse.check()


def test_a_call_without_money_is_told_so_before_it_waits_for_a_place() -> None:
    purse = Purse()
    opened(purse, 1, most=1)
    short = purse.room([Line("agent:a|live:", "live", 1, 1), Line(PLACE, "live", 1, 1), Line("run:r|:", "USD", 2, 1)])
    assert short is not None
    assert short.line.unit == "USD"
