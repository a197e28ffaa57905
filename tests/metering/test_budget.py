import json
from datetime import UTC, datetime, timedelta

import pytest

from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, RUN_CLOSED, Fact, Line, Shortfall
from comptroller.core.verdict import Cap
from comptroller.metering.budget import IDLE_RUN_KEPT, REMEMBERED, Purse, lines_for
from comptroller.metering.window import DAY, HOUR

NOW = 1_767_225_600_000_000_000
DIME = 100_000_000


def cap(
    per: str = "run", who: str = "r1", every: str = "", unit: str = "USD", limit: int = 10 * DIME, **more: str
) -> Cap:
    return Cap(per, who, every, more.pop("zone", "UTC"), unit, limit, "deny", "spend.yaml:3", **more)


def opened(hold: str, lines: list[Line], at: int = NOW, lease_ns: int = NOW + HOUR, run: str = "r1") -> Fact:
    rows = [[line.key, line.unit, line.amount, line.cap] for line in lines]
    data = {"tenant": "t", "agent": "fraud", "hold": {"id": hold, "lines": rows, "lease_ns": lease_ns, "price": "p1"}}
    return Fact(CALL_OPENED, f"open-{hold}", at, run, hold, data)


def closed(hold: str, *actual: tuple[str, str, int], at: int = NOW) -> Fact:
    rows = [list(row) for row in actual]
    return Fact(CALL_CLOSED, f"close-{hold}", at, "r1", hold, {"hold": {"id": hold, "lines": rows}})


def expired(hold: str, at: int = NOW, **more: object) -> Fact:
    return Fact(HOLD_EXPIRED, f"expire-{hold}", at, "r1", hold, {"hold": {"id": hold, **more}, "reason": "owner died"})


def reserve(purse: Purse, hold: str, lines: list[Line], at: int = NOW) -> Shortfall | None:
    short = purse.room(lines)
    if short is None:
        purse.apply(opened(hold, lines, at))
    return short


def run_line(amount: int, limit: int | None = 10 * DIME) -> Line:
    return Line("run:r1|:", "USD", amount, limit)


# -- what others got wrong


def test_forty_parallel_calls_of_a_dime_on_a_dollar_admit_ten() -> None:
    purse = Purse()
    admitted = [i for i in range(40) if reserve(purse, f"h{i}", [run_line(DIME)]) is None]
    assert len(admitted) == 10
    assert purse.counter("run:r1|:", "USD") == (0, 10 * DIME)


def test_a_finished_call_leaves_no_hold_behind() -> None:
    purse = Purse()
    for i in range(100):
        assert reserve(purse, f"h{i}", [run_line(10 * DIME)]) is None
        purse.apply(closed(f"h{i}", ("run:r1|:", "USD", 0)))
    assert purse.counter("run:r1|:", "USD") == (0, 0)


def test_an_idle_purse_holds_nothing_and_has_settled_what_was_charged() -> None:
    purse = Purse()
    for i, actual in enumerate([1, 2, 3]):
        reserve(purse, f"h{i}", [run_line(DIME)])
        purse.apply(closed(f"h{i}", ("run:r1|:", "USD", actual)))
    assert purse.counter("run:r1|:", "USD") == (6, 0)


def test_the_unspent_part_of_a_worst_case_is_free_for_the_next_call_at_once() -> None:
    purse = Purse()
    reserve(purse, "h0", [run_line(10 * DIME)])
    assert purse.room([run_line(1)]) is not None
    purse.apply(closed("h0", ("run:r1|:", "USD", 1)))
    assert purse.room([run_line(10 * DIME - 1)]) is None


def test_the_first_call_of_a_new_customer_is_held_against_the_cap_like_any_other() -> None:
    purse, lines = Purse(), [Line("customer:new|:", "USD", 6, 10)]
    assert purse.room([Line("customer:new|:", "USD", 11, 10)]) is not None
    assert reserve(purse, "h1", lines) is None
    assert reserve(purse, "h2", lines) is not None


def test_processes_that_each_read_the_facts_count_them_once() -> None:
    facts = [opened("h1", [run_line(DIME)]), closed("h1", ("run:r1|:", "USD", 7))]
    purse = Purse()
    for _ in range(5):
        for fact in facts:
            purse.apply(fact)
    assert purse.counter("run:r1|:", "USD") == (7, 0)


def test_the_event_that_crosses_a_cap_is_counted() -> None:
    purse = Purse()
    reserve(purse, "h1", [run_line(DIME)])
    purse.apply(closed("h1", ("run:r1|:", "USD", 11 * DIME)))
    assert purse.counter("run:r1|:", "USD") == (11 * DIME, 0)
    assert purse.room([run_line(1)]) == Shortfall(run_line(1), 11 * DIME, 0)


def test_a_call_nobody_saw_the_end_of_is_charged_its_estimate() -> None:
    purse = Purse()
    reserve(purse, "h1", [run_line(DIME)])
    purse.apply(expired("h1"))
    assert purse.counter("run:r1|:", "USD") == (DIME, 0)


def test_an_end_that_does_not_say_what_was_used_is_charged_as_held() -> None:
    purse = Purse()
    reserve(purse, "h1", [run_line(DIME)])
    purse.apply(Fact(CALL_CLOSED, "c", NOW, "r1", "h1", {"hold": {"id": "h1"}}))
    assert purse.counter("run:r1|:", "USD") == (DIME, 0)


def test_a_hold_belongs_to_the_window_that_admitted_it() -> None:
    midnight = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000_000
    purse, daily = Purse(), [cap(every="day", per="customer", who="acme")]
    before, after = (lines_for(daily, {"USD": 10 * DIME}, at) for at in (midnight - 1, midnight))
    assert reserve(purse, "h1", before, midnight - 1) is None
    assert reserve(purse, "h2", after, midnight) is None
    purse.apply(closed("h1", (before[0].key, "USD", 5), at=midnight + 1))
    assert purse.counter(before[0].key, "USD") == (5, 0)
    assert purse.counter(after[0].key, "USD") == (0, 10 * DIME)


def test_one_retry_is_one_attempt_more_but_no_further_call() -> None:
    purse = Purse()
    caps = [cap(unit="calls", limit=1, count="logical"), cap(unit="calls", limit=2, count="attempt")]
    logical, attempt = caps
    assert reserve(purse, "h1", lines_for(caps, {"calls": 1}, NOW)) is None
    again = lines_for([attempt], {"calls": 1}, NOW) + lines_for([logical], {"calls": 0}, NOW)
    assert reserve(purse, "h2", again) is None
    short = purse.room(again)
    assert short is not None
    assert (short.line.cap, short.held) == (2, 2)


# -- the life of a hold


def test_all_lines_fit_or_none_is_held() -> None:
    purse = Purse()
    assert reserve(purse, "h1", [run_line(DIME), Line("tenant:t|:", "USD", DIME, DIME - 1)]) is not None
    assert purse.counter("run:r1|:", "USD") == (0, 0)


def test_the_first_line_in_order_is_named_however_they_are_given() -> None:
    lines = [Line("b|:", "USD", 2, 1), Line("a|:", "USD", 2, 1), Line("a|:", "EUR", 2, 1)]
    assert Purse().room(lines) == Purse().room(lines[::-1]) == Shortfall(Line("a|:", "EUR", 2, 1), 0, 0)


def test_two_caps_on_one_counter_count_a_call_once_and_both_bind() -> None:
    purse, lines = Purse(), [run_line(4, 100), run_line(4, 9)]
    assert reserve(purse, "h1", lines) is None
    assert purse.counter("run:r1|:", "USD") == (0, 4)
    assert reserve(purse, "h2", lines) is None
    assert purse.room(lines) == Shortfall(run_line(4, 9), 0, 8)


def test_two_caps_that_ask_for_different_amounts_are_held_to_the_larger() -> None:
    purse, lines = Purse(), [run_line(2, 9), run_line(8, 100)]
    assert reserve(purse, "h1", lines) is None
    assert purse.counter("run:r1|:", "USD") == (0, 8)
    assert purse.room(lines) is not None


def test_a_negative_amount_makes_no_room() -> None:
    purse = Purse()
    reserve(purse, "h1", [run_line(10 * DIME)])
    assert purse.room([run_line(-DIME), run_line(1)]) is not None
    purse.apply(closed("h1", ("run:r1|:", "USD", -DIME)))
    assert purse.counter("run:r1|:", "USD") == (0, 0)


def test_a_settle_after_the_expiry_corrects_the_estimate_once() -> None:
    purse = Purse()
    reserve(purse, "h1", [run_line(DIME), Line("tenant:t|:", "USD", DIME)])
    purse.apply(expired("h1"))
    for _ in range(2):
        purse.apply(closed("h1", ("run:r1|:", "USD", 3)))
    assert purse.counter("run:r1|:", "USD") == (3, 0)
    assert purse.counter("tenant:t|:", "USD") == (0, 0)


def test_an_expiry_after_the_settle_changes_nothing() -> None:
    purse = Purse()
    reserve(purse, "h1", [run_line(DIME)])
    purse.apply(closed("h1", ("run:r1|:", "USD", 3)))
    purse.apply(expired("h1", lines=[["run:r1|:", "USD", DIME]]))
    assert purse.counter("run:r1|:", "USD") == (3, 0)


def test_the_expiry_may_say_another_charge_than_was_held() -> None:
    purse = Purse()
    reserve(purse, "h1", [run_line(DIME)])
    purse.apply(expired("h1", lines=[["run:r1|:", "USD", 5]]))
    assert purse.counter("run:r1|:", "USD") == (5, 0)


def test_a_call_that_held_nothing_still_counts_once() -> None:
    purse = Purse()
    fact = Fact(CALL_CLOSED, "f1", NOW, "r1", "c1", {"lines": [["run:r1|:", "USD", 4]]})
    purse.apply(fact)
    purse.apply(fact)
    assert purse.counter("run:r1|:", "USD") == (4, 0)


def test_a_settle_of_a_hold_nobody_saw_is_not_refused() -> None:
    purse = Purse()
    for _ in range(2):
        purse.apply(closed("h1", ("run:r1|:", "USD", 4)))
    purse.apply(opened("h1", [run_line(DIME)]))
    assert purse.counter("run:r1|:", "USD") == (4, 0)


def test_ends_are_told_twice_only_soon_so_memory_of_them_is_bounded() -> None:
    purse = Purse()
    for i in range(3 * REMEMBERED):
        purse.apply(opened(f"h{i}", [run_line(1)]))
        purse.apply(closed(f"h{i}", ("run:r1|:", "USD", 1)))
    purse.apply(closed(f"h{3 * REMEMBERED - REMEMBERED // 2}", ("run:r1|:", "USD", 1)))
    assert purse.counter("run:r1|:", "USD") == (3 * REMEMBERED, 0)
    assert len(purse.snapshot()["ended"]) <= 2 * REMEMBERED  # type: ignore[arg-type]


# -- leases


def test_a_hold_is_overdue_when_its_lease_is_over_and_renewed_until_then() -> None:
    purse = Purse()
    purse.apply(opened("h1", [run_line(1)], lease_ns=NOW + 5))
    assert purse.overdue(NOW + 4) == []
    assert [hold.id for hold in purse.overdue(NOW + 5)] == ["h1"]
    purse.renew("h1", NOW + 9)
    assert purse.overdue(NOW + 5) == []
    purse.renew("gone", NOW + 9)
    assert list(purse.live()) == ["h1"]


def test_a_live_hold_says_whose_it_is() -> None:
    purse = Purse()
    purse.apply(opened("h1", [run_line(1)]))
    hold = purse.live()["h1"]
    assert (hold.call, hold.run, hold.price, hold.opened_ns) == ("h1", "r1", "p1", NOW)
    assert hold.whose() == {"tenant": "t", "agent": "fraud"}


# -- what leaves memory


def test_a_closed_window_leaves_memory_but_not_while_a_hold_points_at_it() -> None:
    purse, line = Purse(), lines_for([cap("customer", "acme", "day")], {"USD": 5}, NOW)[0]
    purse.apply(opened("h1", [line]))
    purse.prune(NOW + 30 * DAY)
    assert purse.counter(line.key, "USD") == (0, 5)
    purse.apply(closed("h1", (line.key, "USD", 4)))
    purse.prune(NOW + HOUR)
    assert purse.counter(line.key, "USD") == (4, 0)
    purse.prune(NOW + 30 * DAY)
    assert purse.counter(line.key, "USD") == (0, 0)


def test_an_expired_hold_is_remembered_for_its_late_settle_and_then_forgotten() -> None:
    purse, line = Purse(), lines_for([cap("customer", "acme", "day")], {"USD": 5}, NOW)[0]
    purse.apply(opened("h1", [line]))
    purse.apply(expired("h1"))
    purse.prune(NOW + 6 * DAY)
    assert purse.counter(line.key, "USD") == (5, 0)
    purse.prune(NOW + 8 * DAY)
    assert purse.snapshot()["expired"] == []
    purse.apply(closed("h1", (line.key, "USD", 4)))
    assert purse.counter(line.key, "USD") == (0, 0)


def test_a_budget_for_ever_is_never_forgotten() -> None:
    purse = Purse()
    line = lines_for([cap("customer", "acme")], {"USD": 5}, NOW)[0]
    purse.apply(opened("h1", [line]))
    purse.apply(closed("h1", (line.key, "USD", 5)))
    purse.prune(NOW + 10_000 * DAY)
    assert purse.counter(line.key, "USD") == (5, 0)


@pytest.mark.parametrize("kind", [cap("run", "r1"), cap("run", "r1", "run"), cap("agent", "a", "run")])
def test_a_run_leaves_memory_an_hour_after_its_close_or_long_idle(kind: Cap) -> None:
    purse, line = Purse(), lines_for([kind], {"USD": 5}, NOW, run="r1")[0]
    purse.apply(opened("h1", [line]))
    purse.apply(closed("h1", (line.key, "USD", 5)))
    purse.prune(NOW + IDLE_RUN_KEPT)
    assert purse.counter(line.key, "USD") == (5, 0)
    purse.apply(Fact(RUN_CLOSED, "c", NOW, "r1"))
    purse.prune(NOW + HOUR + 1)
    assert purse.counter(line.key, "USD") == (0, 0)


def test_a_purse_comes_back_from_json_as_it_was() -> None:
    purse = Purse()
    for i in range(4):
        purse.apply(opened(f"h{i}", [run_line(5), run_line(5, 99), Line("tenant:t|:", "calls", 1)]))
    purse.apply(closed("h0", ("run:r1|:", "USD", 4)))
    purse.apply(expired("h1"))
    purse.apply(Fact(RUN_CLOSED, "c", NOW, "r9"))
    again = Purse.restore(json.loads(json.dumps(purse.snapshot())))
    again.check()
    assert again == purse
    again.apply(closed("h2", ("run:r1|:", "USD", 4)))
    assert again != purse


def test_the_check_notices_a_counter_that_is_off() -> None:
    purse = Purse()
    purse.apply(opened("h1", [run_line(5)]))
    purse._counters["run:r1|:", "USD"].held += 1
    with pytest.raises(AssertionError, match="held 6"):
        purse.check()


# -- lines


def test_lines_come_in_one_order_whatever_the_order_of_the_caps() -> None:
    caps = [cap("tenant", "t"), cap("run", "r1"), cap("agent", "a", unit="tokens", limit=9), cap("run", "r1", limit=3)]
    lines = lines_for(caps, {"USD": 7, "tokens": 8}, NOW)
    assert lines == lines_for(caps[::-1], {"USD": 7, "tokens": 8}, NOW)
    assert lines == [
        Line("agent:a|:", "tokens", 8, 9),
        Line("run:r1|:", "USD", 7, 3),
        Line("run:r1|:", "USD", 7, 10 * DIME),
        Line("tenant:t|:", "USD", 7, 10 * DIME),
    ]


def test_a_unit_without_an_amount_is_asked_for_nothing() -> None:
    assert lines_for([cap(unit="tokens")], {"USD": 7}, NOW)[0].amount == 0


def test_a_window_is_named_in_the_zone_of_its_cap() -> None:
    late = NOW - HOUR + int(timedelta(minutes=30).total_seconds()) * 1_000_000_000
    keys = {lines_for([cap("user", "u", "month", zone=zone)], {}, late)[0].key for zone in ("UTC", "Europe/Berlin")}
    assert keys == {"user:u|month:2025-12-01T00:00+00:00", "user:u|month:2026-01-01T00:00+01:00"}


def test_a_cap_per_agent_and_run_starts_anew_with_each_run() -> None:
    each = cap("agent", "a", "run")
    assert lines_for([each], {}, NOW, run="r1")[0].key != lines_for([each], {}, NOW, run="r2")[0].key
