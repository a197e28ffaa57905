"""A line between the supervisor and one worker: both ask, both tell, many questions under way at once."""

import asyncio
import inspect
import logging
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

MOST = 64 << 20  # bytes of a message; the largest is a reply kept for whoever asks again
ASK, TELL, ANSWER, FAILED = 0, 1, 2, 3
Answering = Callable[..., Any]
_LENGTH = struct.Struct("<I")
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[int, int, str, Any]).decode
log = logging.getLogger("comptroller.gateway")


class Apart(Exception):
    """The other side is not there any more, or could not answer."""


class Channel(asyncio.Protocol):
    """One side. What it is asked it looks up in `answers`; messages are taken in the order they were sent."""

    def __init__(self, answers: Mapping[str, Answering], on_end: Callable[[], None]) -> None:
        self._answers, self._on_end = answers, on_end
        self._loop = asyncio.get_running_loop()
        self._inward = bytearray()
        self._transport: Any = None
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._numbers = 0
        self._out: list[bytes] = []
        self._working: set[asyncio.Task[None]] = set()
        self.open = False

    @classmethod
    async def over(cls, line: socket.socket, answers: Mapping[str, Answering], on_end: Callable[[], None]) -> "Channel":
        """A channel over a connected pair's end."""
        line.setblocking(False)
        made = cls(answers, on_end)
        # The loops tell kinds of sockets apart by their names for them.
        make: Any = made._loop.create_connection
        if line.family == getattr(socket, "AF_UNIX", None):
            make = made._loop.create_unix_connection
        await make(lambda: made, sock=line)
        return made

    async def ask(self, name: str, *args: Any) -> Any:
        """What the other side answers; raises Apart where it is gone."""
        if not self.open:
            raise Apart
        self._numbers += 1
        answer = self._asked[self._numbers] = self._loop.create_future()
        self._send(ASK, self._numbers, name, args)
        return await answer

    def tell(self, name: str, *args: Any) -> None:
        """Say something that needs no answer; to nobody where the other side is gone."""
        if self.open:
            self._send(TELL, 0, name, args)

    def close(self) -> None:
        """Hang up once everything said is on its way."""
        if self.open:
            self._flush()
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.open = transport, True

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Apart())
        self._asked.clear()
        self._on_end()

    def data_received(self, data: bytes) -> None:
        self._inward += data
        start, inward = 0, self._inward
        while len(inward) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(inward, start)
            end = start + _LENGTH.size + length
            if len(inward) < end:
                break
            self._take(*_unpack(inward[start + _LENGTH.size : end]))
            start = end
        del inward[:start]

    def _take(self, kind: int, number: int, name: str, args: Any) -> None:
        if kind in (ANSWER, FAILED):
            answer = self._asked.pop(number, None)
            if answer is not None and not answer.done():
                if kind == ANSWER:
                    answer.set_result(args)
                else:
                    answer.set_exception(Apart(args))
            return
        try:
            said = self._answers[name](*args)
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and this side says why
            self._failed(kind, number, name, error)
            return
        if inspect.isawaitable(said):
            task = self._loop.create_task(self._later(kind, number, name, said))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        elif kind == ASK:
            self._send(ANSWER, number, "", said)

    async def _later(self, kind: int, number: int, name: str, said: Any) -> None:
        try:
            answer = await said
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and this side says why
            self._failed(kind, number, name, error)
            return
        if kind == ASK and self.open:
            self._send(ANSWER, number, "", answer)

    def _failed(self, kind: int, number: int, name: str, error: Exception) -> None:
        log.error("%r between supervisor and worker failed: %s: %s", name, type(error).__name__, error)
        if kind == ASK and self.open:
            self._send(FAILED, number, "", type(error).__name__)

    def _send(self, kind: int, number: int, name: str, args: Any) -> None:
        data = _pack((kind, number, name, args))
        if not self._out:
            self._loop.call_soon(self._flush)  # what one turn of the loop says costs one send()
        self._out += _LENGTH.pack(len(data)), data

    def _flush(self) -> None:
        if self._out and self.open:
            self._transport.write(b"".join(self._out))
        self._out = []
