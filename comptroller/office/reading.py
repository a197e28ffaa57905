"""Reading the facts of some kinds on from where one was, out of a ledger on disk or one in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from comptroller.core.clock import Clock
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.office.follower import START, Follower


class Ledger(Protocol):
    """What the work on the books needs of a ledger."""

    def record(self, fact: Fact) -> None: ...
    def sync(self, fact: Fact) -> None: ...


class Desk(Protocol):
    """What the work on the books needs of a desk."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ledger(self) -> Ledger: ...


class Feed:
    """New facts of some kinds. `again` is True where all has to be folded anew: the journal is not the one it was."""

    def __init__(self, desk: Desk, kinds: str) -> None:
        self._kinds = kinds
        self._heap: list[Fact] | None = getattr(desk.ledger, "facts", None)  # of a ledger in memory
        self._seen = 0
        self._follower = None if self._heap is not None else Follower(Path(desk.settings.ledger), kinds)

    @property
    def again(self) -> bool:
        return self._follower is not None and not self._follower.intact()

    def restart(self) -> None:
        """Begin at the first fact again."""
        if self._follower is not None:
            self._follower.go(START)

    def read(self) -> Iterator[Fact]:
        """The facts that came since the last time."""
        if self._follower is not None:
            if self._follower.grown:
                yield from self._follower.read()
            return
        assert self._heap is not None, "a ledger in memory"
        while self._seen < len(self._heap):
            fact = self._heap[self._seen]
            self._seen += 1
            if fact.kind.startswith(self._kinds):
                yield fact
