"""The roll: who may look at the console now, brought up to date with the journal."""

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from comptroller.core.errors import StoreError
from comptroller.core.facts import KEY_ISSUED, Fact
from comptroller.office import bookmark
from comptroller.office.follower import START, Follower
from comptroller.office.people import KINDS, Digest, Register

BOOKMARK = "people.bookmark"
log = logging.getLogger("comptroller.console")


class Roll:
    """The people of a ledger, and whether it ever gave out a key. Thread-safe.

    `register` is as of the last `refresh`; `now` is as of the journal's end.
    """

    def __init__(self, ledger: Path, digest: Digest) -> None:
        self._ledger, self._digest = ledger, digest
        self._people, self._keys = Follower(ledger, KINDS), Follower(ledger, KEY_ISSUED)
        self._facts: list[Fact] = []
        self._marked = START
        self._turn = threading.Lock()
        self._trouble = ""
        self.register, self.keyed = Register(), False
        self._resume()
        self.now()

    def now(self) -> Register:
        """The people, with all that is on record by now; StoreError where it cannot be read."""
        with self._turn:
            if not self._people.intact():
                self._people.go(START)
                self._facts, self.register = [], Register()
            if self._people.grown:
                self._take(self._people.read())
            if not self.keyed and self._keys.grown:
                self.keyed = any(True for _ in self._keys.read())
            return self.register

    def refresh(self) -> None:
        """The same, where a journal that cannot be read leaves all as it is."""
        try:
            self.now()
            self._trouble = ""
        except StoreError as error:
            if str(error) != self._trouble:
                log.error("Who may look cannot be brought up to date: %s", error)
            self._trouble = str(error)

    def _resume(self) -> None:
        known = bookmark.load(self._ledger, self._digest)
        if known is not None:  # the keys', which the gateway keeps
            self.keyed = any(fact.kind == KEY_ISSUED for fact in known[1])
            self._keys.go(known[0])
            if not self._keys.intact():
                self._keys.go(START)
        found = bookmark.load(self._ledger, self._digest, BOOKMARK)
        if found is None:
            return
        self._people.go(found[0])
        if self._people.intact():
            self._marked = found[0]
            self._take(found[1])

    def _take(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self._facts.append(fact)
            self.register.fold([fact])
        if self._people.place.segment != self._marked.segment:
            self._marked = self._people.place
            bookmark.save(self._ledger, self._digest, self._marked, self._facts, BOOKMARK)
