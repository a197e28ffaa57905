"""The facts of a few kinds as they come, from whatever ledger a desk has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from comptroller.core.facts import Fact
from comptroller.office.follower import START, Follower
from comptroller.testing.memory import MemoryLedger
from comptroller.wrapper.desk import Desk


class Feed(Protocol):
    """Reads on from where it was."""

    @property
    def grown(self) -> bool: ...
    def intact(self) -> bool: ...
    def restart(self) -> None: ...
    def read(self) -> Iterator[Fact]: ...


class JournalFeed(Follower):
    """The journal of a ledger on disk."""

    def restart(self) -> None:
        """Begin again."""
        self.go(START)


class MemoryFeed:
    """The facts of a ledger in memory, for tests."""

    def __init__(self, ledger: MemoryLedger, kinds: str) -> None:
        self._ledger, self._kinds, self._read = ledger, kinds, 0

    @property
    def grown(self) -> bool:
        return len(self._ledger.facts) > self._read

    def intact(self) -> bool:
        return True

    def restart(self) -> None:
        self._read = 0

    def read(self) -> Iterator[Fact]:
        while self._read < len(self._ledger.facts):
            fact = self._ledger.facts[self._read]
            self._read += 1
            if fact.kind.startswith(self._kinds):
                yield fact


def feed_of(desk: Desk, kinds: str) -> Feed:
    """The facts of a desk's ledger whose kind begins with `kinds`."""
    if isinstance(desk.ledger, MemoryLedger):
        return MemoryFeed(desk.ledger, kinds)
    return JournalFeed(Path(desk.settings.ledger), kinds)
