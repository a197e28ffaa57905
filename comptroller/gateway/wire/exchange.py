"""One request and its reply at the door, as ASGI sees them: what the application reads, and what it says."""

import asyncio
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Protocol

from comptroller.gateway.wire.port import Headers

AHEAD = 256 << 10  # bytes of a body that may wait to be read; beyond that the client has to wait
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
FAILED = b"The gateway failed at this request; its log says why."
BODILESS = (204, 304)
Message = MutableMapping[str, Any]


class Bearer(Protocol):
    """What an exchange needs of the connection it runs over."""

    chatty: bool  # the client does not read as fast as we write

    def write(self, data: bytes) -> None: ...
    async def drained(self) -> None: ...
    def resume_reading(self) -> None: ...
    def answered(self, exchange: "Exchange") -> None: ...
    def standing_headers(self) -> Headers: ...


class Exchange:
    """Its `receive` and `send` are the application's."""

    __slots__ = (
        "_bearer", "_chunked", "_head", "_left", "_pieces", "_size", "_waiter",
        "answered", "expects", "gone", "head_only", "keeps", "old", "scope", "started", "task", "whole",
    )  # fmt: skip

    def __init__(self, bearer: Bearer, scope: Message, keeps: bool, expects: bool) -> None:
        self.scope = scope
        self.keeps = keeps  # the connection, for a request after this one
        self.expects = expects  # to be told that its body is wanted
        self.head_only = scope["method"] == "HEAD"
        self.old = scope["http_version"] == "1.0"
        self.whole = False  # the request has arrived
        self.started = self.answered = self.gone = False
        self.task: asyncio.Task[None] | None = None
        self._bearer = bearer
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._chunked = False
        self._left = -1  # bytes of the reply that its content-length still promises; -1 where it has none
        self._head = b""

    # -- told by the connection

    def add(self, data: bytes) -> bool:
        """Some of the request's body; False when there is more of it than should wait."""
        self._pieces.append(data)
        self._size += len(data)
        self.wake()
        return self._size <= AHEAD

    def wake(self) -> None:
        """Something happened that the application may wait for."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- asked by the application

    async def receive(self) -> Message:
        """The body as far as it came; after its end, that the client has left."""
        if self.expects and not self.gone:
            self.expects = False
            self._bearer.write(GO_ON)
        while not (self.gone or self.answered):
            if self._pieces or (self.whole and self._size >= 0):
                return self._body()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The reply's head, then its body in as many pieces as it likes."""
        if self.gone:
            return
        if not self.started:
            self._begin(message["status"], message["headers"])
            return
        if self.answered:
            raise RuntimeError("The reply to this request was complete.")
        self._tell(message.get("body", b""), message.get("more_body", False))
        if self._bearer.chatty:
            await self._bearer.drained()

    def fail(self) -> None:
        """The application failed: say so where nothing was said yet. The connection does not outlive it."""
        self.keeps = False
        if self.started or self.gone:
            return
        size = str(len(FAILED)).encode()
        self._begin(500, [(b"content-type", b"text/plain"), (b"content-length", size)])
        self._tell(FAILED, False)

    # -- within

    def _body(self) -> Message:
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = -1 if self.whole else 0  # -1: all of it was read
        if not self.whole:
            self._bearer.resume_reading()
        return {"type": "http.request", "body": data, "more_body": not self.whole}

    def _begin(self, status: int, headers: Headers) -> None:
        lines = [STATUS[status]]
        sized = self._chunked = False
        for name, value in (*self._bearer.standing_headers(), *headers):
            if name == b"content-length":
                self._left, sized = int(value), True
            elif name == b"connection" and value == b"close":
                self.keeps = False
                continue  # said below
            lines.append(b"%b: %b" % (name, value))
        if not self.whole:
            self.keeps = False  # what else the client sends of its request is not waited for
        if not sized and status not in BODILESS and not self.head_only:
            self._chunked = not self.old
            if self._chunked:
                lines.append(b"transfer-encoding: chunked")
        if not (self.keeps and (sized or self._chunked or status in BODILESS or self.head_only)):
            self.keeps = False
            lines.append(b"connection: close")
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        breaks = len(lines) + 1
        if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
            raise RuntimeError("A header of the reply holds a line break.")
        self.started = True
        if sized:
            self._head = head  # leaves with the body
        else:
            self._bearer.write(head)

    def _tell(self, data: bytes, more: bool) -> None:
        if self.head_only:
            data = self._head
        elif self._chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            if not more:
                data += b"0\r\n\r\n"
        else:
            if self._left >= 0:
                self._left -= len(data)
                if self._left < 0 or (self._left and not more):
                    raise RuntimeError("The reply is not as long as it says.")
            data = self._head + data
        self._head = b""
        if data:
            self._bearer.write(data)
        if not more:
            self.answered = True
            self._bearer.answered(self)


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}".encode()


STATUS = {status: _status_line(status) for status in range(100, 1000)}
