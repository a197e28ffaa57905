"""Just enough HTTP/1.1 for a scripted server: keep-alive, chunked streams, and breaking off on purpose."""

import asyncio
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Literal, cast

MOST_HEAD = 1 << 20
Handler = Callable[["Connection", str, str, dict[str, str], bytes], None]


class Connection(asyncio.Protocol):
    """One client's connection: reads a request, lets the handler answer, then reads the next."""

    def __init__(self, handler: Handler, connections: "set[Connection]") -> None:
        self._handler = handler
        self._connections = connections
        self._buffer = bytearray()
        self._busy = False
        self._close_after = False
        self._transport: asyncio.Transport | None = None
        self._timers: set[asyncio.TimerHandle] = set()

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        for timer in self._timers:
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    # -- the handler's side

    def whole(self, status: int, headers: dict[str, str], body: bytes, cut: int | None = None) -> None:
        """Answer in one piece; with `cut`, break off after so many bytes of the body."""
        length = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        self._write(_head(status, length) + (body if cut is None else body[:cut]))
        self._done(broken=cut is not None)

    def stream(
        self, headers: dict[str, str], events: Iterator[bytes], pause_s: float, then: Literal["", "hang", "cut"] = ""
    ) -> None:
        """Answer event by event, each a chunk of its own; `then` hang or break off instead of ending."""
        kind = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked", **headers}
        if pause_s:
            self._write(_head(200, kind))
            self._step(events, pause_s, then)
        else:
            self._write(b"".join((_head(200, kind), *map(_chunk, events))))
            self._end_stream(then)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after a while, unless the client is gone by then."""
        if self._transport is not None:
            self._timers.add(asyncio.get_running_loop().call_later(seconds, act))

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    # -- within

    def _step(self, events: Iterator[bytes], pause_s: float, then: Literal["", "hang", "cut"]) -> None:
        event = next(events, None)
        if event is None:
            return self._end_stream(then)
        self._write(_chunk(event))
        self.later(pause_s, lambda: self._step(events, pause_s, then))
        return None

    def _end_stream(self, then: Literal["", "hang", "cut"]) -> None:
        if then == "hang":
            return
        if not then:
            self._write(b"0\r\n\r\n")
        self._done(broken=then == "cut")

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _done(self, broken: bool) -> None:
        self._busy = False
        if self._transport is None:
            return
        if broken or self._close_after:
            self._transport.close()
        elif self._buffer:
            self._next()

    def _next(self) -> None:
        if self._busy:
            return
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MOST_HEAD:
                self.abort()
            return
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = dict(_header(line) for line in lines[1:])
        body = self._body(headers, end + 4)
        if body is None:
            return
        method, target, _ = (*lines[0].split(" "), "", "")[:3]
        self._busy = True
        self._close_after = headers.get("connection", "").lower() == "close"
        self._handler(self, method, target, headers, body)

    def _body(self, headers: dict[str, str], start: int) -> bytes | None:
        """The body that begins at `start`, taken out of the buffer; None until all of it is there."""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunked(start)
        stop = start + int(headers.get("content-length") or 0)
        if len(self._buffer) < stop:
            return None
        body = bytes(self._buffer[start:stop])
        del self._buffer[:stop]
        return body

    def _chunked(self, at: int) -> bytes | None:
        pieces = []
        while True:
            line = self._buffer.find(b"\r\n", at)
            if line < 0:
                return None
            size = int(self._buffer[at:line].split(b";")[0], 16)
            stop = line + 2 + size
            if len(self._buffer) < stop + 2:
                return None
            pieces.append(bytes(self._buffer[line + 2 : stop]))
            at = stop + 2
            if not size:
                del self._buffer[:at]
                return b"".join(pieces)


def _head(status: int, headers: dict[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in _KNOWN else ""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {text}" for name, text in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


_KNOWN = {status.value for status in HTTPStatus}


def _header(line: str) -> tuple[str, str]:
    name, _, text = line.partition(":")
    return name.lower(), text.strip()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
