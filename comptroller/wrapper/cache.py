"""The cache: whole replies in the memory of this process, within bounds, as they came from the provider.

What is kept is the provider's own bytes, so that guards, rules and the tool boundary judge them anew each time.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from comptroller.core.clock import Clock
from comptroller.core.forks import lock_over_forks

_TURN = lock_over_forks()  # one for all: what it guards takes microseconds
FRACTION = 8  # one reply may take this part of all the room, no more
OVERHEAD = 512  # bytes an entry costs beside its reply


@dataclass(frozen=True, slots=True)
class Kept:
    """A reply as the provider gave it."""

    call: str  # the call whose reply it is
    headers: Mapping[str, str]
    data: bytes
    at_ns: int


class Cache:
    """Replies by the digest of whose request they answer; the one not asked for longest goes first."""

    def __init__(self, most_bytes: int, clock: Clock) -> None:
        self._most, self._clock = most_bytes, clock
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._bytes = 0
        self._erasures = 0

    def find(self, key: bytes, for_ns: int, erasures: int) -> Kept | None:
        """The reply kept for a request, unless it is older than is said now or a subject was erased since."""
        with _TURN:
            self._look(erasures)
            found = self._kept.get(key)
            if found is None:
                return None
            if self._clock.monotonic_ns() - found.at_ns >= for_ns:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return found

    def keep(self, key: bytes, kept: Kept, erasures: int) -> None:
        """Keep a reply; `erasures` is how many there had been when its request was made."""
        size = _size(kept)
        with _TURN:
            if size > self._most // FRACTION or erasures < self._erasures:
                return
            self._drop(key)
            self._kept[key] = kept
            self._bytes += size
            while self._bytes > self._most:
                self._drop(next(iter(self._kept)))

    @property
    def room(self) -> int:
        """The largest reply that is kept."""
        return self._most // FRACTION - OVERHEAD

    def __len__(self) -> int:
        return len(self._kept)

    def _look(self, erasures: int) -> None:
        """Whoever is erased leaves no reply here. Erasures are rare, and what is dropped comes back when asked for."""
        if erasures > self._erasures:
            self._erasures = erasures
            self._kept.clear()
            self._bytes = 0

    def _drop(self, key: bytes) -> None:
        gone = self._kept.pop(key, None)
        self._bytes -= _size(gone) if gone is not None else 0


def _size(kept: Kept) -> int:
    return len(kept.data) + OVERHEAD
