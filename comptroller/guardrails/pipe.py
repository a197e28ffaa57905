"""The pipe to a guard's process: messages with their length before them, each within a time limit.

Where a pipe can be asked whether it is ready it is asked; on Windows it cannot, so two threads wait for it there.
"""

import os
import queue
import select
import struct
import subprocess
import sys
import threading
import time
from typing import IO, Protocol

HEAD = struct.Struct("!I")
PIECE = 65_536


class Late(Exception):
    """Time was up before the message was through."""


class Gone(Exception):
    """The other end is closed."""


class TooLong(Exception):
    """A message is announced that is longer than any may be."""


class Pipe(Protocol):
    """Both directions. `until` is a time of the monotonic clock, in seconds."""

    def send(self, data: bytes, until: float) -> None:
        """Hand over a message."""
        ...

    def receive(self, until: float) -> bytes:
        """The next message."""
        ...

    def close(self) -> None:
        """Let go of our ends; the process must have ended, or belong to somebody else."""
        ...


def open_pipe(process: "subprocess.Popen[bytes]", most: int) -> Pipe:
    """The pipe of a process started with both standard streams as pipes; it may answer so many bytes at a time."""
    return Threaded(process, most) if sys.platform == "win32" else Polled(process, most)


class Polled:
    """A pipe that is asked whether it is ready: nobody waits but the thread that wants the answer."""

    def __init__(self, process: "subprocess.Popen[bytes]", most: int) -> None:
        self._files = _files(process)
        self._most = most
        self._came = bytearray()
        for file in self._files:
            os.set_blocking(file.fileno(), False)
        self._out, self._in = (file.fileno() for file in self._files)

    def send(self, data: bytes, until: float) -> None:
        left = memoryview(HEAD.pack(len(data)) + data)
        while left:
            try:
                left = left[os.write(self._out, left) :]
            except BlockingIOError:
                self._wait(self._out, "out", until)
            except OSError as error:
                raise Gone from error

    def receive(self, until: float) -> bytes:
        while (message := self._message()) is None:
            self._wait(self._in, "in", until)
            piece = os.read(self._in, PIECE)
            if not piece:
                raise Gone
            self._came += piece
        return message

    def close(self) -> None:
        for file in self._files:
            file.close()

    def _message(self) -> bytes | None:
        if len(self._came) < HEAD.size:
            return None
        end = HEAD.size + int(HEAD.unpack_from(self._came)[0])
        if end - HEAD.size > self._most:
            raise TooLong
        if len(self._came) < end:
            return None
        message = bytes(self._came[HEAD.size : end])
        del self._came[:end]
        return message

    def _wait(self, descriptor: int, way: str, until: float) -> None:
        ready = select.poll()
        ready.register(descriptor, select.POLLIN if way == "in" else select.POLLOUT)
        if not ready.poll(max(0.0, until - time.monotonic()) * 1000):
            raise Late


class Threaded:
    """A pipe with a thread for each direction, which ends when the process does."""

    def __init__(self, process: "subprocess.Popen[bytes]", most: int) -> None:
        self._files = _files(process)
        self._most = most
        self._todo: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._came: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=work, name="comptroller-guard-pipe", daemon=True)
            for work in (self._write, self._read)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, data: bytes, until: float) -> None:
        self._todo.put(HEAD.pack(len(data)) + data)  # whether it was taken in time, the answer shows

    def receive(self, until: float) -> bytes:
        try:
            came = self._came.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise Late from None
        if isinstance(came, Exception):
            self._came.put(came)  # nothing will come after it
            raise came
        return came

    def close(self) -> None:
        self._todo.put(None)
        for thread in self._threads:
            thread.join(1.0)
        for file in self._files:
            file.close()

    def _write(self) -> None:
        while (data := self._todo.get()) is not None:
            left = memoryview(data)
            try:
                while left:
                    left = left[self._files[0].write(left) or 0 :]
            except OSError:
                return  # the reader finds out why

    def _read(self) -> None:
        try:
            while True:
                size = int(HEAD.unpack(self._exactly(HEAD.size))[0])
                if size > self._most:
                    raise TooLong
                self._came.put(self._exactly(size))
        except (Gone, TooLong) as end:
            self._came.put(end)
        except OSError as error:
            self._came.put(Gone(error))

    def _exactly(self, size: int) -> bytes:
        taken = bytearray()
        while len(taken) < size:
            piece = self._files[1].read(size - len(taken))
            if not piece:
                raise Gone
            taken += piece
        return bytes(taken)


def _files(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout
