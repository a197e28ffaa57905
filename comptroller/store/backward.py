"""The journal read from its end: the newest records first, a page at a time, with no index."""

from collections.abc import Iterator
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO

from comptroller.store import segment

_HEAD = b'{"n":'
_NUMBER = 64  # bytes in which a record's number ends
_PIECE = 1 << 18  # bytes read at a time


def backward(ledger: Path, before: int = 0) -> Iterator[tuple[int, bytes]]:
    """Stored lines, the newest first, with their segments; only those before a record, where its number is said.

    Half a record at the very end is left out. Nothing is checked here: that is the audit's.
    """
    for number in reversed(segment.numbers(ledger)):
        path = segment.path_of(ledger, number)
        if before and _first(path) >= before:
            continue
        with path.open("rb") as file:
            for stored in _lines(file, _end(file, before)):
                if not before or number_of(stored) < before:
                    yield number, stored


def _end(file: BinaryIO, before: int) -> int:
    """Where the lines before a record end: numbers rise, so half of what is left is left out at each look."""
    low, high = 0, file.seek(0, SEEK_END)
    if not before:
        return high
    while high - low > _PIECE:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()  # the rest of a line
        place = file.tell()
        if place < high and number_of(file.readline(_NUMBER)) < before:
            low = place
        else:
            high = middle
    file.seek(low)
    for stored in file:
        if number_of(stored) >= before or not stored.endswith(b"\n"):
            break
        low += len(stored)
    return low


def _lines(file: BinaryIO, end: int) -> Iterator[bytes]:
    """The whole lines up to a place, the last first."""
    rest, whole = b"", False
    while end:
        size = min(_PIECE, end)
        end -= size
        file.seek(end)
        first, *lines = (file.read(size) + rest).split(b"\n")
        if lines and not whole:
            lines.pop()  # what follows the last end of a line
            whole = True
        yield from reversed(lines)
        rest = first
    if whole:
        yield rest


def number_of(stored: bytes) -> int:
    """The sequence number of a stored line; 0 for what is no record."""
    said = stored[len(_HEAD) : stored.find(b",")] if stored.startswith(_HEAD) else b""
    return int(said) if said.isdigit() else 0


def _first(path: Path) -> int:
    with path.open("rb") as file:
        return number_of(file.readline(_NUMBER))
