"""Proving records of a journal of any length while somebody waits: the tree over it is kept at hand and grows along."""

import contextlib
import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from comptroller.office import inclusion
from comptroller.store import journal
from comptroller.store.hashtree import HashTree, Stale

SLICE = 20_000  # records read before others have their turn: some 60 ms
MOST = 10 * SLICE  # records read while somebody waits
log = logging.getLogger("comptroller.audit")


@dataclass(frozen=True, slots=True)
class Proof:
    """That a line is one of so many: the hashes beside its way to the root of the tree over all of them."""

    records: int
    root: bytes
    leaf: bytes
    path: tuple[bytes, ...]
    holds: bool


class Prover:
    """One for a process and a ledger. Thread-safe."""

    def __init__(self, ledger: Path) -> None:
        self._ledger, self._tree = ledger, HashTree.open(ledger)
        self._turn = threading.Lock()
        self._trouble = ""

    def grow(self, most: int = SLICE) -> bool:
        """Take in some of what is new, and keep it; False where there is more to take in."""
        with self._turn:
            return self._grown(most)

    def prove(self, sequence: int, stored: bytes) -> Proof | None:
        """The proof of a record's line; None where so much is new that nobody should wait for it."""
        with self._turn:
            tree = self._tree
            if tree is None or not self._grown(MOST):
                return None
            leaf = inclusion.leaf(stored)
            try:
                path = tree.path(sequence - 1) if sequence <= tree.size else None
            except (Stale, journal.Broken):  # made anew, it tells what is there now, or where that is not sound
                log.warning("The tree beside the journal is not that of its records. See `comptroller audit verify`.")
                tree.forget()
                if not self._grown(MOST):
                    return None
                path = tree.path(sequence - 1) if sequence <= tree.size else None
            root = tree.root
            holds = path is not None and inclusion.climb(leaf, sequence - 1, tree.size, path) == root
            return Proof(tree.size, root, leaf, tuple(path or ()), holds)

    def _grown(self, most: int) -> bool:
        tree = self._tree
        if tree is None:
            return True
        try:
            done = tree.grow(most)
            with contextlib.suppress(OSError):  # what is kept only saves reading
                tree.save()
        except (journal.Broken, OSError) as error:  # as far as it goes; the check says what is wrong and where
            if str(error) != self._trouble:
                log.error("The tree over the journal cannot grow: %s", error)
            self._trouble, done = str(error), True
        return done
