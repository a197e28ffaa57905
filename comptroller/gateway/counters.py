"""Counts that end by themselves: how often something happened within a time that began with the first of it."""

from collections import OrderedDict
from dataclasses import dataclass

from comptroller.core.clock import Clock

MOST = 100_000  # names; beyond that the one that has not been counted for longest is forgotten


@dataclass(slots=True)
class Count:
    """One name's count, and when it starts anew."""

    value: int
    end_ns: int


class Counters:
    """Counts by name. Nothing sweeps them: one that has ended is replaced when it is counted again."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._counts: OrderedDict[str, Count] = OrderedDict()

    def add(self, name: str, amount: int, lasts_ns: int) -> int:
        """Add to a count, which begins anew `lasts_ns` after it began; returns what it has come to. 0 only looks."""
        now = self._clock.monotonic_ns()
        count = self._counts.get(name)
        if count is None or count.end_ns <= now:
            if not amount:
                return 0
            count = self._counts[name] = Count(0, now + lasts_ns)
        count.value += amount
        self._counts.move_to_end(name)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return count.value

    def __len__(self) -> int:
        return len(self._counts)
