"""The way from an event loop to the ledger's owner: one connection, many requests under way, nobody blocked."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from comptroller.core.errors import StoreError
from comptroller.core.facts import CALL_OPENED, Fact, Shortfall
from comptroller.store import segment, wire
from comptroller.store.wire import Gone, Reply, Request

if TYPE_CHECKING:
    from comptroller.store.ledger import Ledger

MOST = 50_000  # requests under way; an owner that far behind does not keep up, and more would only fill memory
STUCK_S = 10.0  # an owner that lives and does not answer for so long is stuck
log = logging.getLogger("comptroller")


@dataclass(slots=True, eq=False)
class Asked:
    """A request under way, and what will come of it."""

    request: Request
    reply: "asyncio.Future[Reply]"
    hold: str  # what is held or let go of here once it is answered
    since: float


class Pipe:
    """Carries what one event loop asks. Only that loop's thread may use it; other threads ask the ledger as ever.

    The owner answers in the order it was asked, so whoever waits for the last of his records has them all. When it
    dies, what was not answered is asked again of the next one, by the blocking way and in a thread; who is told twice
    writes once.
    """

    def __init__(self, ledger: "Ledger") -> None:
        self.thread = threading.get_ident()
        self.noting: list[Asked] | None = None  # where what is recorded is noted down, for whoever drives a flow
        self._ledger, self._loop = ledger, asyncio.get_running_loop()
        self._asked: dict[int, Asked] = {}
        self._numbers = 0
        self._line: _Line | None = None
        self._out: list[bytes] = []
        self._mending: asyncio.Task[None] | None = None
        self._closed = False
        self._empty: asyncio.Future[None] | None = None
        self._watch = self._loop.call_later(STUCK_S / 2, self._look)

    # -- what is asked

    async def reserve(self, opened: Fact) -> Shortfall | None:
        """As the ledger's own, without blocking."""
        if self.direct:
            return self._ledger.reserve(opened)
        fact, middle = segment.encode(opened)
        hold = self._ledger.claim(fact) if fact.kind == CALL_OPENED else ""
        asked = self._ask(Request(wire.RESERVE, _raw(middle)), hold)
        reply = await asked.reply  # a caller who leaves meanwhile is answered all the same, for the hold's sake
        if reply.error:
            raise StoreError(reply.error)
        return wire.shortfall_of(reply)

    def record(self, fact: Fact) -> None:
        """Send a fact on its way; it is on record once `settled` returns."""
        fact, middle = segment.encode(fact)
        asked = self._ask(Request(wire.RECORD, _raw(middle)), self._ledger.hold_of(fact))
        if self.noting is not None:
            self.noting.append(asked)

    def renew(self, hold_id: str, lease_ns: int) -> None:
        """Move the end of a live hold's lease, soon."""
        self._ask(Request(wire.RENEW, name=hold_id, number=lease_ns), "")

    async def settled(self, noted: Sequence[Asked]) -> None:
        """Return once these records are written; raises StoreError where one could not be."""
        for asked in noted:
            reply = await asked.reply
            if reply.error:
                raise StoreError(reply.error)

    async def so_far(self) -> None:
        """Return once everything asked up to now has an answer."""
        if self._asked:
            await asyncio.wait([next(reversed(self._asked.values())).reply])

    async def all_settled(self) -> None:
        """Return once everything asked has an answer."""
        while self._asked:
            self._empty = self._loop.create_future()
            await self._empty

    @property
    def mine(self) -> bool:
        """True in the thread whose requests it carries."""
        return self.thread == threading.get_ident()

    @property
    def direct(self) -> bool:
        """True where this process itself has become the owner, and nothing asked before waits for its turn."""
        return self._ledger.local and not self._asked

    # -- the line

    async def connect(self) -> None:
        """Take a line to whoever owns the ledger now, and send what waits for one."""
        connection = await asyncio.to_thread(self._ledger.line)
        if connection is None:
            return
        make: Any = self._loop.create_connection
        if connection.family == wire.UNIX:
            make = self._loop.create_unix_connection
        connection.setblocking(False)
        _, self._line = await make(lambda: _Line(self), sock=connection)
        self._out = [wire.frame(asked.request) for asked in self._asked.values()]
        self._flush()

    async def close(self) -> None:
        """Hang up once everything is answered."""
        await self.all_settled()
        self._closed = True
        self._watch.cancel()
        if self._mending is not None:
            self._mending.cancel()
        if self._line is not None:
            self._line.hang_up()
            self._line = None

    def _ask(self, request: Request, hold: str) -> Asked:
        if self._closed:
            raise StoreError("This ledger was closed. Open it again to go on.")
        if len(self._asked) >= MOST:
            raise StoreError(f"The owner of the ledger has {MOST} requests of this process to answer and is behind.")
        self._numbers += 1
        request.id = self._numbers
        frame = wire.frame(request)
        asked = Asked(request, self._loop.create_future(), hold, self._loop.time())
        self._asked[request.id] = asked
        if self._line is not None:
            if not self._out:
                self._loop.call_soon(self._flush)  # all that this turn of the loop asks costs one send()
            self._out.append(frame)
        elif self._mending is None:
            self._mending = self._loop.create_task(self._mend())
        return asked

    def _flush(self) -> None:
        if self._line is not None and self._out:
            self._line.write(b"".join(self._out))
        self._out = []

    def answered(self, reply: Reply) -> None:
        """What the owner says to one request."""
        asked = self._asked.pop(reply.id, None)
        if asked is None:
            return
        if asked.hold:
            self._ledger.answered(asked.hold, asked.request.op == wire.RESERVE, reply)
        if reply.error and asked.request.op == wire.RECORD:
            log.error("A fact could not be recorded: %s", reply.error)
        if not asked.reply.done():
            asked.reply.set_result(reply)
        if self._empty is not None and not self._asked and not self._empty.done():
            self._empty.set_result(None)

    def lost(self, line: "_Line") -> None:
        """The owner is gone, or makes no sense: what was not answered is asked again."""
        if line is self._line:
            self._line, self._out = None, []
            if not self._closed and self._mending is None:
                self._mending = self._loop.create_task(self._mend())

    async def _mend(self) -> None:
        """Have everything that waits answered by the next owner, then take a line to it."""
        try:
            while not self._closed:
                waiting = list(self._asked.values())
                if waiting:
                    for asked in waiting:
                        asked.request.again = True
                    for reply in await asyncio.to_thread(self._again, [asked.request for asked in waiting]):
                        self.answered(reply)
                elif self._ledger.local:
                    return
                else:
                    await self.connect()
                    return
        except (Gone, StoreError, OSError) as error:
            log.error("No way to the ledger's owner: %s", str(error) or "it hung up")
        finally:
            self._mending = None
        # What came while the last of them was answered must not wait for somebody else to come.
        if self._asked and self._line is None and not self._closed:
            self._mending = self._loop.create_task(self._mend())

    def _again(self, requests: Sequence[Request]) -> list[Reply]:
        """In a thread: ask for each in turn, whoever has to be asked; a failure is an answer too."""
        replies = []
        for request in requests:
            try:
                reply = msgspec.structs.replace(self._ledger.request(request), id=request.id)
            except StoreError as error:
                reply = Reply(error=str(error), id=request.id)
            replies.append(reply)
        return replies

    def _look(self) -> None:
        """Hang up on an owner that is stuck: it is asked again the blocking way, which says so."""
        self._watch = self._loop.call_later(STUCK_S / 2, self._look)
        first = next(iter(self._asked.values()), None)
        if first is not None and self._line is not None and self._loop.time() - first.since > STUCK_S:
            self._line.hang_up()
            self.lost(self._line)


class _Line(asyncio.Protocol):
    """One connection to one owner."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._inward = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._inward += data
        try:
            for whole in wire.split(self._inward):
                self._pipe.answered(wire.read_reply(whole))
        except (Gone, msgspec.MsgspecError, UnicodeDecodeError):
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._pipe.lost(self)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def hang_up(self) -> None:
        self._transport.abort()


def _raw(middle: bytes) -> msgspec.Raw:
    return msgspec.Raw(b"{" + middle + b"}")
