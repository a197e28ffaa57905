"""The open end of the journal, held by its owner: records are appended, made durable together, segments roll."""

import errno
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from comptroller.core.errors import StoreError
from comptroller.store import segment
from comptroller.store.segment import Position

_flush: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class Tail:
    """Appends lines and knows where they end. Not thread-safe but for `sync`: the owner's lock guards it."""

    def __init__(self, ledger: Path, at: Position) -> None:
        self.ledger = ledger
        self.at = at
        self.failed = ""  # why nothing may be appended any more
        self._torn = False  # the file may end behind `at`
        self._path = segment.path_of(ledger, at.segment)
        self._fd = self._open()
        self._gate = threading.Lock()  # over the four below, never held while waiting
        self._leading = False  # somebody is flushing
        self._waiters: list[tuple[int, threading.Lock]] = []
        self._durable = at.sequence

    def append(self, middles: Sequence[bytes]) -> None:
        """Write records with one write(): all of them are in the file, or none is and StoreError says why."""
        if self.failed or self._torn:
            self._usable()
        at, lines = self.at, []
        sequence, chain = at.sequence, at.chain
        for middle in middles:
            sequence += 1
            stored, chain = segment.line(sequence, chain, middle)
            lines.append(stored)
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        self._torn = True  # until it is known where the file ends: Ctrl-C may come between any two steps
        self._write(data)
        self.at = Position(at.segment, at.offset + len(data), sequence, chain)
        self._torn = False

    def roll(self) -> None:
        """Close this segment and begin the next; the caller has sealed it."""
        self.sync(self.at.sequence)  # all is durable then, so nobody is flushing the old file any more
        at = Position(self.at.segment + 1, 0, self.at.sequence, self.at.chain)
        path = segment.path_of(self.ledger, at.segment)
        before, self._path = self._fd, path
        self._fd = self._open()
        self.at = at
        os.close(before)
        _flush_folder(path.parent)

    def sync(self, sequence: int) -> None:
        """Return once the record `sequence` is durable. One flushes for all who came meanwhile, then hands over.

        Each who waits has a lock of his own to wake up on: one Condition for all makes 32 writers 1.3 times slower.
        """
        if self._durable >= sequence:
            return
        waiting: threading.Lock | None = None
        with self._gate:
            if self._durable >= sequence:
                return
            self._unfailed()
            if self._leading:
                waiting = threading.Lock()
                waiting.acquire()
                self._waiters.append((sequence, waiting))
            self._leading = True
        if waiting is not None:
            self._wait(sequence, waiting)
            if self._durable >= sequence:
                return
            self._unfailed()
        self._lead()

    @property
    def durable(self) -> int:
        """The last record known to be durable."""
        return self._durable

    def close(self) -> None:
        """Let go of the file; what is written stays written."""
        fd, self._fd = self._fd, -1
        self.failed = self.failed or f"{self.ledger}: this ledger was closed. Open it again to go on."
        if fd >= 0:
            os.close(fd)

    def _wait(self, sequence: int, waiting: threading.Lock) -> None:
        try:
            waiting.acquire()
        except BaseException:  # interrupted: if it is our turn to lead, it has to be somebody else's
            with self._gate:
                mine = (sequence, waiting)
                if mine in self._waiters:
                    self._waiters.remove(mine)
                elif self._durable < sequence:
                    self._release(self._durable)
            raise

    def _lead(self) -> None:
        target, error = self.at.sequence, None
        try:
            _flush(self._fd)
        except OSError as caught:
            error = caught
        except BaseException:
            with self._gate:
                self._release(self._durable)
            raise
        with self._gate:
            if error is None:
                self._durable = target
            else:
                self.failed = _unkept(self._path, error)
            self._release(target)
        if error is not None:
            raise StoreError(self.failed) from error

    def _release(self, target: int) -> None:
        """Wake who is served or refused, and the next to lead; under the gate."""
        served = [waiting for sequence, waiting in self._waiters if sequence <= target or self.failed]
        self._waiters = [pair for pair in self._waiters if pair[0] > target and not self.failed]
        self._leading = bool(self._waiters)
        if self._leading:
            served.append(self._waiters.pop(0)[1])
        for waiting in served:
            waiting.release()

    def _unfailed(self) -> None:
        if self.failed:
            raise StoreError(self.failed)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            return os.open(self._path, flags, 0o600)
        except OSError as error:
            raise StoreError(unwritable(self._path, error)) from error

    def _usable(self) -> None:
        self._unfailed()
        if self._torn:
            self._take_back()

    def _write(self, data: bytes) -> None:
        try:
            done = os.write(self._fd, data)
            while done < len(data):  # a nearly full disk takes part of it, then says why at the next write
                done += os.write(self._fd, data[done:])
        except OSError as error:
            self._take_back()
            raise StoreError(unwritable(self._path, error)) from error

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._fd, self.at.offset)
        except OSError as error:
            raise StoreError(unwritable(self._path, error)) from error
        self._torn = False


def unwritable(path: Path, error: OSError) -> str:
    """Reason, place and remedy for a file that cannot be written."""
    return f"{path}: cannot be written: {error.strerror or error}. {_remedy(error)}"


def _unkept(path: Path, error: OSError) -> str:
    # After a failed flush the kernel may drop the pages and call the next flush a success: nothing is trusted then.
    return (
        f"{path}: the disk did not keep what was written ({error.strerror}). "
        "Check the disk, then open the ledger again: it will go on from what is really there."
    )


def _remedy(error: OSError) -> str:

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space or move the ledger to a larger disk; nothing recorded so far is lost."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Make the directory writable for this user, or name another ledger."
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return "A file stands where a directory should be. Move it away, or name another ledger."
    if error.errno == errno.EFBIG:
        return "Raise the file size limit of this process, or lower limits.segment_mb."
    return "Check the disk and the directory, then try again."


def _flush_folder(folder: Path) -> None:
    # A new file's name is durable only once its folder is; Windows cannot and need not do this.
    if sys.platform != "win32":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
