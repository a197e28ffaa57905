import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.facts import HOLD_EXPIRED, Shortfall
from comptroller.core.settings import Settings
from comptroller.store import journal, owner, tail
from comptroller.store import ledger as ledgers
from comptroller.store.ledger import Ledger

Open = Callable[..., Ledger]


def counter(ledger: Ledger, facts) -> tuple[int, int]:
    return ledger.counter(facts.key, facts.unit)


def kinds(folder: Path) -> list[str]:
    return [fact.kind for _, fact in journal.read(folder)]


def test_the_first_to_open_owns_and_the_second_asks(open_ledger: Open, facts) -> None:
    first, second = open_ledger(), open_ledger()
    assert (first.local, second.local) == (True, False)
    assert first.id == second.id
    assert second.reserve(facts.opened("a", amount=60)) is None
    assert first.reserve(facts.opened("b", amount=60)) is not None
    assert counter(first, facts) == counter(second, facts) == (0, 60)


@pytest.mark.parametrize("seat", [0, 1], ids=["owner", "client"])
def test_a_call_is_reserved_and_settled(seat: int, open_ledger: Open, facts, folder: Path) -> None:
    ledger = [open_ledger(), open_ledger()][seat]
    assert ledger.reserve(facts.opened("a", amount=10)) is None
    assert counter(ledger, facts) == (0, 10)
    ledger.record(facts.closed("a", amount=7))
    assert counter(ledger, facts) == (7, 0)
    assert kinds(folder) == ["ledger.opened", "call.opened", "call.closed"]


@pytest.mark.parametrize("seat", [0, 1], ids=["owner", "client"])
def test_a_shortfall_says_why_and_writes_nothing(seat: int, open_ledger: Open, facts, folder: Path) -> None:
    ledger = [open_ledger(), open_ledger()][seat]
    ledger.reserve(facts.opened("a", amount=95))
    short = ledger.reserve(facts.opened("b", amount=6))
    assert isinstance(short, Shortfall)
    assert (short.line.key, short.line.amount, short.line.cap, short.settled, short.held) == (facts.key, 6, 100, 0, 95)
    assert kinds(folder) == ["ledger.opened", "call.opened"]


@pytest.mark.parametrize("seat", [0, 1], ids=["owner", "client"])
def test_what_returned_from_sync_is_durable(
    seat: int, open_ledger: Open, facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = [open_ledger(), open_ledger()][seat]
    flushed, flush = [], tail._flush
    monkeypatch.setattr(tail, "_flush", lambda fd: flush(fd) or flushed.append(os.fstat(fd).st_size))
    ledger.keep([b"body"], "t", "s")
    ledger.sync(facts.claim("durable"))
    assert flushed


@pytest.mark.parametrize("seat", [0, 1], ids=["owner", "client"])
def test_a_hold_that_could_never_be_folded_again_is_not_written(
    seat: int, open_ledger: Open, facts, folder: Path
) -> None:
    ledger = [open_ledger(), open_ledger()][seat]
    rows = (["k"], ["k", "USD", "1"], ["k", "USD", 1.5], ["k", 1, 1], ["k", "USD", 1, 2.5], ["k", "USD", 1, 2, 3], 7)
    for hold in ({"lines": []}, [1], "h", *({"id": "h", "lines": [row]} for row in rows)):
        fact = facts.opened("a")
        fact.data["hold"] = hold
        for write in (ledger.reserve, ledger.record):
            with pytest.raises(StoreError, match="its hold cannot be read"):
                write(fact)
    assert kinds(folder) == ["ledger.opened"]


@pytest.mark.parametrize("rings", [0, 1, 2])
def test_a_bell_wakes_once_however_often_it_was_rung(rings: int) -> None:
    bell = owner.Bell()
    for _ in range(rings):
        bell.ring()
    assert (bell.wait(0), bell.wait(0)) == (rings > 0, False)


def test_threads_and_a_second_process_never_pass_a_cap(open_ledger: Open, facts) -> None:
    seats = [open_ledger(), open_ledger()]
    admitted: list[str] = []

    def ask(worker: int) -> None:
        for number in range(20):
            if seats[worker % 2].reserve(facts.opened(f"{worker}-{number}", amount=3)) is None:
                admitted.append(f"{worker}-{number}")

    threads = [threading.Thread(target=ask, args=(worker,)) for worker in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 33
    assert counter(seats[0], facts) == (0, 99)


def test_holds_of_a_process_that_died_are_charged_and_flagged(
    open_ledger: Open, facts, folder: Path, clock: FrozenClock
) -> None:
    ledger = open_ledger()
    ledger.reserve(facts.opened("a", amount=10))
    ledger.close()  # a clean end too: the call never came back
    again = open_ledger()
    assert counter(again, facts) == (10, 0)
    expired = [fact for _, fact in journal.read(folder) if fact.kind == HOLD_EXPIRED]
    assert [(fact.call, fact.data["reason"]) for fact in expired] == [("a", "its process ended before the call did")]
    assert expired[0].data["agent"] == "fraud"
    again.record(facts.closed("a", amount=7))
    assert counter(again, facts) == (7, 0)


def test_a_lease_that_ran_out_is_charged_at_its_estimate_unless_it_was_renewed(
    open_ledger: Open, facts, clock: FrozenClock, folder: Path
) -> None:
    ledger = open_ledger()
    soon = clock.now_ns() + 10**9
    ledger.reserve(facts.opened("a", amount=10, lease_ns=soon))
    ledger.reserve(facts.opened("b", amount=20, lease_ns=soon))
    ledger.renew("h-b", soon + 10**12)
    clock.tick(2)
    assert ledger._owner is not None
    ledger._owner.sweep()
    assert counter(ledger, facts) == (10, 20)
    assert [fact.data["reason"] for _, fact in journal.read(folder) if fact.kind == HOLD_EXPIRED] == [
        "its lease ran out"
    ]


def test_holds_of_a_client_that_hung_up_expire_after_a_grace(
    open_ledger: Open, facts, clock: FrozenClock, folder: Path
) -> None:
    first, second = open_ledger(), open_ledger()
    second.reserve(facts.opened("a", amount=10))
    second.close()
    assert first._owner is not None
    first._owner.abandon(second._session)  # the server's thread says so as well, a moment sooner or later
    first._owner.sweep()
    assert counter(first, facts) == (0, 10)
    clock.tick(owner.GRACE_NS / 1e9)
    first._owner.sweep()
    assert counter(first, facts) == (10, 0)


def test_a_client_takes_over_with_its_holds(open_ledger: Open, facts, folder: Path) -> None:
    first, second = open_ledger(), open_ledger()
    first.reserve(facts.opened("first", amount=10))
    second.reserve(facts.opened("second", amount=20))
    second.renew("h-second", 2**61)
    first.close()
    assert counter(second, facts) == (10, 20)
    assert second.local
    assert second._owner is not None
    assert second._owner._purse.live()["h-second"].lease_ns == 2**61
    second.record(facts.closed("second", amount=15))
    assert counter(second, facts) == (25, 0)
    second.close()
    assert journal.verify(folder).ok


def test_one_of_many_clients_takes_over_and_the_others_come_back_to_their_holds(
    open_ledger: Open, facts, clock: FrozenClock
) -> None:
    seats = [open_ledger() for _ in range(4)]
    for number, ledger in enumerate(seats[1:]):
        ledger.reserve(facts.opened(f"c{number}", amount=10))
    seats[0].close()
    for number, ledger in enumerate(seats[1:]):
        ledger.record(facts.claim(f"after-{number}"))
    [new] = [ledger for ledger in seats[1:] if ledger.local]
    clock.tick(owner.GRACE_NS / 1e9)
    assert new._owner is not None
    new._owner.sweep()
    assert counter(new, facts) == (0, 30)


def test_a_request_sent_again_after_a_take_over_is_not_done_twice(open_ledger: Open, facts, folder: Path) -> None:
    first, second, third = open_ledger(), open_ledger(), open_ledger()
    second.reserve(facts.opened("a", amount=10))
    second.record(facts.claim("once"))
    first.close()
    third.record(facts.claim("elsewhere"))
    for ledger in (second, third):
        for make in (ledgers.wire.RESERVE, ledgers.wire.RECORD):
            fact = facts.opened("a", amount=10) if make == ledgers.wire.RESERVE else facts.claim("once")
            request = ledgers.Request(make, ledgers.msgspec.Raw(b"{" + ledgers.segment.encode(fact)[1] + b"}"))
            request.again = True
            assert ledger.request(request).short is None
    assert [fact.id for _, fact in journal.read(folder)].count("once") == 1
    assert counter(third, facts) == (0, 10)


def test_a_closed_ledger_says_so(open_ledger: Open, facts) -> None:
    ledger = open_ledger()
    ledger.close()
    ledger.close()
    with pytest.raises(StoreError, match="this ledger was closed"):
        ledger.record(facts.claim("late"))


def test_a_full_disk_refuses_the_call_and_goes_on_when_there_is_room(
    open_ledger: Open, facts, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats, write = [open_ledger(), open_ledger()], os.write

    def full(fd: int, data: bytes) -> int:
        write(fd, data[:30])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tail.os, "write", full)
        for number, ledger in enumerate(seats):
            with pytest.raises(StoreError, match="Free some space"):
                ledger.reserve(facts.opened(f"a{number}"))
            with pytest.raises(StoreError, match="Free some space"):
                ledger.record(facts.claim(f"a{number}"))
    assert counter(seats[0], facts) == (0, 0)
    for number, ledger in enumerate(seats):
        assert ledger.reserve(facts.opened(f"b{number}")) is None
    assert kinds(folder) == ["ledger.opened", "call.opened", "call.opened"]


def test_a_full_disk_does_not_keep_a_ledger_from_closing(
    open_ledger: Open, facts, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger()
    ledger.record(facts.claim("kept"))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tail.os, "write", full)
        ledger.close()
    assert open_ledger().local
    assert kinds(folder) == ["ledger.opened", "claim", "ledger.opened"]


def test_a_full_disk_at_a_roll_promises_nothing_and_loses_nothing(
    open_ledger: Open, facts, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "MEGABYTE", 600)
    ledger, number = open_ledger(Settings(limits={"segment_mb": 1})), 0
    write, failed = os.write, []
    for budget in range(1, 40):
        left = [budget]

        def sometimes(fd: int, data: bytes, left: list[int] = left) -> int:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(fd, data)

        with monkeypatch.context() as patch:
            patch.setattr(tail.os, "write", sometimes)
            for _ in range(3):
                try:
                    ledger.record(facts.claim(f"f{number}"))
                except StoreError:
                    failed.append(f"f{number}")
                number += 1
    ledger.close()
    assert failed
    assert journal.verify(folder).ok
    ids = [fact.id for _, fact in journal.read(folder) if fact.kind == "claim"]
    assert ids == [f"f{n}" for n in range(number) if f"f{n}" not in failed]


def test_a_stale_address_of_a_dead_owner_holds_nobody_up(open_ledger: Open, folder: Path, facts) -> None:
    open_ledger().close()
    (folder / "owner.json").write_text('{"family":"unix","place":"/nowhere","port":0,"token":"x","pid":1}')
    (folder / "journal.lock").write_text("stale")
    ledger = open_ledger()
    assert ledger.local
    assert not open_ledger().local


def test_an_owner_that_does_not_listen_is_named_with_a_remedy(
    open_ledger: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ledger()
    (folder / "owner.json").unlink()
    monkeypatch.setattr(ledgers, "_PATIENCE_S", 0.05)
    with pytest.raises(StoreError, match=r"holds journal\.lock and does not answer.* end it, or name another ledger"):
        open_ledger()


def test_a_long_path_takes_its_socket_elsewhere(tmp_path: Path, facts) -> None:
    folder = tmp_path / ("long" * 30)
    with_owner = Ledger.open(folder, Settings())
    second = Ledger.open(folder, Settings())
    second.record(facts.claim("heard"))
    assert not second.local
    assert not (folder / "owner.sock").exists()
    second.close()
    with_owner.close()


def test_a_wrong_master_key_lets_go_of_the_ledger(open_ledger: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ledger().close()
    with monkeypatch.context() as patch:
        patch.setenv("COMPTROLLER_MASTER_KEY", "ab" * 32)
        with pytest.raises(StoreError, match="is not the master key"):
            open_ledger()
    assert open_ledger().local


def test_bodies_are_found_by_every_process(open_ledger: Open) -> None:
    first, second = open_ledger(), open_ledger()
    [one], [two] = first.keep([b"one"], "t", "s"), second.keep([b"two"], "t", "s")
    assert (first.fetch(two), second.fetch(one)) == (b"two", b"one")
    assert first.digest(b"one") == second.digest(b"one") == one
    assert first.forget("t", "s") == 2
    assert (first.fetch(two), second.fetch(one)) == (None, None)
    [one] = first.keep([b"one"], "t", "s")
    assert second.fetch(one) == b"one"


def test_opening_does_not_need_what_only_a_server_has(tmp_path: Path) -> None:
    code = (
        "import sys; from comptroller.store.ledger import Ledger; from comptroller.core.settings import Settings; "
        "Ledger.open(sys.argv[1], Settings()).close(); "
        "print(sorted({'duckdb', 'polars', 'pyarrow', 'opentelemetry', 'genai_prices'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "l")], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
