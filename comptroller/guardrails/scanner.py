"""All patterns of the built-in guards in one scan: Hyperscan says where to look, `re` and the checks decide."""

import os
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from comptroller.core.forks import LOADING
from comptroller.guardrails import database, privacy, secrets
from comptroller.guardrails.pattern import Pattern, nothing
from comptroller.guardrails.redact import Spot

BUILT_IN = (secrets.GUARD, privacy.GUARD)
PATTERNS: tuple[Pattern, ...] = (*secrets.PATTERNS, *privacy.PATTERNS)
BLOCK = 65_536  # a text is scanned in blocks, so that the time limit is looked at between them
OVERLAP = 256  # no trigger is longer

# Spaces and dashes that typesetters put into numbers. One character for one: offsets stay what they were.
_ODD = re.compile("[\u00a0\u2007-\u2015\u202f\u205f\u2212\u3000]")
_PLAIN = {ord(c): " " for c in "\u00a0\u2007\u2008\u2009\u200a\u202f\u205f\u3000"} | {
    ord(c): "-" for c in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
}


def plain(text: str) -> str:
    """The text as patterns see it."""
    return text if text.isascii() or not _ODD.search(text) else text.translate(_PLAIN)


def _note(number: int, start: int, end: int, flags: int, hits: list[tuple[int, int]]) -> None:
    # A module-level name, because the extension keeps no reference to its callback.
    hits.append((number, end))


class Scanner:
    """The database, loaded on first use and shared by all threads; each has its own scratch space."""

    def __init__(self, patterns: Sequence[Pattern] = PATTERNS) -> None:
        self.patterns = tuple(patterns)
        self._database: Any = None
        self._lock = threading.Lock()
        self._local = threading.local()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # whoever held it does not exist here

    def load(self) -> Any:
        """This thread's scratch space, after the database has been read or compiled."""
        with self._lock, LOADING:
            if self._database is None:
                self._database = database.load(self.patterns)
            import hyperscan

        self._local.scratch = hyperscan.Scratch(self._database)
        return self._local.scratch

    def size(self) -> int:
        """Bytes of the database, once loaded."""
        return int(self._database.size()) if self._database is not None else 0

    def warm(self) -> threading.Thread:
        """Load in the background, with the libraries that checks need; join the thread to wait for it."""
        thread = threading.Thread(target=self._warm, name="comptroller-scanner", daemon=True)
        thread.start()
        return thread

    def _warm(self) -> None:
        self.load()
        with LOADING:
            import phonenumbers  # noqa: F401
            import stdnum.util  # noqa: F401

    def hits(self, text: str) -> list[tuple[int, int]]:
        """Which triggers end where, in characters: every character that is not ASCII becomes one `?`."""
        found: list[tuple[int, int]] = []
        scratch = getattr(self._local, "scratch", None) or self.load()
        self._database.scan(text.encode("ascii", "replace"), _note, 0, found, scratch)
        return found

    def find(self, text: str, guards: frozenset[str], tick: Callable[[], None] = nothing, skip: int = 0) -> list[Spot]:
        """Every confirmed place of these guards' patterns that begins at or after `skip`; overlaps are not resolved."""
        text = plain(text)
        if len(text) <= BLOCK:
            return self.confirm(text, self.hits(text), guards, skip, tick=tick)
        spots: list[Spot] = []
        done: dict[int, int] = {}
        for begin in range(0, len(text), BLOCK):
            tick()
            near = max(0, begin - OVERLAP)
            hits = [(n, end + near) for n, end in self.hits(text[near : begin + BLOCK]) if end + near > begin]
            spots += self.confirm(text, hits, guards, skip, done, tick)
        return spots

    def confirm(
        self,
        text: str,
        hits: Sequence[tuple[int, int]],
        guards: frozenset[str],
        skip: int = 0,
        done: dict[int, int] | None = None,
        tick: Callable[[], None] = nothing,
    ) -> list[Spot]:
        """Decide about hits. `done` remembers, from block to block, up to where each open pattern has swallowed."""
        if not hits:
            return []
        ends: dict[int, list[int]] = {}
        for number, end in hits:
            ends.setdefault(number, []).append(end)
        spots: list[Spot] = []
        for number, where in ends.items():
            pattern = self.patterns[number]
            if pattern.guard not in guards:
                continue
            begun = max(skip, done.get(number, 0)) if done is not None else skip
            found = pattern.find(text, sorted(where), begun, tick)
            spots += [Spot(start, end, number, pattern.guard, pattern.kind) for start, end in found]
            if done is not None and found and pattern.run:
                done[number] = found[-1][1]
        return spots


SCANNER = Scanner()
