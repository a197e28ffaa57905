"""Proof that records are part of a journal: a Merkle tree over its lines (RFC 9162), checked without the journal.

The hash chain proves a line only to who has every line after it. Over the same lines stands a tree whose root is
signed; from a line to the root it takes as many hashes as the number of records has binary digits, and they tell
nothing of what other records say.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from comptroller.store.hashtree import above, leaf, node

__all__ = ["Tree", "climb", "climb_all", "leaf", "node"]


class Tree:
    """The tree over leaves; an odd one out moves up as it is."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels: list[list[bytes]] = [list(leaves)]
        while len(self._levels[-1]) > 1:
            self._levels.append(above(self._levels[-1]))

    @property
    def root(self) -> bytes:
        """What the whole tree comes to."""
        top = self._levels[-1]
        return top[0] if top else hashlib.sha256(b"").digest()

    def proof(self, indexes: Iterable[int]) -> list[bytes]:
        """The hashes beside the ways of several leaves to the root, each once, in the order they are needed."""
        found, wanted = [], set(indexes)
        for level in self._levels[:-1]:
            for index in sorted(wanted):
                if (index ^ 1) < len(level) and (index ^ 1) not in wanted:
                    found.append(level[index ^ 1])
            wanted = {index // 2 for index in wanted}
        return found

    def path(self, index: int) -> list[bytes]:
        """The hashes beside the way from a leaf to the root."""
        found = []
        for level in self._levels[:-1]:
            if (index ^ 1) < len(level):
                found.append(level[index ^ 1])
            index //= 2
        return found


def climb_all(leaves: Mapping[int, bytes], size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that leaves, by their numbers, come to with what `Tree.proof` gave; None where they cannot be one."""
    if not leaves or not all(0 <= index < size for index in leaves):
        return None
    steps, level = iter(proof), dict(leaves)
    while size > 1:
        above: dict[int, bytes] = {}
        for index in sorted(level):
            if index // 2 in above:
                continue
            beside = level.get(index ^ 1) or (next(steps, None) if (index ^ 1) < size else b"")
            if beside is None:
                return None
            left, right = (beside, level[index]) if index & 1 else (level[index], beside)
            above[index // 2] = node(left, right) if beside else level[index]
        level, size = above, (size + 1) // 2
    return level[0] if next(steps, None) is None else None


def climb(start: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a leaf, its number in a tree of so many, and its path come to; None where they cannot be one."""
    if not 0 <= index < size:
        return None
    steps, found = iter(path), start
    while size > 1:
        if (index ^ 1) < size:
            beside = next(steps, None)
            if beside is None:
                return None
            found = node(beside, found) if index & 1 else node(found, beside)
        index, size = index // 2, (size + 1) // 2
    return found if next(steps, None) is None else None
