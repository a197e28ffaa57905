"""Replies that come packed although we asked for plain ones: unpacked piece by piece, never all at once."""

import zlib

from comptroller.gateway.wire.faults import ReadError, unreadable
from comptroller.gateway.wire.line import Incoming

PIECE = 256 << 10  # what a few packed bytes may become at a time


class Unpacking:
    """A reply whose body is unpacked as it is read."""

    def __init__(self, reply: Incoming, name: str) -> None:
        self.status, self.headers = reply.status, reply.headers
        self._reply, self._name = reply, name
        coding = reply.packed.strip().lower()
        if coding in (b"gzip", b"x-gzip"):
            self._unpack = zlib.decompressobj(31)
        elif coding == b"deflate":
            self._unpack = zlib.decompressobj(15)
        else:
            reply.close()
            raise unreadable(name, "it is packed in a way that was not asked for")
        self._left = b""

    async def next(self) -> bytes | None:
        while True:
            packed = self._left or await self._reply.next()
            if packed is None:
                if not self._unpack.eof:
                    raise ReadError(f"The reply of upstream {self._name} broke off while it was unpacked.")
                return None
            if not self._unpack.eof and (data := self._some(packed)):
                return data  # what follows the end of what was packed is nothing

    async def read(self, limit: int) -> bytes | None:
        parts, size = [], 0
        while data := await self.next():
            parts.append(data)
            size += len(data)
            if size > limit:
                return None
        return b"".join(parts)

    def close(self) -> None:
        self._reply.close()

    def _some(self, packed: bytes) -> bytes:
        try:
            data = self._unpack.decompress(packed, PIECE)
        except zlib.error:
            raise unreadable(self._name, "it is not packed as it says") from None
        self._left = self._unpack.unconsumed_tail
        return data
