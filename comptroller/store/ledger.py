"""The ledger as the call path sees it: admit, record, keep bodies; whoever owns the journal underneath."""

import contextlib
import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from comptroller.core.approval import Told
from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import StoreError
from comptroller.core.facts import CALL_OPENED, Fact, Shortfall
from comptroller.core.forks import left_in_child
from comptroller.core.settings import Settings
from comptroller.metering.orders import Stop
from comptroller.store import answers, folder, recovery, segment, subjects, wire
from comptroller.store.bodies import Bodies
from comptroller.store.client import Client
from comptroller.store.keys import make_keys, open_keys
from comptroller.store.locks import SHARES, Lock
from comptroller.store.owner import Owner
from comptroller.store.server import Server
from comptroller.store.vault import Vault, tag_of
from comptroller.store.wire import Gone, Reply, Request

if TYPE_CHECKING:
    from comptroller.store.pipe import Pipe

_OWNERS = 50  # how often one request is asked again: nobody loses so many owners in the midst of one
_PATIENCE_S = 15.0  # how long to look for an owner, or become it, before a call is told that the store failed


class Ledger:
    """One process's hold of a ledger. Thread-safe.

    The first process owns the journal and the purse and listens; the others ask it. When the owner dies, one of them
    takes over, and what was not yet answered is asked again, once.
    """

    def __init__(self, path: Path, settings: Settings, clock: Clock) -> None:
        self._path, self._settings, self._clock = path, settings, clock
        self._lock, self._members = Lock(path / folder.LOCK), Lock(path / folder.MEMBERS)
        self._turn = threading.RLock()  # changing the seat
        self._owner: Owner | None = None
        self._server: Server | None = None
        self._client: Client | None = None
        self.pipe: Pipe | None = None  # how an event loop asks an owner elsewhere without waiting
        self._closed = False
        self.stops: dict[str, Stop] = {}  # what people have stopped, by its mark: one object as long as this is open
        self.on_stops: Callable[[], None] | None = None  # called whenever that changed, from any thread
        self._session = secrets.token_hex(8)
        # Live holds of this process while another one owns the ledger, with the lease where it was renewed.
        self._holds: dict[str, int] = {}
        folder.make(path)
        self._sit()
        try:
            label = folder.label(path)
            assert label is not None, "an owner has written the label"
            self.id = label.id
            self._keys = open_keys(path, label.id)
        except BaseException:
            self._leave()
            raise
        self._vault = Vault(path, self._keys)
        self._bodies = Bodies(path, self._keys)
        _LEDGERS.add(self)

    @classmethod
    def open(cls, path: str | Path, settings: Settings, clock: Clock = SYSTEM) -> "Ledger":
        """Open a ledger, making it where there is none; becomes its owner unless another process is."""
        return cls(Path(path).absolute(), settings, clock)

    @property
    def local(self) -> bool:
        """True: this process owns the ledger, so that reserve and record wait for nobody."""
        return self._owner is not None

    def reserve(self, opened: Fact) -> Shortfall | None:
        """Admit a call and write it down in one step; a shortfall says which cap has no room, nothing is written."""
        fact, middle = segment.encode(opened)
        owner = self._owner
        if owner is not None:
            return owner.reserve(fact, middle)
        hold = self.claim(fact) if fact.kind == CALL_OPENED else ""  # an extended hold stays what it is here
        try:
            short = wire.shortfall_of(self._ask(wire.RESERVE, fact, middle))
        except BaseException:
            self._holds.pop(hold, None)
            raise
        if short:
            self._holds.pop(hold, None)
        return short

    def record(self, fact: Fact) -> None:
        """Write a fact: once this returns, no `kill -9` of anybody loses it (through a pipe: once that has settled)."""
        pipe = self.pipe
        if pipe is not None and pipe.mine and not pipe.direct:
            pipe.record(fact)
            return
        fact, middle = segment.encode(fact)
        owner = self._owner
        if owner is not None:
            owner.record(fact, middle)
        else:
            self._ask(wire.RECORD, fact, middle)
            self._holds.pop(self.hold_of(fact), None)

    def sync(self, fact: Fact) -> None:
        """Write a fact durably: once this returns, no loss of power loses it, nor the bodies kept before it."""
        self._vault.sync()
        fact, middle = segment.encode(fact)
        owner = self._owner
        if owner is not None:
            owner.sync(owner.record(fact, middle))
        else:
            self._ask(wire.SYNC, fact, middle)
            self._holds.pop(self.hold_of(fact), None)

    def ask(self, ask: Fact) -> Told:
        """What becomes of a call that needs approval: asked for, durably, unless the same call has been before."""
        self._vault.sync()
        reply = self._decided(wire.ASK, ask)
        assert reply.told is not None, "an owner says what becomes of it"
        return reply.told

    def use(self, use: Fact) -> str:
        """Let a call pass on the approvals it names, once; else why not. Said again, it is the same one."""
        return self._decided(wire.USE, use).why

    def _decided(self, op: str, fact: Fact) -> Reply:
        fact, middle = segment.encode(fact)
        return self._ask(op, fact, middle)

    def renew(self, hold_id: str, lease_ns: int) -> None:
        """Move the end of a live hold's lease (ns since 1970)."""
        owner = self._owner
        if owner is not None:
            owner.renew(hold_id, lease_ns)
            return
        if hold_id in self._holds:
            self._holds[hold_id] = lease_ns
        pipe = self.pipe
        if pipe is not None and pipe.mine:
            pipe.renew(hold_id, lease_ns)
        else:
            self.request(Request(wire.RENEW, name=hold_id, number=lease_ns))

    def counter(self, key: str, unit: str) -> tuple[int, int]:
        """What an account has settled, and what is held on it."""
        owner = self._owner
        if owner is not None:
            return owner.counter(key, unit)
        reply = self.request(Request(wire.COUNTER, name=key, unit=unit))
        return reply.settled, reply.held

    def held(self) -> tuple[int, dict[str, int]]:
        """How many holds are live in all processes, and what they hold, by currency."""
        owner = self._owner
        if owner is not None:
            return owner.held()
        reply = self.request(Request(wire.HELD))
        return reply.held, reply.sums

    def keep(self, messages: Sequence[bytes], tenant: str, subject: str) -> list[str]:
        """Store bodies, each once per subject, before the record that names them; returns their digests."""
        return self._vault.keep(messages, tenant, subject)

    def digest(self, data: bytes) -> str:
        """The keyed digest of some bytes: the same everywhere in this ledger, meaningless outside it."""
        return self._keys.digest(data)

    def vouch(self, data: bytes) -> str:
        """What nobody without the ledger's key can put under some bytes."""
        return self._keys.vouch(data)

    def fetch(self, digest: str) -> bytes | None:
        """A body by its digest; None where it was not kept or was erased."""
        return self._bodies.fetch(digest)

    def recall(self, digest: str, tenant: str, subject: str) -> bytes | None:
        """The same, but only as it was kept for this subject: what others have is not given out."""
        return self._bodies.fetch(digest, tag_of(self._keys, tenant, subject))

    def forget(self, tenant: str, subject: str) -> int:
        """Destroy a subject's keys, in every process's files: its bodies can never be read again."""
        count = subjects.destroy(self._path, tag_of(self._keys, tenant, subject))
        self._vault.look()
        return count

    def erasures(self) -> int:
        """How many there were: who holds anything of a subject in memory looks whether there was another."""
        return subjects.erasures(self._path)

    def close(self) -> None:
        """Let go. An owner seals the journal first; processes that are still there find a new one."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            _LEDGERS.discard(self)
            try:
                self._leave()
            finally:
                self._vault.close()

    # -- asking another process

    def _ask(self, op: str, fact: Fact, middle: bytes) -> Reply:
        return self.request(Request(op, msgspec.Raw(b"{" + middle + b"}")))

    def request(self, request: Request) -> Reply:
        """Ask whoever owns the ledger; when it dies on the way, ask the next one, which knows what was done."""
        for _ in range(_OWNERS):
            owner, client = self._owner, self._client
            if owner is not None:
                return answers.answer(owner, request)
            if client is None:
                self._regain(None)
                continue
            try:
                return client.ask(request)
            except Gone:
                request.again = True
                self._regain(client)
        raise StoreError(
            f"{self._path}: whoever owns this ledger hangs up at this request ({request.op}) again and again. "
            "Use one version of comptroller in all processes, and end the owner if it goes on."
        )

    # -- asking without waiting

    async def attach(self) -> None:
        """From now on what this event loop asks of an owner elsewhere blocks nobody."""
        from comptroller.store.pipe import Pipe

        if not self.local and self.pipe is None:
            pipe = Pipe(self)
            await pipe.connect()
            self.pipe = pipe

    async def detach(self) -> None:
        """Return once all that was asked is answered; the loop may end then."""
        pipe = self.pipe
        if pipe is not None:
            await pipe.close()
            self.pipe = None

    def line(self) -> socket.socket | None:
        """A connection to the owner for a pipe; None where this process has become the owner itself."""
        for _ in range(_OWNERS):
            client = self._client
            if self._owner is not None:
                return None
            try:
                if client is not None:
                    return client.line()
            except Gone:
                pass
            self._regain(client)
        raise StoreError(_nobody(self._path))

    def claim(self, fact: Fact) -> str:
        """Claim the hold that is about to be asked for: should the owner die on the way, the next one knows whose."""
        hold = self.hold_of(fact)
        if hold:
            self._holds[hold] = 0
        return hold

    def answered(self, hold: str, reserving: bool, reply: Reply) -> None:
        """Give up the claim to a hold that did not come about, or has ended."""
        if reply.error or reply.short is not None if reserving else not reply.error:
            self._holds.pop(hold, None)

    @staticmethod
    def hold_of(fact: Fact) -> str:
        """The id of the hold that a fact is about."""
        hold = fact.data.get("hold")
        return str(hold.get("id")) if isinstance(hold, Mapping) else ""

    # -- taking a seat: the owner's, or one before it

    def _regain(self, lost: Client | None) -> None:
        with self._turn:
            if self._closed:
                raise StoreError(f"{self._path}: this ledger was closed. Open it again to go on.")
            if self._client is lost and self._owner is None:
                self._client = None
                if lost is not None:
                    lost.close()
                self._sit()

    def _lost(self, client: Client) -> None:
        # Whoever needs the ledger next tries again and is told; this thread has nobody to tell.
        with contextlib.suppress(StoreError):
            self._regain(client)

    def _sit(self) -> None:
        until = time.monotonic() + _PATIENCE_S
        while True:
            if self._lock.take():
                self._own()
                return
            try:
                self._client = Client(self._path, self._session, dict(self._holds), self._lost, self._heed)
                self._members.take(shared=True, wait=True)
                return
            except Gone:
                if time.monotonic() > until:
                    raise StoreError(_nobody(self._path)) from None
            # Somebody has the lock and does not listen yet, or died just now: all who wait must not knock in step.
            time.sleep(random.uniform(0.002, 0.02))

    def _own(self) -> None:
        try:
            self._lock.prove()
            label = folder.label(self._path) or folder.begin(self._path, self._clock)
            make_keys(self._path, label.id)
            keys = open_keys(self._path, label.id)
            found = recovery.recover(self._path, label.id)
            owner = Owner(self._path, keys, self._settings.limits, self._clock, found)
            self._listen(owner, found)
        except BaseException:
            self._members.drop()
            self._lock.drop()
            raise

    def _listen(self, owner: Owner, found: recovery.Found) -> None:
        try:
            alone = SHARES and self._members.take()
            owner.begin(found, dict(self._holds), alone, _version(), os.getpid())
            self._members.take(shared=True, wait=True)
            server = Server(self._path, owner, self._clock.monotonic_ns)
            server.start()
        except BaseException:
            with contextlib.suppress(StoreError):
                owner.close()
            raise
        self._holds.clear()

        def ordered() -> None:
            self._heed(owner.stops)
            server.orders_changed()

        owner.on_orders = ordered
        self._heed(owner.stops)
        self._server, self._owner = server, owner

    def _heed(self, told: list[Stop]) -> None:
        """Go by what is stopped now."""
        now = {stop.mark: stop for stop in told}
        self.stops.update(now)
        for mark in [mark for mark in self.stops if mark not in now]:
            del self.stops[mark]
        if self.on_stops is not None:
            self.on_stops()

    def _leave(self) -> None:
        owner, server, client = self._owner, self._server, self._client
        self._owner = self._server = self._client = None
        try:
            if server:
                server.close()
            if client:
                client.close()
            if owner:
                owner.close()
        finally:
            self._members.drop()
            self._lock.drop()

    # -- after a fork

    def _forked(self) -> None:
        """In the child: let go of everything the parent still uses; the next request finds the owner anew."""
        self._turn = threading.RLock()
        for seat in (self._server, self._owner, self._client):
            if seat is not None:
                seat.forked()
        self._owner = self._server = self._client = None
        self._holds = {}
        self._session = secrets.token_hex(8)
        self._vault.forked()
        self._bodies = Bodies(self._path, self._keys)


_LEDGERS = left_in_child(Ledger._forked)


def _nobody(path: Path) -> str:
    return (
        f"{path}: a process holds {folder.LOCK} and does not answer. It may run in another container or as another "
        "user: end it, or name another ledger."
    )


def _version() -> str:
    try:
        return version("comptroller")
    except PackageNotFoundError:
        return "0"
