"""Where the owner listens: one thread takes what every other process asks, a round at a time.

All records of a round cost one write(); a request for durability is answered when the owner's next flush is done.
"""

import contextlib
import os
import secrets
import selectors
import shutil
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from pathlib import Path

import msgspec

from comptroller.core.errors import StoreError
from comptroller.store import answers, folder, segment, wire
from comptroller.store.owner import Entry, Owner
from comptroller.store.wire import Address, Gone, Reply, Request

_ROUND_S = 0.5  # how often holds are looked after when nobody asks anything
_LONGEST_UNIX_PATH = 100  # the kernel takes 104 bytes on macOS, 108 on Linux


@dataclass(eq=False, slots=True)
class _Caller:
    """One connection of one process."""

    socket: socket.socket
    session: str = ""
    inward: bytearray = field(default_factory=bytearray)
    outward: bytearray = field(default_factory=bytearray)


class Server:
    """Listens for as long as this process owns the ledger."""

    def __init__(self, ledger: Path, owner: Owner, now_ns: Callable[[], int]) -> None:
        self._ledger, self._owner, self._now_ns = ledger, owner, now_ns
        self._listener, self._address, self._scratch = _listen(ledger)
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        for made in (self._listener, self._woken, self._waker):
            made.setblocking(False)
        self._callers: dict[int, _Caller] = {}
        self._sessions: Counter[str] = Counter()
        # For durability: a sequence number, who asked, his id, and what he is told once it is reached.
        self._waiting: list[tuple[int, _Caller, int, Reply]] = []
        self._told: dict[_Caller, None] = {}  # who is told something in this round
        self._watching: dict[_Caller, None] = {}  # who wants to know what is stopped
        self._orders_changed = False
        self._swept_ns = now_ns()
        self._closing = False
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="comptroller-owner", daemon=True)

    def start(self) -> None:
        """Begin to answer, and say where."""
        self._owner.on_durable = self._durable
        self._thread.start()
        folder.replace(self._ledger / folder.OWNER, msgspec.json.encode(self._address))

    def wake(self) -> None:
        """Make the thread look at once; full pipes are woken already."""
        with contextlib.suppress(OSError):
            self._waker.send(b".")

    def orders_changed(self) -> None:
        """Have everybody told what is stopped now."""
        self._orders_changed = True
        self.wake()

    def _durable(self) -> None:
        # Who comes to wait just after this look is answered in the round he came in, where the flush was done already.
        if self._waiting:
            self.wake()

    def close(self) -> None:
        """Stop listening and hang up; the callers look for the next owner."""
        self._closing = True
        self.wake()
        self._thread.join()
        with contextlib.suppress(OSError):
            (self._ledger / folder.OWNER).unlink()
        if self._address.family == "unix":
            with contextlib.suppress(OSError):
                os.unlink(self._address.place)
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
        self.forked()

    def forked(self) -> None:
        """Close this process's copies and touch nothing shared: a parent may still be listening on them."""
        for made in (self._listener, self._woken, self._waker, *[c.socket for c in self._callers.values()]):
            made.close()
        self._selector.close()

    # -- the thread

    def _run(self) -> None:
        while not self._closing:
            asked: list[tuple[_Caller, Request]] = []
            try:
                self._round(asked)
            except Exception:  # noqa: BLE001 - a fault of one round must not leave all other processes without an owner
                for caller in {*self._told, *[caller for caller, _ in asked]}:
                    self._drop(caller)
                self._told.clear()

    def _round(self, asked: list[tuple[_Caller, Request]]) -> None:
        for key, events in self._selector.select(_ROUND_S):
            self._attend(key.fileobj, events, asked)
        if asked:
            self._answer(asked)
        if self._waiting:
            self._answer_durable()
        if self._orders_changed:
            self._orders_changed = False
            for caller in self._watching:
                self._reply(caller, Reply(stops=self._owner.stops), 0)
        for caller in self._told:  # one send() for all that a round has for somebody
            self._send(caller)
        self._told.clear()
        self._sweep()

    def _attend(self, fileobj: object, events: int, asked: list[tuple[_Caller, Request]]) -> None:
        if fileobj is self._listener:
            self._accept()
        elif fileobj is self._woken:
            with contextlib.suppress(OSError):
                self._woken.recv(4096)
        elif isinstance(fileobj, socket.socket):
            caller = self._callers.get(fileobj.fileno())
            if caller and events & selectors.EVENT_WRITE:
                self._send(caller)
            if caller and events & selectors.EVENT_READ:
                self._receive(caller, asked)

    def _accept(self) -> None:
        try:
            made, _ = self._listener.accept()
        except OSError:
            return  # gone again, or no file descriptors left: who wants in will try again
        made.setblocking(False)
        if made.family != wire.UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._callers[made.fileno()] = _Caller(made)
        self._selector.register(made, selectors.EVENT_READ)

    def _receive(self, caller: _Caller, asked: list[tuple[_Caller, Request]]) -> None:
        try:
            data = caller.socket.recv(64 * 1024)  # more would be fetched from the system, and given back, each time
            if not data:
                raise Gone
            caller.inward += data
            for whole in wire.split(caller.inward):
                asked.append((caller, wire.read_request(whole)))
        except BlockingIOError:
            return
        except (OSError, Gone, msgspec.MsgspecError, UnicodeDecodeError):
            self._drop(caller)

    def _answer(self, asked: list[tuple[_Caller, Request]]) -> None:
        entries: list[tuple[_Caller, Entry, Request]] = []
        for caller, request in asked:
            if caller.socket.fileno() < 0:
                continue
            if request.op == wire.HELLO:
                self._greet(caller, request)
            elif not caller.session:
                self._drop(caller)
            elif request.op in (wire.RESERVE, wire.RECORD, wire.SYNC):
                entry = self._entry(caller, request)
                if entry:
                    entries.append((caller, entry, request))
            elif request.op in (wire.ASK, wire.USE):
                self._decide(caller, request)
            else:
                self._reply(caller, self._tell(request), request.id)
        if entries:
            self._enter(entries)

    def _greet(self, caller: _Caller, request: Request) -> None:
        if caller.session or not request.name or not compare_digest(request.unit, self._address.token):
            self._drop(caller)
            return
        caller.session = request.name
        self._sessions[caller.session] += 1
        self._owner.reclaim(caller.session, request.holds)
        if request.watch:
            self._watching[caller] = None
        self._reply(caller, Reply(stops=self._owner.stops if request.watch else None), request.id)

    def _entry(self, caller: _Caller, request: Request) -> Entry | None:
        middle = bytes(request.fact)[1:-1]
        try:
            fact = segment.fact_of(middle)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._reply(caller, Reply(error=f"The owner of the ledger cannot read this fact: {error}."), request.id)
            return None
        return Entry(fact, middle, caller.session, request.again, request.op == wire.RESERVE)

    def _enter(self, entries: list[tuple[_Caller, Entry, Request]]) -> None:
        sequence = self._owner.enter([entry for _, entry, _ in entries])
        for caller, entry, request in entries:
            if request.op == wire.SYNC and not entry.error:
                self._waiting.append((sequence, caller, request.id, Reply()))
            else:
                reply = Reply(error=entry.error) if entry.error else wire.reply_of(entry.short)
                self._reply(caller, reply, request.id)
        if self._waiting:
            self._owner.hurry()

    def _answer_durable(self) -> None:
        durable, failed = self._owner.durable, self._owner.failed
        left = []
        for sequence, caller, id, reply in self._waiting:
            if sequence <= durable or failed:
                self._reply(caller, reply if sequence <= durable else Reply(error=failed), id)
            else:
                left.append((sequence, caller, id, reply))
        self._waiting = left

    def _decide(self, caller: _Caller, request: Request) -> None:
        """Answer a call that needs approval, once what it is told is durable."""
        entry = self._entry(caller, request)
        if entry is None:
            return
        try:
            sequence, reply = answers.decided(self._owner, request.op, entry.fact)
        except StoreError as error:
            self._reply(caller, Reply(error=str(error)), request.id)
            return
        self._waiting.append((sequence, caller, request.id, reply))
        self._owner.hurry()

    def _tell(self, request: Request) -> Reply:
        reply = answers.told(self._owner, request)
        if reply is not None:
            return reply
        return Reply(error=f"The owner of the ledger does not know {request.op!r}: use one version in all processes.")

    def _reply(self, caller: _Caller, reply: Reply, id: int) -> None:
        if caller.socket.fileno() >= 0:
            reply.id = id
            caller.outward += wire.frame(reply)
            self._told[caller] = None

    def _send(self, caller: _Caller) -> None:
        if caller.socket.fileno() < 0:
            return
        try:
            sent = caller.socket.send(caller.outward)
            del caller.outward[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(caller)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if caller.outward else 0)
        if self._selector.get_key(caller.socket).events != events:
            self._selector.modify(caller.socket, events)

    def _drop(self, caller: _Caller) -> None:
        if caller.socket.fileno() < 0:
            return
        self._selector.unregister(caller.socket)
        del self._callers[caller.socket.fileno()]
        caller.socket.close()
        self._watching.pop(caller, None)
        if caller.session:
            self._sessions[caller.session] -= 1
            if not self._sessions[caller.session]:
                del self._sessions[caller.session]
                self._owner.abandon(caller.session)

    def _sweep(self) -> None:
        now = self._now_ns()
        if now - self._swept_ns < _ROUND_S * 1e9:
            return
        self._swept_ns = now
        with contextlib.suppress(StoreError):  # a full disk: the holds stay as they are until it can be written
            self._owner.sweep()


def _listen(ledger: Path) -> tuple[socket.socket, Address, str]:
    """A listener, its address, and the temporary directory it needed, if any."""
    token = secrets.token_hex(16)
    if sys.platform != "win32":
        for scratch in (False, True):  # beside the journal; where the path is too long or takes no sockets, elsewhere
            base = tempfile.mkdtemp(prefix="comptroller-") if scratch else str(ledger)
            place = os.path.join(base, "owner.sock")
            with contextlib.suppress(OSError):
                return _listen_unix(place), Address("unix", place, 0, token, os.getpid()), base if scratch else ""
    made = socket.create_server(("127.0.0.1", 0), backlog=128)
    return made, Address("tcp", "127.0.0.1", made.getsockname()[1], token, os.getpid()), ""


def _listen_unix(place: str) -> socket.socket:
    if len(os.fsencode(place)) > _LONGEST_UNIX_PATH:
        raise OSError("the path is too long for a socket")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place)  # a dead owner's: the lock says that nobody listens there
    made = socket.socket(wire.UNIX, socket.SOCK_STREAM)
    try:
        made.bind(place)
        os.chmod(place, 0o600)
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made
