"""Following the facts of a few kinds through the journal, without parsing those of every other kind."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.store import segment

CHUNK = 1 << 20
_SEEN = 67  # bytes before the place reached: a line's end with its chain hash, which no other line has


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the journal behind a whole record, and the bytes that end there."""

    segment: int
    offset: int
    before: bytes


START = Place(1, 0, b"")


class Follower:
    """Reads on from where it was, through closed segments into the growing one; needs no lock.

    Only a whole line counts, and only its head says its kind: what an agent wrote into a fact's data looks at most
    like a kind inside the line. Looking for one kind takes a sixth of what reading every fact takes
    (`benchmarks/keys.py`); the proof of the chain is `audit verify`'s work.
    """

    def __init__(self, ledger: Path, *kinds: str, having: bytes = b"") -> None:
        """Follow the kinds that begin so; with `having` only records that have these bytes somewhere are read."""
        self._ledger, self._having = ledger, having
        self._needle = b',"k":"' + (kinds[0].encode() if len(kinds) == 1 else b"")
        wanted = b"|".join(re.escape(kind.encode()) for kind in kinds)
        self._head = re.compile(rb'\{"n":\d+,"k":"(?:' + wanted + b")")
        self.go(START)

    @property
    def place(self) -> Place:
        """How far it has read."""
        return Place(self._segment, self._offset, self._before)

    def go(self, place: Place) -> None:
        """Go on from another place; `intact` says whether it is still there."""
        self._segment, self._offset, self._before = place.segment, place.offset, place.before
        self._sound: tuple[int, ...] = ()  # the file as it was when what was read still stood there

    @property
    def grown(self) -> bool:
        """True where there is something new, or the journal is not the one that was read."""
        return self._size() != self._offset or segment.path_of(self._ledger, self._segment + 1).exists()

    @property
    def behind(self) -> int:
        """Bytes to read, as far as this segment goes; -1 where there is another behind it."""
        if segment.path_of(self._ledger, self._segment + 1).exists():
            return -1
        return max(self._size() - self._offset, 0)

    def intact(self) -> bool:
        """False where the journal was cut or replaced behind our back: what was read has to be read again."""
        if not self._offset:
            return True
        path = segment.path_of(self._ledger, self._segment)
        try:
            found = path.stat()
            mark = (self._offset, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if mark == self._sound:  # nobody wrote there: a look at a page asks this for each of its links
                return True
            with path.open("rb") as file:
                file.seek(self._offset - len(self._before))
                sound = file.read(len(self._before)) == self._before
        except OSError:
            return False
        self._sound = mark if sound else ()
        return sound

    def read(self) -> Iterator[Fact]:
        """The facts of our kinds that came since the last time."""
        while True:
            # Asked before reading to the end: a segment that has a later one grows no more.
            closed = segment.path_of(self._ledger, self._segment + 1).exists()
            yield from self._rest()
            if not closed:
                return
            self._segment, self._offset, self._before = self._segment + 1, 0, b""

    def _size(self) -> int:
        try:
            return segment.path_of(self._ledger, self._segment).stat().st_size
        except OSError:
            return -1  # reading says what is wrong, if anything is

    def _rest(self) -> Iterator[Fact]:
        path = segment.path_of(self._ledger, self._segment)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            if segment.numbers(self._ledger):
                raise StoreError(f"{path}: the segment is missing. Restore it from a backup.") from None
            return
        except OSError as error:
            raise StoreError(f"{path}: cannot be read: {error.strerror}. Run as the user the ledger is of.") from error
        with file:
            file.seek(self._offset)
            open_line = b""
            while piece := file.read(CHUNK):
                data = open_line + piece
                end = data.rfind(b"\n") + 1
                open_line = data[end:]
                if end:
                    facts = list(self._found(data, end, path))  # before moving on: what cannot be read is not passed
                    self._before = (self._before + data[max(0, end - _SEEN) : end])[-_SEEN:]
                    self._offset += end
                    yield from facts

    def _found(self, data: bytes, end: int, path: Path) -> Iterator[Fact]:
        at = data.find(self._needle, 0, end)
        while at >= 0:
            start = data.rfind(b"\n", 0, at) + 1
            stop = data.index(b"\n", at)
            if self._head.match(data, start, stop) and data.find(self._having, start, stop) >= 0:
                yield _fact(data[start:stop], path)
            at = data.find(self._needle, stop, end)


def _fact(line: bytes, path: Path) -> Fact:
    try:
        return segment.parse(line).fact()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{path}: a record cannot be read: {error}. See how far the journal goes with `comptroller audit verify`."
        ) from None
