"""A few connections to whoever keeps the books, shared by the threads of a process that never opens them itself."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from comptroller.core.errors import StoreError
from comptroller.store.enquiry import Asker
from comptroller.store.grammar import BadQuestion
from comptroller.store.wire import Gone

T = TypeVar("T")

MOST = 8  # under way at once: the keeper has a thread for each, and more than its cores only wait there
_PAUSE_S = 0.05


class Askers:
    """Lends an asker for each question. Safe to use from many threads."""

    def __init__(self, ledger: Path, wait_s: float, most: int = MOST) -> None:
        self._ledger, self._wait_s = ledger, wait_s
        self._free = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._idle: list[Asker] = []
        self._closed = False

    def answer(self, ask: Callable[[Asker], T]) -> T:
        """What `ask` makes of the books' keeper, asked again where it left meanwhile; raises StoreError."""
        until = time.monotonic() + self._wait_s
        with self._free:
            while True:
                asker = self._take() or self._connect(until)
                try:
                    found = ask(asker)
                except Gone:
                    asker.close()
                    self._forget()  # they all went to the same keeper
                    self._wait(until, "keeps leaving")
                except BadQuestion:
                    self._give(asker)
                    raise
                except BaseException:
                    asker.close()  # an answer may still be on its way, and would be taken for the next one's
                    raise
                else:
                    self._give(asker)
                    return found

    def close(self) -> None:
        """Let go of the connections; those in use follow as they become free."""
        self._closed = True
        self._forget()

    def _connect(self, until: float) -> Asker:
        while True:
            if self._closed:
                raise StoreError(f"{self._ledger}: this reader was closed.")
            try:
                return Asker(self._ledger)
            except Gone:
                self._wait(until, "is not there")

    def _wait(self, until: float, how: str) -> None:
        if time.monotonic() >= until:
            raise StoreError(
                f"{self._ledger}: the process that keeps the books open {how}. Start it with `comptroller up` or "
                "`comptroller console`; if one of them runs, see what it says."
            )
        time.sleep(_PAUSE_S)

    def _take(self) -> Asker | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give(self, asker: Asker) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(asker)
                return
        asker.close()

    def _forget(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for asker in idle:
            asker.close()
