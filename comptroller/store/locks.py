"""Locks between processes: held by the kernel, so that a dead process never holds one.

`flock` belongs to the open file: a child after a fork shares its parent's lock and must only close its copy, because an
unlock there would let go for the parent too, and keeping it open would keep a dead parent's lock alive.
"""

import contextlib
import errno
import os
import sys
from pathlib import Path

from comptroller.core.errors import StoreError
from comptroller.core.forks import left_in_child

SHARES = sys.platform != "win32"  # whether a lock can be shared, so that one process can tell it is alone
_HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}

if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int, shared: bool, wait: bool) -> None:
        # Windows knows no shared byte locks here: a shared lock is none, and who needs to know waits out the grace.
        if not shared:
            os.lseek(fd, 0, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(fd: int, shared: bool, wait: bool) -> None:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


class Lock:
    """A lock on a file, for one process at a time (or, shared, for many)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        _LOCKS.add(self)

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def take(self, shared: bool = False, wait: bool = False) -> bool:
        """Take the lock, or turn one kind into the other; False where somebody else holds it."""
        fresh = self._fd < 0
        if fresh:
            self._fd = self._open()
        try:
            _lock(self._fd, shared, wait)
        except OSError as error:
            self.drop()
            if error.errno in _HELD:
                return False
            raise StoreError(_lockless(self.path, error.strerror or str(error))) from error
        return True

    def drop(self) -> None:
        """Let go by closing, which leaves a parent's or child's copy of the same lock alone."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def prove(self) -> None:
        """Raise StoreError where this file system grants one lock twice: two owners would write over each other."""
        if sys.platform == "win32":
            return
        second = Lock(self.path)
        granted = second.take()
        second.drop()
        if granted:
            raise StoreError(_lockless(self.path, "it grants one lock twice"))

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be opened: {error.strerror}. "
                "Make the ledger's directory writable for this user, or name another ledger."
            ) from error


_LOCKS = left_in_child(Lock.drop)


def _lockless(path: Path, reason: str) -> str:
    return (
        f"{path}: this file system has no locks that hold ({reason}), so two processes could write over each other. "
        "Put the ledger on a local disk: name it with COMPTROLLER_LEDGER or `ledger:` in comptroller.yaml."
    )
