"""Asking a process that has the books open: named queries in, Arrow out, over a socket only this user can use."""

import contextlib
import logging
import os
import secrets
import socket
import struct
import sys
import threading
import time
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from comptroller.core.errors import StoreError
from comptroller.store import folder, wire
from comptroller.store.books import Books
from comptroller.store.grammar import BadQuestion
from comptroller.store.question import Bounds, Whose
from comptroller.store.wire import Address, Gone

if TYPE_CHECKING:
    import pyarrow

LABEL = "books.json"  # where the process that has the books listens
SOCKET = "books.sock"
EVERY_S = 0.5  # how often a process that keeps the books open looks for new records, unless that took long:
REST = 20  # it then rests this many times as long, so that keeping fresh takes a twentieth of a core at most,
WATCHED_S = 3.0  # unless somebody asked so lately: who watches wants to see what is new
TIMEOUT_S = 60.0
_MOST = 1024 * 1024  # bytes of a question
_LONGEST_UNIX_PATH = 100  # the kernel takes 104 bytes on macOS, 108 on Linux
_QUESTION = struct.Struct("<I")
_ANSWER = struct.Struct("<cQ")
_TABLE, _DONE, _ERROR, _BAD = b"T", b"D", b"E", b"B"

log = logging.getLogger("comptroller.books")


class Question(msgspec.Struct):
    """What is asked: a named query, or (without a name) to bring the books up to date."""

    token: str
    query: str = ""
    params: dict[str, object] = {}
    sql: str = ""  # a question of one's own instead, with whose rows it is about and what it may take
    whose: Whose | None = None
    bounds: Bounds | None = None


class Keeper:
    """Keeps open books fresh and answers for them, until closed."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._listener, self.address = _listen(books.ledger)
        self._closing = threading.Event()
        self._callers: set[socket.socket] = set()
        self._trouble = ""
        self._asked = float("-inf")
        self._threads = [
            threading.Thread(target=self._ingest, name="comptroller-books", daemon=True),
            threading.Thread(target=self._accept, name="comptroller-enquiries", daemon=True),
        ]

    def start(self) -> None:
        """Begin to ingest and to answer, and say where."""
        folder.replace(self._books.ledger / LABEL, msgspec.json.encode(self.address))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop answering and wait for what is under way."""
        self._closing.set()
        with contextlib.suppress(OSError):
            (self._books.ledger / LABEL).unlink()
        # A thread that waits in accept() wakes up for a caller, but not everywhere for a closed listener.
        with contextlib.suppress(Gone):
            wire.connect(self.address, 1.0).close()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        for caller in list(self._callers):
            with contextlib.suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
        if self.address.family == "unix":
            with contextlib.suppress(OSError):
                os.unlink(self.address.place)

    def _ingest(self) -> None:
        took = 0.0
        while self._rested(took * REST):
            begun = time.monotonic()
            try:
                self._books.ingest()
                self._trouble = ""
            except StoreError as error:
                if str(error) != self._trouble:  # said once, not twice a second
                    log.error("The books cannot be brought up to date: %s", error)
                self._trouble = str(error)
            took = time.monotonic() - begun

    def _rested(self, long: float) -> bool:
        """Wait until it is time to look again; False where nobody will."""
        until = time.monotonic() + long
        while not self._closing.wait(EVERY_S):
            now = time.monotonic()
            if now >= until or now - self._asked < WATCHED_S:
                return True
        return False

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                caller, _ = self._listener.accept()
            except OSError:
                continue  # gone again, or no file descriptors left: who wants in will try again
            self._callers.add(caller)
            threading.Thread(target=self._serve, args=(caller,), name="comptroller-enquiry", daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError, Gone):
            while not self._closing.is_set():
                kind, data = self._answer(_receive(caller, _QUESTION.unpack(_receive(caller, _QUESTION.size))[0]))
                caller.sendall(_ANSWER.pack(kind, len(data)) + data)
        self._callers.discard(caller)

    def _answer(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            question = msgspec.json.decode(data, type=Question)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return _ERROR, f"This is no question to the books: {error}.".encode()
        if not compare_digest(question.token, self.address.token):
            raise Gone
        try:
            if question.whose is not None and question.bounds is not None:
                return _TABLE, pack(self._books.ask(question.sql, question.whose, question.bounds))
            self._asked = time.monotonic()
            if question.query:
                return _TABLE, pack(self._books.query(question.query, question.params))
            self._books.ingest()
            return _DONE, b""
        except BadQuestion as bad:
            return _BAD, msgspec.json.encode((bad.code, str(bad)))
        except StoreError as error:
            return _ERROR, str(error).encode()


class Asker:
    """The other side: asks whoever keeps the books. One question at a time."""

    def __init__(self, ledger: Path) -> None:
        self._address = _read_address(ledger)
        self._socket = wire.connect(self._address, TIMEOUT_S)
        self._lock = threading.Lock()

    def query(self, name: str, params: dict[str, object]) -> "pyarrow.Table":
        """The answer to a named query; raises Gone where the keeper has left."""
        return _unpack(self._ask(Question(self._address.token, name, params)))

    def ask(self, sql: str, whose: Whose, bounds: Bounds) -> "pyarrow.Table":
        """The answer to somebody else's SELECT."""
        return _unpack(self._ask(Question(self._address.token, sql=sql, whose=whose, bounds=bounds)))

    def refresh(self) -> None:
        """Return once the books have all that was in the journal when this was asked."""
        self._ask(Question(self._address.token))

    def close(self) -> None:
        self._socket.close()

    def _ask(self, question: Question) -> bytes:
        data = msgspec.json.encode(question)
        with self._lock:
            try:
                self._socket.sendall(_QUESTION.pack(len(data)) + data)
                kind, size = _ANSWER.unpack(_receive(self._socket, _ANSWER.size))
                answer = _receive(self._socket, size)
            except TimeoutError:
                raise StoreError(
                    f"The process {self._address.pid} that has the books open did not answer within {TIMEOUT_S:.0f} s. "
                    "Ask for less, or stop it."
                ) from None
            except OSError as error:
                raise Gone from error
        if kind == _BAD:
            code, said = msgspec.json.decode(answer, type=tuple[str, str])
            raise BadQuestion(said, code)
        if kind == _ERROR:
            raise StoreError(answer.decode("utf-8", "replace"))
        return answer


def _read_address(ledger: Path) -> Address:
    path = ledger / LABEL
    try:
        return msgspec.json.decode(path.read_bytes(), type=Address)
    except PermissionError as error:
        raise StoreError(f"{path}: another user's process has the books open. Run as that user.") from error
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Gone from error


def _listen(ledger: Path) -> tuple[socket.socket, Address]:
    token = secrets.token_hex(16)
    place = os.path.join(ledger.absolute(), SOCKET)
    if sys.platform != "win32" and len(os.fsencode(place)) <= _LONGEST_UNIX_PATH:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place)  # a dead process's: the lock says that nobody listens there
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.bind(place)
            os.chmod(place, 0o600)
            made.listen(16)
            return made, Address("unix", place, 0, token, os.getpid())
        except OSError:
            made.close()
    made = socket.create_server(("127.0.0.1", 0), backlog=16)
    return made, Address("tcp", "127.0.0.1", made.getsockname()[1], token, os.getpid())


def _receive(source: socket.socket, size: int) -> bytes:
    if size > _MOST and source.gettimeout() is None:
        raise Gone  # the asking side sets a time limit, the answering side a size
    parts, left = [], size
    while left:
        part = source.recv(min(left, 1 << 20))
        if not part:
            raise Gone
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def pack(table: "pyarrow.Table") -> bytes:
    """A table as an Arrow stream."""
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _unpack(data: bytes) -> "pyarrow.Table":
    import pyarrow

    return pyarrow.ipc.open_stream(data).read_all()
