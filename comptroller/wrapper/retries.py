"""Retries of one run: a client's word that a request is a retry is believed only where it can be true."""

import threading
from collections import OrderedDict

KEPT = 1_024  # requests a run remembers; a retry comes within seconds
MOST = 10  # attempts beyond which somebody counts on not being counted


class Retries:
    """The last requests sent, by their body, and how often each was tried."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tried: OrderedDict[int, int] = OrderedDict()

    def attempt(self, body: bytes, said: int) -> int:
        """Which attempt this is: 0 unless just this body went out before and this is the next try of it."""
        key = hash(body)
        with self._lock:
            tried = self._tried.pop(key, -1)
            attempt = said if 0 < said <= MOST and said == tried + 1 else 0
            self._tried[key] = attempt
            if len(self._tried) > KEPT:
                self._tried.popitem(last=False)
            return attempt

    def forget(self, body: bytes) -> None:
        """This attempt was turned away before it counted, so the next try of it is no retry."""
        with self._lock:
            self._tried.pop(hash(body), None)
