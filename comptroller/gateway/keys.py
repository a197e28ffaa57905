"""The key ring: which key a caller's secret belongs to, asked with every request."""

import logging
import threading
from hmac import compare_digest
from pathlib import Path
from typing import Protocol

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.office import bookmark
from comptroller.office.follower import START, Follower
from comptroller.office.keys import (
    KINDS,
    LENGTH,
    PREFIX,
    Digest,
    Entry,
    Key,
    Register,
    hash_of,
    is_secret,
    new_secret,
    over,
)

EVERY_NS = 250_000_000  # how late a revocation in another process may arrive
log = logging.getLogger("comptroller.gateway")


class Ring(Protocol):
    """Whoever knows which secret opens which key."""

    @property
    def configured(self) -> bool: ...
    def find(self, secret: str) -> Key | None: ...
    def refresh(self) -> None: ...


class KeyRing:
    """All keys of a ledger by the hash of their secrets; brings itself up to date. Thread-safe.

    A look-up is by the keyed hash: how long it takes tells nothing of a secret, as nobody without the ledger's key
    knows which secrets have hashes alike.
    """

    def __init__(self, ledger: Path, digest: Digest, clock: Clock = SYSTEM) -> None:
        self._ledger, self._digest, self._clock = ledger, digest, clock
        self._follower = Follower(ledger, KINDS)
        self._facts: list[Fact] = []
        self._marked = START
        self._register = Register()
        self._by_hash: dict[str, tuple[Key, int]] = {}
        self._configured = False
        self._turn = threading.Lock()
        self._due = 0
        self._trouble = ""
        self._resume()
        self._catch_up()

    @property
    def configured(self) -> bool:
        """True once a key was issued: neither revoking the last one nor losing the journal opens the door to all."""
        # Until then nobody is asked for a secret, so nobody's look-up would notice the first key.
        if not self._configured and self._clock.monotonic_ns() >= self._due:
            self.refresh()
        return self._configured

    def find(self, secret: str) -> Key | None:
        """The key that a secret opens now; None where it opens none."""
        if self._clock.monotonic_ns() >= self._due:
            self.refresh()
        if len(secret) != LENGTH or not secret.startswith(PREFIX):
            return None
        hash = hash_of(secret, self._digest)
        found = self._by_hash.get(hash)
        if found is None and is_secret(secret):  # given out a moment ago, it may be
            self.refresh()
            found = self._by_hash.get(hash)
        if found is None:
            return None
        key, end = found
        return None if end and over(end, self._clock.now_ns()) else key

    def refresh(self) -> None:
        """Take in what was issued, rotated and revoked meanwhile; a journal that cannot be read leaves all as it is."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._due = self._clock.monotonic_ns() + EVERY_NS
            if self._follower.grown:
                self._catch_up()
            self._trouble = ""
        except StoreError as error:
            if str(error) != self._trouble:  # said once, not four times a second
                log.error("The keys cannot be brought up to date: %s", error)
            self._trouble = str(error)
        finally:
            self._turn.release()

    def _resume(self) -> None:
        """Go on from the bookmark, if there is one and it fits."""
        found = bookmark.load(self._ledger, self._digest)
        if found is None:
            return
        self._follower.go(found[0])
        if self._follower.intact():
            self._marked, self._facts = found
            self._register.fold(self._facts)
            self._index()

    def _catch_up(self) -> None:
        known = len(self._facts)
        if not self._follower.intact():
            self._follower.go(START)
            self._facts, self._register, known = [], Register(), -1
        try:
            for fact in self._follower.read():
                self._facts.append(fact)
                self._register.fold([fact])  # at once: what was read stays read, also where a later record is broken
        finally:
            if len(self._facts) != known:
                self._index()
            self._due = self._clock.monotonic_ns() + EVERY_NS
        if self._follower.place.segment != self._marked.segment:
            self._marked = self._follower.place
            bookmark.save(self._ledger, self._digest, self._marked, self._facts)

    def _index(self) -> None:
        self._by_hash = _by_hash(self._register)
        self._configured = self._configured or bool(self._register.entries)


class PrivateRing:
    """The one key of a private gateway, made for one program and never written down."""

    configured = True

    def __init__(self, key: Key) -> None:
        self.secret = new_secret()
        self._key, self._bytes = key, self.secret.encode()

    def find(self, secret: str) -> Key | None:
        """The key, for whoever knows its secret."""
        return self._key if compare_digest(secret.encode("utf-8", "backslashreplace"), self._bytes) else None

    def refresh(self) -> None:
        """Nothing changes here."""


def _by_hash(register: Register) -> dict[str, tuple[Key, int]]:
    live = [entry for entry in register.entries.values() if not entry.revoked]
    return {hash: (entry.key, _end(entry, end)) for entry in live for hash, end in entry.hashes}


def _end(entry: Entry, end: int) -> int:
    """When a secret stops to work: its own end or the key's, whichever is first; 0 where neither has one."""
    ends = [moment for moment in (end, entry.key.expires) if moment]
    return min(ends, default=0)
