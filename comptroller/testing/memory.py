"""A ledger in memory: the purse and the facts of a real one, without files, processes or keys."""

import hashlib
import threading
from collections.abc import Callable, Sequence

from comptroller.core.approval import Told
from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.facts import Fact, Line, Shortfall
from comptroller.metering.budget import Purse, held_by
from comptroller.metering.orders import ORDERED, Stop
from comptroller.policies.approvals import FOLDED, Approvals


class MemoryLedger:
    """Facts in a list, bodies in a dict; `broken` makes every write fail, as a full disk would."""

    local = True
    pipe = None

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self.clock = clock
        self.facts: list[Fact] = []
        self.synced: list[Fact] = []
        self.bodies: dict[str, bytes] = {}
        self.subjects: set[tuple[str, str, str]] = set()  # digest of a body, tenant and subject it was kept for
        self.erased = 0
        self.purse = Purse()
        self.approvals = Approvals()
        self.broken: Exception | None = None
        self.on_stops: Callable[[], None] | None = None
        self._lock = threading.Lock()

    @property
    def stops(self) -> dict[str, Stop]:
        return self.purse.orders.stops

    def reserve(self, opened: Fact) -> Shortfall | None:
        with self._lock:
            self._write()
            if (stop := self.purse.orders.stopping(opened)) is not None:
                return stop.shortfall
            hold = opened.data.get("hold")
            lines = [Line(*row) for row in hold["lines"]] if isinstance(hold, dict) else []
            rates = hold.get("rates") or () if isinstance(hold, dict) else ()
            now_ns = self.clock.monotonic_ns()
            short = self.purse.room(lines, rates, now_ns)
            if short is None:
                self._append(opened)
                if rates and isinstance(hold, dict):
                    self.purse.throttle.take(hold["id"], rates, now_ns)
            return short

    def record(self, fact: Fact) -> None:
        with self._lock:
            self._write()
            self._append(fact)

    def sync(self, fact: Fact) -> None:
        self.record(fact)
        self.synced.append(fact)

    def ask(self, ask: Fact) -> Told:
        with self._lock:
            self._write()
            facts, told = self.approvals.look(ask, self.clock.now_ns(), self.clock)
            for fact in facts:
                self._append(fact)
                self.synced.append(fact)
            return told

    def use(self, use: Fact) -> str:
        with self._lock:
            self._write()
            why = self.approvals.may_use(use, self.clock.now_ns())
            if not why:
                self._append(use)
                self.synced.append(use)
            return "" if why == "done" else why

    def sweep(self) -> None:
        """What time alone brings to approvals, as an owner puts it on record now and then."""
        with self._lock:
            for fact in list(self.approvals.due(self.clock.now_ns(), self.clock)):
                self._append(fact)

    def renew(self, hold_id: str, lease_ns: int) -> None:
        with self._lock:
            self.purse.renew(hold_id, lease_ns)

    def counter(self, key: str, unit: str) -> tuple[int, int]:
        with self._lock:
            return self.purse.counter(key, unit)

    def held(self) -> tuple[int, dict[str, int]]:
        with self._lock:
            live = list(self.purse.live().values())
            return len(live), held_by(live)

    async def attach(self) -> None:
        return None

    async def detach(self) -> None:
        return None

    def keep(self, messages: Sequence[bytes], tenant: str, subject: str) -> list[str]:
        digests = [self.digest(message) for message in messages]
        self.bodies.update(zip(digests, messages, strict=True))
        self.subjects.update((digest, tenant, subject) for digest in digests)
        return digests

    def digest(self, data: bytes) -> str:
        return hashlib.blake2b(data, digest_size=16, key=b"testing").hexdigest()

    def vouch(self, data: bytes) -> str:
        return hashlib.blake2b(b"entry\0" + data, key=b"testing entries").hexdigest()

    def erasures(self) -> int:
        return self.erased

    def fetch(self, digest: str) -> bytes | None:
        return self.bodies.get(digest)

    def recall(self, digest: str, tenant: str, subject: str) -> bytes | None:
        return self.bodies.get(digest) if (digest, tenant, subject) in self.subjects else None

    def forget(self, tenant: str, subject: str) -> int:
        """Erase a subject: what was kept for it alone is gone."""
        mine = {row for row in self.subjects if row[1:] == (tenant, subject)}
        self.subjects -= mine
        kept = {digest for digest, *_ in self.subjects}
        for digest, *_ in mine:
            if digest not in kept:
                self.bodies.pop(digest, None)
        self.erased += 1
        return len(mine)

    def close(self) -> None:
        return None

    def of(self, kind: str) -> list[Fact]:
        """The facts of one kind, in order."""
        return [fact for fact in self.facts if fact.kind == kind]

    def _write(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _append(self, fact: Fact) -> None:
        self.purse.apply(fact)
        if fact.kind in ORDERED and self.on_stops:
            self.on_stops()
        if fact.kind in FOLDED:
            self.approvals.apply(fact)
        self.facts.append(fact)
