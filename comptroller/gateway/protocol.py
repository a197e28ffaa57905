"""HTTP/1.1 as uvicorn speaks it, with bounds: on the size of a head, and on how long a request may dawdle."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from comptroller.core.settings import Gateway

TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\ncontent-length: 38\r\n"
    b"connection: close\r\n\r\nThe head of this request is too large."
)


class Bounded(HttpToolsProtocol):
    """A connection that is dropped when a head grows too large, and that knows since when it waits for its client."""

    limits = Gateway()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.head_bytes = 0
        self.waits_since: float | None = self.loop.time()

    def data_received(self, data: bytes) -> None:
        in_head = self.waits_since is not None
        super().data_received(data)
        if self.parser is None or self.transport.is_closing():
            return
        if self.waits_since is None:
            if self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete:
                self.body_since = self.loop.time()
            return
        self.head_bytes = self.head_bytes + len(data) if in_head else len(data)
        if self.head_bytes > self.limits.header_kb << 10:
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.waits_since = self.loop.time()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.waits_since, self.head_bytes = None, 0
        self.body_since = self.loop.time()

    def dawdles(self, now: float) -> bool:
        """True when the client has kept us waiting for its request for too long."""
        if self.waits_since is not None:
            return now - self.waits_since > self.limits.header_s
        cycle: Any = self.cycle
        waiting = cycle is not None and cycle.more_body and not cycle.response_complete
        return waiting and now - self.body_since > self.limits.header_s
