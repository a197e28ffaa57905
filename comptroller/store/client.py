"""A process that does not own the ledger: it asks the owner, and notices at once when the owner is gone."""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from comptroller.core.errors import StoreError
from comptroller.metering.orders import Stop
from comptroller.store import wire
from comptroller.store.wire import Gone, Reply, Request

_ANSWER_S = 10.0  # an owner that lives and does not answer for so long is stuck
_CONNECTIONS = 8
_LENGTH = struct.Struct("<I")


class Client:
    """Connections to one owner. Thread-safe: each carries one request at a time."""

    def __init__(
        self,
        ledger: Path,
        session: str,
        holds: dict[str, int],
        on_lost: Callable[["Client"], None],
        on_stops: Callable[[list[Stop]], None],
    ) -> None:
        self._address = wire.read_address(ledger)
        self._session = session
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._room = threading.BoundedSemaphore(_CONNECTIONS)
        self._closed = False
        # This one stays open, and on it the owner tells what people have stopped. Its end tells at once that the owner
        # is gone, so that holds of a long call are claimed again in time; and as long as it is open the owner knows
        # that this process lives.
        self._on_stops = on_stops
        self._lifeline = self._connect(holds, watch=True)
        self._lifeline.settimeout(None)
        threading.Thread(target=self._watch, args=(on_lost,), name="comptroller-lifeline", daemon=True).start()

    def ask(self, request: Request) -> Reply:
        """The owner's answer; raises Gone where the owner is, StoreError where it refuses or does not answer."""
        data = wire.frame(request)
        with self._room:
            connection = self._take()
            try:
                reply = _exchange(connection, data)
            except TimeoutError:
                connection.close()
                raise StoreError(self._stuck()) from None
            except (OSError, msgspec.MsgspecError) as error:
                connection.close()
                raise Gone from error
            except BaseException:
                connection.close()  # an answer nobody waited for must not meet the next question
                raise
            self._give_back(connection)
        if reply.error:
            raise StoreError(reply.error)
        return reply

    def line(self) -> socket.socket:
        """One more connection, greeted, for whoever carries many requests on it at once."""
        with self._lock:
            if self._closed:
                raise Gone
        return self._connect({})

    def close(self) -> None:
        """Hang up; the owner then knows that this process is done."""
        with self._lock:
            self._closed = True
        with contextlib.suppress(OSError):
            self._lifeline.shutdown(socket.SHUT_RDWR)
        # The watcher is not waited for: it may be waiting for whoever closes here.
        self.forked()

    def forked(self) -> None:
        """Close this process's copies of the connections."""
        idle, self._idle, self._closed = self._idle, [], True
        for connection in (self._lifeline, *idle):
            connection.close()

    def _watch(self, on_lost: Callable[["Client"], None]) -> None:
        try:
            while True:
                self._heed(_receive(self._lifeline))
        except (OSError, Gone, msgspec.MsgspecError):
            pass
        if not self._closed:
            on_lost(self)

    def _heed(self, told: Reply) -> None:
        if told.stops is not None:
            self._on_stops(told.stops)

    def _take(self) -> socket.socket:
        with self._lock:
            if self._closed:
                raise Gone
            if self._idle:
                return self._idle.pop()
        return self._connect({})

    def _give_back(self, connection: socket.socket) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self, holds: dict[str, int], watch: bool = False) -> socket.socket:
        made = wire.connect(self._address, _ANSWER_S)
        hello = Request(wire.HELLO, name=self._session, unit=self._address.token, number=os.getpid(), holds=holds)
        hello.watch = watch
        try:
            self._heed(_exchange(made, wire.frame(hello)))
        except TimeoutError:
            made.close()
            raise StoreError(self._stuck()) from None
        except (OSError, Gone, msgspec.MsgspecError) as error:
            made.close()
            raise Gone from error
        return made

    def _stuck(self) -> str:
        return (
            f"Process {self._address.pid} owns the ledger and has not answered for {_ANSWER_S:.0f} s. "
            "Let it go on if it is stopped, or end it: another process then takes over and nothing is lost."
        )


def _exchange(connection: socket.socket, data: bytes) -> Reply:
    connection.sendall(data)
    return _receive(connection)


def _receive(connection: socket.socket) -> Reply:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > wire.MOST:
        raise Gone
    return wire.read_reply(_exactly(connection, length))


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = connection.recv(count)
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data
