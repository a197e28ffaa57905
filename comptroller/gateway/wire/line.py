"""One connection to an upstream: a request goes out, its reply comes in, and after that perhaps the next one."""

import asyncio
from collections.abc import Callable

import httptools

from comptroller.core.errors import UpstreamError
from comptroller.gateway.wire.faults import ReadError, ReadTimeout, Unanswered, unreadable
from comptroller.gateway.wire.port import HEAD_BYTES, HEAD_FIELDS, Headers, Letter

AHEAD = 256 << 10  # bytes of a body that may wait to be read; beyond that the upstream has to wait
INTERIM = 8  # replies of the 1xx kind that may come before the real one


class Incoming:
    """A reply on its way in. It outlives its line: what has come is here, and the line may serve another."""

    __slots__ = ("_enough", "_fault", "_line", "_pieces", "_size", "_waiter", "complete", "headers", "packed", "status")

    def __init__(self, line: "Line") -> None:
        self.status = 0
        self.headers: Headers = []
        self.packed = b""  # the coding of its body
        self.complete = False
        self._line: Line | None = line
        self._pieces: list[bytes] = []
        self._size = self._enough = 0
        self._fault: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def begun(self) -> None:
        """Returns once the head has come."""
        while not self.status:
            await self._more()

    async def next(self) -> bytes | None:
        pieces = self._pieces
        while not pieces:
            if self.complete:
                return None
            await self._more()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self._line is not None:
            self._line.resume()
        return data

    async def read(self, limit: int) -> bytes | None:
        self._enough = limit  # nobody is woken for less
        while not self.complete and self._size <= limit:
            if self._line is not None:
                self._line.resume()
            await self._more()
        if self._size > limit:
            return None
        pieces = self._pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.drop()

    # -- told by the line

    def start(self, status: int) -> None:
        """The head is complete."""
        self.status = status
        self._wake()

    def add(self, data: bytes) -> bool:
        """Some of the body; False when there is more of it than somebody waits for."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._enough:
            self._wake()
        return self._size <= AHEAD or self._size <= self._enough

    def end(self, fault: UpstreamError | None = None) -> None:
        """Nothing more comes: it is complete, or broke off."""
        self.complete, self._fault, self._line = fault is None, fault, None
        self._wake()

    @property
    def awaited(self) -> bool:
        """Somebody waits for more."""
        return self._waiter is not None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def _more(self) -> None:
        if self._fault is not None:
            raise self._fault
        line = self._line
        if line is None:
            raise ReadError("This reply was closed before it was read.")
        self._waiter = line.patience()
        try:
            await self._waiter
        finally:
            self._waiter = None


class Line(asyncio.Protocol):
    """Speaks HTTP/1.1 to one origin, one request at a time; tells its owner when it is free and when it is gone."""

    def __init__(self, read_s: float, free: "Callable[[Line], None]", gone: "Callable[[Line], None]") -> None:
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._read_s, self._free, self._gone = read_s, free, gone
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._reply: Incoming | None = None
        self._name = ""
        self._heard = 0.0  # when something came last, or somebody began to wait
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._headers: Headers = []
        self._packed, self._odd = b"", ""
        self._begun = self._done = self._answered = self._fruit = self._head_only = False
        self._until_close = self._whole = True
        self._fields = self._barren = self._interims = 0

    @property
    def open(self) -> bool:
        """It can take a request."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, letter: Letter, head: bytes) -> Incoming:
        """Send a request; the line must be free."""
        assert self._transport is not None
        assert self._reply is None
        self._name = letter.name
        self._reset(letter.method == "HEAD")
        self._reply = reply = Incoming(self)
        if len(letter.body) <= AHEAD:
            self._transport.write(head + letter.body)
        else:
            self._transport.writelines((head, letter.body))
        return reply

    def patience(self) -> "asyncio.Future[None]":
        """What to wait on for more of the reply; from now on the upstream has `read_s` to say something."""
        self._heard = self._loop.time()
        if self._timer is None:
            # One timer for as long as the line is in use: setting one for each wait costs as much as the wait.
            self._timer = self._loop.call_later(self._read_s, self._look)
        return self._loop.create_future()

    def resume(self) -> None:
        """What waited was read: the upstream may go on."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def drop(self) -> None:
        """Hang up."""
        self._reply = None
        self._rest()
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:
            return self.drop()  # nothing was asked, so this is the answer to nothing
        self._heard = self._loop.time()
        self._answered, self._fruit = True, False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._whole = False
            if not self._done:
                return self._fail(unreadable(self._name, self._odd or str(error) or "it is not HTTP/1.1"))
        if self._done:
            self._finish(reply)
        elif not self._fruit:
            self._barren += len(data)
            if self._barren > HEAD_BYTES:
                self._fail(unreadable(self._name, f"its head is larger than {HEAD_BYTES >> 10} KB"))

    def connection_lost(self, error: Exception | None) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            if self._until_close and reply.status and error is None:
                reply.end()
            elif self._answered:
                reply.end(ReadError(f"The connection to upstream {self._name} broke before its reply was complete."))
            else:
                reply.end(Unanswered(f"Upstream {self._name} closed the connection without an answer."))
        self._rest()
        self._transport = None
        self._gone(self)

    # -- the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > HEAD_FIELDS:
            self._odd = f"it has more than {HEAD_FIELDS} header fields"
            raise ValueError
        if self._begun:
            return  # a trailer: nobody asked for those
        name = name.lower()
        self._headers.append((name, value))
        if name == b"content-length":
            self._until_close = False
        elif name == b"transfer-encoding":
            self._until_close = False
            if value.strip().lower() != b"chunked":
                self._odd = "it has a transfer-encoding other than chunked"
                raise ValueError
        elif name == b"content-encoding":
            self._packed = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return self._interim(status)
        reply = self._reply
        if reply is None or self._begun:
            return  # behind the end of the reply: the connection is not used again, see on_message_begin
        self._begun = True
        reply.headers, reply.packed = self._headers, self._packed
        reply.start(status)
        if self._head_only:
            self._done, self._whole = True, False

    def on_body(self, data: bytes) -> None:
        reply = self._reply
        if reply is None or self._done:
            return
        self._fruit, self._barren = True, 0
        if not reply.add(data) and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_begin(self) -> None:
        if self._done:
            self._whole = False  # something follows the end: whatever it is, it belongs to nobody

    def on_message_complete(self) -> None:
        if self._begun and not self._done:
            self._done, self._whole = True, self._whole and self._parser.should_keep_alive()

    # -- within

    def _reset(self, head_only: bool) -> None:
        """Before a request: nothing of its reply is known."""
        self._headers, self._packed, self._odd = [], b"", ""
        self._begun = self._done = self._answered = self._fruit = False
        self._until_close = self._whole = True  # until a header says otherwise; fit for another request
        self._head_only = head_only
        self._fields = self._barren = self._interims = 0

    def _interim(self, status: int) -> None:
        self._interims += 1
        if status == 101 or self._interims > INTERIM:
            self._odd = "it changes the protocol" if status == 101 else "it never gets to the point"
            raise ValueError
        self._headers, self._packed, self._until_close, self._fields = [], b"", True, 0

    def _finish(self, reply: Incoming) -> None:
        self._reply = None
        reply.end()
        transport = self._transport
        assert transport is not None
        if self._whole and not transport.is_closing() and not transport.get_write_buffer_size():
            self.resume()
            self.idle_since = self._heard
            self._free(self)
        else:
            self.drop()

    def _fail(self, fault: UpstreamError) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.end(fault)
        self.drop()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """The timer: has the upstream been silent for too long, while somebody waited for it?"""
        self._timer = None
        if self._reply is None:
            return
        now = self._loop.time()
        left = self._heard + self._read_s - now if self._reply.awaited else self._read_s
        if left <= 0.001:
            self._fail(ReadTimeout(f"Upstream {self._name} fell silent."))
        else:
            self._timer = self._loop.call_later(left, self._look)
