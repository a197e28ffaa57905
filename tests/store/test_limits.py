"""Limits at the ledger's owner: one count for all processes, and places that come back."""

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, Fact, Shortfall
from comptroller.store import journal, owner
from comptroller.store.ledger import Ledger

Open = Callable[..., Ledger]
LIVE = ["key:k|live:", "live", 1, 2]
REQUESTS = ["key:k|min:", "requests", 1, 3]
TOKENS = ["key:k|min:", "tokens", 100, 250]


def opened(name: str, lines: list[object], rates: list[object]) -> Fact:
    hold = {"id": f"h-{name}", "lines": lines, "lease_ns": 2**62, "price": "", "rates": rates}
    return Fact(CALL_OPENED, f"o-{name}", 1, "r", name, {"hold": hold})


def closed(name: str, **hold: object) -> Fact:
    return Fact(CALL_CLOSED, f"c-{name}", 2, "r", name, {"hold": {"id": f"h-{name}", **hold}})


def short_of(ledger: Ledger, fact: Fact) -> tuple[str, int, int, int]:
    short = ledger.reserve(fact)
    assert isinstance(short, Shortfall)
    return short.line.unit, short.settled, short.held, short.wait_ns


def test_owner_and_client_count_together_and_both_are_told_when_there_is_room(
    open_ledger: Open, clock: FrozenClock
) -> None:
    first, second = open_ledger(), open_ledger()
    assert first.reserve(opened("a", [], [REQUESTS])) is None
    clock.tick(10)
    assert second.reserve(opened("b", [], [REQUESTS])) is None
    assert first.reserve(opened("c", [], [REQUESTS])) is None
    for ledger in (first, second):
        assert short_of(ledger, opened("d", [], [REQUESTS])) == ("requests", 3, 0, 50 * 10**9)
    clock.tick(50)
    assert second.reserve(opened("e", [], [REQUESTS])) is None


def test_tokens_are_trued_up_whoever_says_so(open_ledger: Open) -> None:
    first, second = open_ledger(), open_ledger()
    for name in ("a", "b"):
        assert second.reserve(opened(name, [], [TOKENS])) is None
    assert short_of(first, opened("c", [], [TOKENS]))[:2] == ("tokens", 200)
    second.record(closed("a", lines=[], rates=[["key:k|min:", "tokens", 15]]))
    assert first.reserve(opened("c", [], [TOKENS])) is None


def test_what_has_no_room_under_a_rate_takes_no_place_either(open_ledger: Open, folder: Path) -> None:
    ledger = open_ledger()
    row = [*REQUESTS[:3], 1]
    assert ledger.reserve(opened("a", [LIVE], [row])) is None
    assert short_of(ledger, opened("b", [LIVE], [row]))[0] == "requests"
    assert ledger.counter("key:k|live:", "live") == (0, 1)
    assert [fact.kind for _, fact in journal.read(folder)] == ["ledger.opened", "call.opened"]


def test_a_place_of_a_process_that_died_comes_back_after_a_grace(
    open_ledger: Open, clock: FrozenClock, folder: Path
) -> None:
    first, second = open_ledger(), open_ledger()
    for name in ("a", "b"):
        assert second.reserve(opened(name, [LIVE], [REQUESTS])) is None
    second.close()
    assert first._owner is not None
    first._owner.abandon(second._session)  # the server's thread says so as well, a moment sooner or later
    assert short_of(first, opened("c", [LIVE], [REQUESTS]))[:3] == ("live", 0, 2)
    clock.tick(owner.GRACE_NS / 1e9)
    first._owner.sweep()
    assert first.reserve(opened("c", [LIVE], [REQUESTS])) is None
    assert first.counter("key:k|live:", "live") == (0, 1)
    [expired, _] = [fact for _, fact in journal.read(folder) if fact.kind == HOLD_EXPIRED]
    assert expired.data["hold"]["lines"] == [["key:k|live:", "live", 0]]  # type: ignore[index]


def test_after_a_restart_calls_under_way_are_known_and_rates_begin_afresh(open_ledger: Open) -> None:
    first, second = open_ledger(), open_ledger()
    for name in ("a", "b"):
        assert second.reserve(opened(name, [LIVE], [[*REQUESTS[:3], 2]])) is None
    first.close()  # the second takes over, with the calls it has under way
    assert short_of(second, opened("c", [LIVE], [[*REQUESTS[:3], 2]]))[:3] == ("live", 0, 2)
    second.record(closed("a", lines=[["key:k|live:", "live", 0]]))
    assert second.reserve(opened("c", [LIVE], [[*REQUESTS[:3], 2]])) is None


def test_many_at_once_from_several_seats_never_pass_a_limit(open_ledger: Open) -> None:
    seats = [open_ledger() for _ in range(4)]
    admitted: list[str] = []

    def work(ledger: Ledger, seat: int) -> None:
        for number in range(25):
            name = f"{seat}-{number}"
            if ledger.reserve(opened(name, [], [[*REQUESTS[:3], 30]])) is None:
                admitted.append(name)

    threads = [Thread(target=work, args=(ledger, seat)) for seat, ledger in enumerate([*seats, *seats])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 30


@pytest.mark.parametrize("row", [["k", "requests", 1], ["k", "requests", 1, None], ["k", "requests", "1", 1], ["k"]])
def test_a_rate_that_could_not_be_counted_is_refused_and_not_written(open_ledger: Open, row: list[object]) -> None:
    for ledger in (open_ledger(), open_ledger()):
        with pytest.raises(StoreError, match="cannot be read"):
            ledger.reserve(opened("a", [], [row]))
        assert ledger.counter("k", "requests") == (0, 0)
