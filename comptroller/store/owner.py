"""The owner's side of a ledger: one journal, one purse, one lock that keeps them in step."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from comptroller.core.approval import Told
from comptroller.core.clock import Clock
from comptroller.core.errors import StoreError
from comptroller.core.facts import (
    CALL_OPENED,
    HOLD_EXPIRED,
    HOLD_EXTENDED,
    LEDGER_OPENED,
    LIVE,
    SNAPSHOT,
    Fact,
    Line,
    Shortfall,
)
from comptroller.core.settings import Limits
from comptroller.metering.budget import Hold, amounts_of, held_by
from comptroller.metering.orders import ORDERED, Stop
from comptroller.policies.approvals import FOLDED
from comptroller.store import recovery, segment
from comptroller.store.drawing import HOLDING, check, drawn, rates_of
from comptroller.store.keys import Keys
from comptroller.store.recovery import Found
from comptroller.store.tail import Tail

REMEMBERED = 100_000  # ids of records kept to know a request that is sent again
GRACE_NS = 3_000_000_000  # how long a process has to come back to its holds
MEGABYTE = 1024 * 1024
_SNAP = 4 * MEGABYTE  # of records behind the last snapshot: a clean close then writes another for the next opener
_PRUNE_NS = 60_000_000_000
HERE = ""  # the session of this process itself


@dataclass(slots=True)
class Entry:
    """A fact that another process asks to be written, and what came of it."""

    fact: Fact
    middle: bytes
    session: str
    again: bool
    reserve: bool
    short: Shortfall | None = None
    error: str = ""


class Owner:
    """Admits, records and expires. Every method may be called from any thread."""

    def __init__(self, ledger: Path, keys: Keys, limits: Limits, clock: Clock, found: Found) -> None:
        self._ledger, self._keys, self._clock = ledger, keys, clock
        self._limit = limits.segment_mb * MEGABYTE
        self._sync_s = limits.sync_ms / 1000
        self._lock = threading.Lock()
        self._tail = Tail(ledger, found.at)
        self._start = found.at
        self._snapped = found.snapped  # where this segment last says the whole purse
        self._purse = found.purse
        self._approvals = found.approvals
        self._keepers: dict[str, str] = {}  # live hold -> session of the process that opened it
        self._orphans: dict[str, int] = {}  # live hold without its process -> monotonic time at which it expires
        self._seen: dict[str, None] = {}
        self._seen_before = False  # the ids of the journal as it was found are in `_seen` too
        self._pruned_ns = clock.monotonic_ns()
        self.on_durable: Callable[[], None] | None = None
        self.on_orders: Callable[[], None] | None = None  # called under the lock, so it must not wait
        self._closing = False
        self._written, self._urgent = Bell(), Bell()
        self._syncer = threading.Thread(target=self._sync_loop, name="comptroller-sync", daemon=True)

    def begin(self, found: Found, mine: Mapping[str, int], alone: bool, version: str, pid: int) -> None:
        """Say in the journal who opened it and what was found; holds nobody can come back to expire at once."""
        now, mono = self._clock.now_ns(), self._clock.monotonic_ns()
        with self._lock:
            self._reclaim(HERE, mine)
            left = [hold for hold in self._purse.live().values() if hold.id not in self._keepers]
            recovered: dict[str, object] = {"cut": found.cut, "holds": len(left)}
            if found.last_ns > now:
                recovered["clock_back_ns"] = found.last_ns - now
            opened = Fact(
                LEDGER_OPENED, self._clock.new_id(), now, data={"pid": pid, "version": version, "recovered": recovered}
            )
            self._write([segment.encode(opened)[1]])
            if alone:
                self._expire(left, "its process ended before the call did")
            else:
                self._orphans = {hold.id: mono + GRACE_NS for hold in left}
        self._syncer.start()

    def reserve(self, fact: Fact, middle: bytes, session: str = HERE, again: bool = False) -> Shortfall | None:
        """Admit and journal a call in one step, or say which cap has no room; then nothing is written."""
        lines = drawn(fact)
        with self._lock:
            return self._reserve(fact, middle, lines, session, again)

    def record(self, fact: Fact, middle: bytes, session: str = HERE, again: bool = False) -> int:
        """Write a fact and fold it in; returns its sequence number (or one not before it) for `sync`."""
        check(fact)
        with self._lock:
            if not (again and self._known(fact.id)):
                self._write((middle,))
                self._enter(fact, session)
            return self._tail.at.sequence

    def enter(self, entries: Sequence[Entry]) -> int:
        """Do what a round of requests asks, in order: each reservation by itself, records in a row with one write()."""
        with self._lock:
            records: list[Entry] = []
            for entry in entries:
                try:
                    if entry.reserve:
                        # One connection may carry many calls: what it settled first makes room, what it opened
                        # first stands first in the journal.
                        self._record(records)
                        records = []
                        lines = drawn(entry.fact)
                        entry.short = self._reserve(entry.fact, entry.middle, lines, entry.session, entry.again)
                        continue
                    check(entry.fact)
                    if not (entry.again and self._known(entry.fact.id)):
                        records.append(entry)
                except StoreError as error:
                    entry.error = str(error)
            self._record(records)
            return self._tail.at.sequence

    @property
    def durable(self) -> int:
        """The last record known to be durable."""
        return self._tail.durable

    @property
    def failed(self) -> str:
        """Why nothing can be written any more; empty as long as it can."""
        return self._tail.failed

    def hurry(self) -> None:
        """Have what is written flushed now; `on_durable` is called when it is."""
        self._urgent.ring()
        self._written.ring()

    def sync(self, sequence: int) -> None:
        """Return once the record is durable."""
        self._tail.sync(sequence)

    def ask(self, ask: Fact) -> tuple[Told, int]:
        """What a call is told that needs approval, and the record that has to be durable before it is.

        Asked again, it is answered by what is on record: the same call is asked for once.
        """
        with self._lock:
            facts, told = self._approvals.look(ask, self._clock.now_ns(), self._clock)
            self._tell(facts)
            return told, self._tail.at.sequence

    def use(self, use: Fact) -> tuple[str, int]:
        """Let a call pass on its approvals, all of them or none, once; else says why not."""
        with self._lock:
            why = self._approvals.may_use(use, self._clock.now_ns())
            if not why:
                self._tell([use])
            return ("" if why == "done" else why), self._tail.at.sequence

    @property
    def stops(self) -> list[Stop]:
        """What is stopped. A list of its own: who reads it needs no lock."""
        return list(self._purse.orders.stops.values())

    def renew(self, hold_id: str, lease_ns: int) -> None:
        """Move the end of a live hold's lease."""
        with self._lock:
            self._purse.renew(hold_id, lease_ns)

    def counter(self, key: str, unit: str) -> tuple[int, int]:
        """What an account has settled and what is held on it."""
        with self._lock:
            return self._purse.counter(key, unit)

    def held(self) -> tuple[int, dict[str, int]]:
        """How many holds are live, and what they hold in all, by currency."""
        with self._lock:
            live = list(self._purse.live().values())
        return len(live), held_by(live)

    def reclaim(self, session: str, holds: Mapping[str, int]) -> None:
        """A process says which live holds are its own, and what leases it had renewed with an owner before."""
        with self._lock:
            self._reclaim(session, holds)

    def abandon(self, session: str) -> None:
        """A process is gone: its holds expire unless it comes back in time."""
        until = self._clock.monotonic_ns() + GRACE_NS
        with self._lock:
            for hold, keeper in self._keepers.items():
                if keeper == session:
                    self._orphans.setdefault(hold, until)

    def sweep(self) -> None:
        """Expire overdue and orphaned holds; now and then forget closed windows."""
        now, mono = self._clock.now_ns(), self._clock.monotonic_ns()
        with self._lock:
            self._expire(self._purse.overdue(now), "its lease ran out")
            due = [hold for hold, until in self._orphans.items() if until <= mono]
            live = self._purse.live()
            self._expire([live[hold] for hold in due if hold in live], "its process ended before the call did")
            for hold in due:
                self._orphans.pop(hold, None)
            self._tell(list(self._approvals.due(now, self._clock)))
            if mono - self._pruned_ns >= _PRUNE_NS:
                self._pruned_ns = mono
                self._purse.prune(now)
                self._purse.throttle.prune(mono)
                self._approvals.prune(now)

    def close(self) -> None:
        """Seal what is written, make it durable and let go."""
        self._closing = True
        self.hurry()
        if self._syncer.is_alive():
            self._syncer.join()
        with self._lock:
            try:
                if not self._tail.failed:
                    with contextlib.suppress(StoreError):  # a full disk: what is written stays good without a seal
                        if self._tail.at.offset - self._snapped > _SNAP:
                            self._snap()
                        self._seal()
                    self._tail.sync(self._tail.at.sequence)
            finally:
                self._tail.close()

    def forked(self) -> None:
        """Close this process's copy of the journal: the parent goes on writing it."""
        self._tail.close()

    # -- under the lock

    def _reserve(self, fact: Fact, middle: bytes, lines: list[Line], session: str, again: bool) -> Shortfall | None:
        if again and self._known(fact.id):
            return None
        orders = self._purse.orders
        if orders.stops and (stop := orders.stopping(fact)) is not None:
            return stop.shortfall
        rates, asked = rates_of(fact), amounts_of(lines)
        now_ns = self._clock.monotonic_ns() if rates else 0
        short = self._purse.room(lines, rates, now_ns, asked)
        if short is None:
            self._write((middle,))
            self._purse.apply(fact, lines, asked)
            self._keep_track(fact, session)
            if rates:
                self._purse.throttle.take(fact.data["hold"]["id"], rates, now_ns)  # type: ignore[index]
        return short

    def _reclaim(self, session: str, holds: Mapping[str, int]) -> None:
        for hold, lease_ns in holds.items():
            if hold in self._purse.live():
                self._keepers[hold] = session
                self._orphans.pop(hold, None)
                if lease_ns:
                    self._purse.renew(hold, lease_ns)

    def _record(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        try:
            self._write([entry.middle for entry in entries])
        except StoreError as error:
            for entry in entries:
                entry.error = str(error)
            return
        for entry in entries:
            self._enter(entry.fact, entry.session)

    def _write(self, middles: Sequence[bytes]) -> None:
        if not 0 < self._tail.at.offset < self._limit:
            self._turn_page()  # before the record, not behind it: what fails here has not been promised to anybody
        self._tail.append(middles)
        self._written.ring()

    def _turn_page(self) -> None:
        if self._tail.at.offset >= self._limit:
            self._seal()
            self._tail.roll()
        if self._tail.at.segment > 1 and not self._tail.at.offset:
            self._snap()

    def _snap(self) -> None:
        self._purse.prune(self._clock.now_ns())
        self._approvals.prune(self._clock.now_ns())
        data: dict[str, object] = {"purse": self._purse.snapshot()}
        if self._approvals.approvals:
            data["approvals"] = self._approvals.snapshot()
        self._tail.append([self._own(SNAPSHOT, data)])
        self._snapped = self._tail.at.offset

    def _seal(self) -> None:
        self._tail.append([self._own(segment.SEAL, {"mac": self._keys.seal(self._tail.at)})])

    def _own(self, kind: str, data: dict[str, object]) -> bytes:
        return segment.encode(Fact(kind, self._clock.new_id(), self._clock.now_ns(), data=data))[1]

    def _enter(self, fact: Fact, session: str) -> None:
        self._purse.apply(fact)
        if fact.kind in ORDERED and self.on_orders:
            self.on_orders()
        if fact.kind in FOLDED:
            self._approvals.apply(fact)
        self._keep_track(fact, session)

    def _tell(self, facts: Sequence[Fact]) -> None:
        """Write facts of our own, or of a call that needs approval, and fold them in."""
        for fact in facts:
            fact, middle = segment.encode(fact)
            self._write([middle])
            self._enter(fact, HERE)

    def _keep_track(self, fact: Fact, session: str) -> None:
        """Whose process a hold is of, and which records somebody may send again."""
        if fact.kind in HOLDING and (hold := fact.data.get("hold")):
            hold_id = cast(Mapping[str, str], hold)["id"]
            if fact.kind == CALL_OPENED:
                self._keepers[hold_id] = session
            elif fact.kind != HOLD_EXTENDED:
                self._keepers.pop(hold_id, None)
                self._orphans.pop(hold_id, None)
        if session != HERE:
            self._remember(fact.id)

    def _expire(self, holds: Sequence[Hold], reason: str) -> None:
        for hold in holds:
            lines = [[line.key, line.unit, 0 if line.unit == LIVE else line.amount] for line in hold.lines]
            data: dict[str, object] = {**hold.whose(), "hold": {"id": hold.id, "lines": lines}, "reason": reason}
            fact = Fact(HOLD_EXPIRED, self._clock.new_id(), self._clock.now_ns(), hold.run, hold.call, data)
            self._write([segment.encode(fact)[1]])
            self._enter(fact, HERE)

    def _known(self, fact_id: str) -> bool:
        if not self._seen_before:
            # Read only when somebody does repeat himself, which is once per change of owner.
            before = recovery.recent_ids(self._ledger, REMEMBERED, self._start)
            self._seen = before | self._seen
            self._seen_before = True
        return fact_id in self._seen

    def _remember(self, fact_id: str) -> None:
        self._seen[fact_id] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    # -- a thread of its own

    def _sync_loop(self) -> None:
        while not self._closing:
            self._written.wait()
            self._urgent.wait(self._sync_s)
            try:
                self._tail.sync(self._tail.at.sequence)
            except StoreError:
                self._closing = True  # the tail has failed and tells everyone who writes
            if self.on_durable:
                self.on_durable()


class Bell:
    """Wakes the one thread that waits, or will; rung twice before that, it wakes once.

    An Event makes a lock for each wait; without it the flusher takes 0.65 of the CPU, flushes aside.
    """

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        if self._silent.locked():
            with contextlib.suppress(RuntimeError):  # somebody else has rung since that look
                self._silent.release()

    def wait(self, seconds: float = -1) -> bool:
        return self._silent.acquire(timeout=seconds)
