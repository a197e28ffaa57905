"""The ledger as the call path sees it: admit, record, keep bodies; whoever owns the journal underneath."""

import os
from collections.abc import Sequence
from pathlib import Path

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact, Shortfall
from comptroller.core.settings import Settings
from comptroller.store import folder, recovery, segment
from comptroller.store.bodies import Bodies
from comptroller.store.keys import make_keys, open_keys
from comptroller.store.locks import Lock
from comptroller.store.owner import Owner
from comptroller.store.vault import Vault


class Ledger:
    """One process's hold of a ledger. Thread-safe."""

    def __init__(self, path: Path, settings: Settings, clock: Clock) -> None:
        self._path, self._settings, self._clock = path, settings, clock
        folder.make(path)
        self._lock, self._members = Lock(path / folder.LOCK), Lock(path / folder.MEMBERS)
        if not self._lock.take():
            raise StoreError("held elsewhere")
        self._lock.prove()
        label = folder.label(path) or folder.begin(path, clock)
        self.id = label.id
        make_keys(path, label.id)
        self._keys = open_keys(path, label.id)
        found = recovery.recover(path, label.id)
        self._owner = Owner(path, label.id, self._keys, settings.limits, clock, found)
        self._owner.begin(found, (), True, "0.1.0", os.getpid())
        self._vault = Vault(path, self._keys, clock)
        self._bodies = Bodies(path, self._keys)
        self.local = True

    @classmethod
    def open(cls, path: str | Path, settings: Settings, clock: Clock = SYSTEM) -> "Ledger":
        """Open a ledger, making it where there is none; becomes its owner unless another process is."""
        return cls(Path(path).absolute(), settings, clock)

    def reserve(self, opened: Fact) -> Shortfall | None:
        """Admit a call and write it down in one step; a shortfall says which cap has no room, nothing is written."""
        fact, middle = segment.encode(opened)
        return self._owner.reserve(fact, middle)

    def record(self, fact: Fact) -> None:
        """Write a fact: once this returns, no `kill -9` of anybody loses it."""
        fact, middle = segment.encode(fact)
        self._owner.record(fact, middle)

    def sync(self, fact: Fact) -> None:
        """Write a fact durably: once this returns, no loss of power loses it."""
        self._vault.sync()
        fact, middle = segment.encode(fact)
        self._owner.sync(self._owner.record(fact, middle))

    def renew(self, hold_id: str, lease_ns: int) -> None:
        """Move the end of a live hold's lease (ns since 1970)."""
        self._owner.renew(hold_id, lease_ns)

    def counter(self, key: str, unit: str) -> tuple[int, int]:
        """What an account has settled, and what is held on it."""
        return self._owner.counter(key, unit)

    def keep(self, messages: Sequence[bytes], tenant: str, subject: str) -> list[str]:
        """Store bodies, each once per subject, before the record that names them; returns their digests."""
        return self._vault.keep(messages, tenant, subject)

    def digest(self, data: bytes) -> str:
        """The keyed digest of some bytes: the same everywhere in this ledger, meaningless outside it."""
        return self._keys.digest(data)

    def fetch(self, digest: str) -> bytes | None:
        """A body by its digest; None where it was not kept or was erased."""
        return self._bodies.fetch(digest)

    def close(self) -> None:
        self._owner.close()
        self._vault.close()
        self._members.drop()
        self._lock.drop()
