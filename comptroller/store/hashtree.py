"""The Merkle tree over the journal's lines (RFC 9162), kept beside it so that a proof needs a thousand of them at most.

What is kept is one hash for each whole block of records, with the place behind it: a file of less than a thousandth of
the journal. What lies below is made anew from the block's own lines, whose chain is checked on the way, and what lies
above from the blocks. The file only saves reading: what does not stand beside the journal it was made from is made
anew. Whoever writes to it writes the same bytes at the same place, so nobody needs a turn.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from pathlib import Path

from comptroller.store import journal
from comptroller.store.segment import Position

FILE = "journal.tree"
HEIGHT = 10  # levels within a block
BLOCK = 1 << HEIGHT
LEAF, NODE = b"\x00", b"\x01"
_MARK = b"comptroller tree 1\n"
_ENTRY = struct.Struct(">32s32sIQ")  # the block's hash; the chain, the segment and the offset behind it


def leaf(line: bytes) -> bytes:
    """The hash of one line."""
    return hashlib.sha256(LEAF + line).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two beside one another."""
    return hashlib.sha256(NODE + left + right).digest()


def above(level: Sequence[bytes]) -> list[bytes]:
    """The level above; an odd one out moves up as it is."""
    pairs = [node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


class HashTree:
    """The tree as far as it has read. Used by one thread at a time."""

    def __init__(self, ledger: Path, begun: Position) -> None:
        self._ledger, self._begun, self.at = ledger, begun, begun
        self._places: list[Position] = []  # behind each whole block
        self._levels: list[list[bytes]] = []  # whole nodes, from the blocks upwards
        self._leaves: list[bytes] = []  # of the open end
        self._saved = 0  # blocks that are in the file

    @classmethod
    def open(cls, ledger: Path) -> "HashTree | None":
        """The tree of a ledger, as far as it was kept; None where there is no ledger."""
        begun = journal.begin(ledger)
        if begun is None:
            return None
        tree = cls(ledger, begun)
        tree._load()
        return tree

    @property
    def size(self) -> int:
        """How many records it stands over."""
        return self.at.sequence

    @property
    def root(self) -> bytes:
        """What all of it comes to."""
        return self._upper(len(self._levels)) if self.size else hashlib.sha256(b"").digest()

    def grow(self, most: int) -> bool:
        """Take in what is new, so many records at most; False where there is more. Raises journal.Broken."""
        if not journal.stands(self._ledger, self.at):
            self.forget()
        taken = 0
        for place, stored in islice(journal.walk(self._ledger, self.at), most):
            self._leaves.append(leaf(stored))
            self.at, taken = place, taken + 1
            if len(self._leaves) == BLOCK:
                self._add(_root(self._leaves), place)
                self._leaves = []
        return taken < most

    def path(self, index: int) -> list[bytes]:
        """The hashes beside the way from a leaf to the root."""
        return self.proof([index])

    def proof(self, indexes: Iterable[int]) -> list[bytes]:
        """The hashes beside the ways of several leaves to the root, each once, in the order they are needed."""
        steps: list[list[bytes]] = [[] for _ in range(HEIGHT)]
        blocks = {number: set(each) for number, each in groupby(sorted(set(indexes)), lambda index: index >> HEIGHT)}
        for number, within in blocks.items():
            for place, found in zip(
                steps, _beside({index % BLOCK for index in within}, self._block(number)), strict=True
            ):
                place += found
        return [*chain.from_iterable(steps), *self._over(set(blocks))]

    def save(self) -> None:
        """Keep what was added; raises OSError."""
        if len(self._places) == self._saved:
            return
        path = self._ledger / FILE
        fresh = not self._saved
        with path.open("wb" if fresh else "r+b") as file:
            if fresh:
                path.chmod(0o600)
                file.write(self._head)
            file.seek(len(self._head) + self._saved * _ENTRY.size)
            file.write(b"".join(self._entry(number) for number in range(self._saved, len(self._places))))
        self._saved = len(self._places)

    def forget(self) -> None:
        """Begin anew: what was read is not what is there."""
        self.at, self._saved = self._begun, 0
        self._places, self._levels, self._leaves = [], [], []

    # -- blocks and what lies above them

    def _add(self, root: bytes, behind: Position) -> None:
        self._places.append(behind)
        level, made = 0, root
        while True:
            if level == len(self._levels):
                self._levels.append([])
            row = self._levels[level]
            row.append(made)
            if len(row) % 2:
                return
            level, made = level + 1, node(row[-2], row[-1])

    def _over(self, wanted: set[int]) -> Iterator[bytes]:
        """The hashes beside the ways from blocks to the root."""
        level, count = 0, -(-self.size // BLOCK)
        while count > 1:
            row = self._levels[level] if level < len(self._levels) else []
            for index in sorted({index ^ 1 for index in wanted} - wanted):
                if index < count:
                    yield row[index] if index < len(row) else self._upper(level)
            wanted, level, count = {index // 2 for index in wanted}, level + 1, (count + 1) // 2

    def _upper(self, level: int) -> bytes:
        """The last node of a level above the blocks, where nothing whole is: what the open end comes to there."""
        ragged = _root(self._leaves) if self._leaves else b""
        for row in self._levels[:level]:
            if len(row) % 2:
                ragged = node(row[-1], ragged) if ragged else row[-1]
        return ragged

    def _block(self, number: int) -> list[list[bytes]]:
        """The levels of one block, from its own lines."""
        leaves = self._leaves
        if number < len(self._places):
            lines = islice(journal.walk(self._ledger, self._before(number)), BLOCK)
            leaves = [leaf(stored) for _, stored in lines]
        levels = [leaves]
        while len(levels[-1]) > 1:
            levels.append(above(levels[-1]))
        if number < len(self._places) and levels[-1] != [self._levels[0][number]]:
            raise Stale
        return levels

    def _before(self, number: int) -> Position:
        return self._places[number - 1] if number else self._begun

    # -- the file

    @property
    def _head(self) -> bytes:
        return _MARK + bytes.fromhex(self._begun.chain)

    def _entry(self, number: int) -> bytes:
        place = self._places[number]
        return _ENTRY.pack(self._levels[0][number], bytes.fromhex(place.chain), place.segment, place.offset)

    def _load(self) -> None:
        try:
            data = (self._ledger / FILE).read_bytes()
        except OSError:
            return
        if data.startswith(self._head):
            for root, behind in _entries(data[len(self._head) :]):
                self._add(root, behind)
            self.at = self._before(len(self._places))
            self._saved = len(self._places)
        if not journal.stands(self._ledger, self.at):
            self.forget()


class Stale(Exception):
    """What was kept is not of the lines that are there: the journal was replaced, or the file is damaged."""


def _beside(wanted: set[int], levels: Sequence[Sequence[bytes]]) -> Iterator[list[bytes]]:
    """The hashes beside the ways of leaves to the top of their block, level by level."""
    for level in range(HEIGHT):
        row = levels[level] if level < len(levels) else ()
        yield [row[index] for index in sorted({index ^ 1 for index in wanted} - wanted) if index < len(row)]
        wanted = {index // 2 for index in wanted}


def _root(leaves: Sequence[bytes]) -> bytes:
    while len(leaves) > 1:
        leaves = above(leaves)
    return leaves[0]


def _entries(data: bytes) -> Iterator[tuple[bytes, Position]]:
    whole = len(data) // _ENTRY.size * _ENTRY.size  # half an entry at the end was being written
    for number, (root, head, at, offset) in enumerate(_ENTRY.iter_unpack(data[:whole])):
        yield root, Position(at, offset, (number + 1) * BLOCK, head.hex())
