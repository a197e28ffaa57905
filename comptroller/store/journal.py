"""Reading the journal, without a lock and beside a live owner: facts in order, and the proof that none was touched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

import msgspec

from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.store import folder, segment
from comptroller.store.keys import Keys, open_keys
from comptroller.store.segment import Position

__all__ = ["Fault", "Position", "Verification", "begin", "read", "stands", "verify", "walk"]

_LAST = 4096  # bytes in which a seal fits, the last record of a segment


@dataclass(frozen=True, slots=True)
class Fault:
    """The first record that is not what was written."""

    segment: int
    offset: int
    sequence: int
    reason: str

    def __str__(self) -> str:
        return f"segment {self.segment:08d}, byte {self.offset}, record {self.sequence}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of the whole chain found."""

    head: Position  # the last good record
    segments: int
    seals: int
    sealed: int  # the last record that a seal vouches for
    keyed: bool  # False: no master key at hand, so seals were not checked
    torn: int  # bytes behind the last newline: a record that was never acknowledged
    fault: Fault | None

    @property
    def ok(self) -> bool:
        return self.fault is None

    @property
    def records(self) -> int:
        return self.head.sequence


class Broken(Exception):
    """A fault on the way; for whoever walks to report."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def read(path: str | Path, after: Position | None = None) -> Iterator[tuple[Position, Fact]]:
    """Every fact behind `after`, with the place behind it; stops at a torn tail, raises StoreError at a fault."""
    ledger = Path(path)
    at = after or begin(ledger)
    if at is None:
        return
    try:
        _check_place(ledger, at)
        for place, stored in walk(ledger, at):
            yield place, _fact(place, stored)
    except Broken as broken:
        raise StoreError(
            f"{segment.path_of(ledger, broken.fault.segment)}: {broken.fault}. "
            "See how far it goes with `comptroller audit verify`; restore the segment from a backup."
        ) from None


def verify(path: str | Path, heed: Callable[[Position, bytes], None] | None = None) -> Verification:
    """Check every record's hash, number and place in the chain over the stored bytes, and every seal.

    `heed` is shown each good record with the place behind it.
    """
    ledger = Path(path)
    at = begin(ledger)
    if at is None:
        raise StoreError(f"{ledger}: there is no ledger. Name one with --ledger.")
    return _Check(ledger, at, heed).run()


def begin(ledger: Path) -> Position | None:
    """The place before the first record; None where there is no ledger."""
    label = folder.label(ledger)
    return Position(1, 0, 0, segment.genesis(label.id)) if label else None


def newest(ledger: Path) -> Position:
    """The place before the first record of the newest segment, by what the segment before it ends with."""
    number = (segment.numbers(ledger) or [1])[-1]
    begun = begin(ledger)
    if number == 1 or begun is None:
        return begun or Position(1, 0, 0, "")
    before = segment.path_of(ledger, number - 1)
    try:
        with before.open("rb") as file:
            file.seek(max(0, before.stat().st_size - _LAST))
            stored = file.read().rstrip(b"\n").rpartition(b"\n")[2]
            return Position(number, 0, segment.parse(stored).n, segment.hash_of(stored))
    except FileNotFoundError:
        raise Broken(Fault(number - 1, 0, 0, "the segment is missing")) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Broken(Fault(number - 1, 0, 0, "the segment does not end with a whole record")) from None


def walk(ledger: Path, at: Position) -> Iterator[tuple[Position, bytes]]:
    """Each stored line behind `at` with the place behind it, its hash and number checked; raises Broken."""
    while True:
        # Asked before reading to the end: a segment that has a later one grows no more.
        closed = any(number > at.segment for number in segment.numbers(ledger))
        for place, stored in _lines(ledger, at):
            yield place, stored
            at = place
        if not closed:
            return
        if torn_bytes(ledger, at):
            raise Broken(Fault(at.segment, at.offset, at.sequence + 1, "a closed segment ends in half a record"))
        at = Position(at.segment + 1, 0, at.sequence, at.chain)


def torn_bytes(ledger: Path, at: Position) -> int:
    """How many bytes lie behind `at` in its segment."""
    path = segment.path_of(ledger, at.segment)
    return path.stat().st_size - at.offset if path.exists() else 0


def _lines(ledger: Path, at: Position) -> Iterator[tuple[Position, bytes]]:
    number, offset, sequence, chain = at.segment, at.offset, at.sequence, at.chain
    try:
        file = segment.path_of(ledger, number).open("rb")
    except FileNotFoundError:
        if number > 1 or segment.numbers(ledger):
            raise Broken(Fault(number, 0, sequence + 1, "the segment is missing")) from None
        return
    with file:
        file.seek(offset)
        for whole in file:
            if not whole.endswith(b"\n"):
                return
            stored, sequence = whole[:-1], sequence + 1
            found = segment.hash_of(stored)
            if not found:
                raise Broken(Fault(number, offset, sequence, "is not a whole record"))
            chain = segment.link(chain, stored)
            if chain != found:
                raise Broken(Fault(number, offset, sequence, "its hash does not follow from the record before it"))
            if not stored.startswith(b'{"n":%d,' % sequence):
                raise Broken(Fault(number, offset, sequence, "its number does not follow"))
            offset += len(whole)
            yield Position(number, offset, sequence, chain), stored


def _fact(place: Position, stored: bytes) -> Fact:
    try:
        return segment.parse(stored).fact()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        start = place.offset - len(stored) - 1
        raise Broken(Fault(place.segment, start, place.sequence, f"cannot be read: {error}")) from None


def stands(ledger: Path, at: Position) -> bool:
    """True where the record before that place is still the one that was read there."""
    if not at.offset:
        return True
    try:
        with segment.path_of(ledger, at.segment).open("rb") as file:
            file.seek(max(0, at.offset - 67))
            return file.read(min(67, at.offset)) == at.chain.encode() + b'"}\n'
    except FileNotFoundError:
        return False


def _check_place(ledger: Path, at: Position) -> None:
    if not stands(ledger, at):
        path = segment.path_of(ledger, at.segment)
        raise StoreError(
            f"{path}: record {at.sequence} is not the one that was read here before: the journal was cut or replaced. "
            "Rebuild whatever was filled from it, or restore the journal from a backup."
        )


class _Check:
    """One run over the chain."""

    def __init__(self, ledger: Path, at: Position, heed: Callable[[Position, bytes], None] | None) -> None:
        self.ledger, self.head, self.heed = ledger, at, heed
        self.keys = self._keys()
        self.seals = self.sealed = 0
        self.ends_sealed = False  # the last record seen is a seal

    def run(self) -> Verification:
        fault = None
        try:
            self._walk()
        except Broken as broken:
            fault = broken.fault
        torn = 0 if fault else torn_bytes(self.ledger, self.head)
        segments = self.head.segment if self.head.sequence else 0
        return Verification(self.head, segments, self.seals, self.sealed, bool(self.keys), torn, fault)

    def _walk(self) -> None:
        for place, stored in walk(self.ledger, self.head):
            if place.segment > self.head.segment and not self.ends_sealed:
                raise Broken(Fault(place.segment, 0, place.sequence, "the segment before it is not sealed"))
            self.ends_sealed = stored.startswith(b'{"n":%d,"k":"seal",' % place.sequence)
            if self.ends_sealed:
                self._seal(place, stored)
            self.head = place
            if self.heed:
                self.heed(place, stored)
        newest = segment.numbers(self.ledger)
        if self.head.sequence and newest[-1] > self.head.segment and not self.ends_sealed:
            raise Broken(Fault(newest[-1], 0, self.head.sequence + 1, "the segment before it is not sealed"))

    def _seal(self, place: Position, stored: bytes) -> None:
        mac = _fact(place, stored).data.get("mac")
        if self.keys and not compare_digest(str(mac), self.keys.seal(self.head)):
            start = place.offset - len(stored) - 1
            raise Broken(Fault(place.segment, start, place.sequence, "its seal was not made with this ledger's key"))
        self.seals += 1
        self.sealed = place.sequence

    def _keys(self) -> Keys | None:
        label = folder.label(self.ledger)
        try:
            return open_keys(self.ledger, label.id) if label else None
        except StoreError:
            return None
