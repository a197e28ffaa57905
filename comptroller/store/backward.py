"""The journal read from its end: the newest records first, a page at a time, with no index."""

from collections.abc import Iterator
from pathlib import Path

from comptroller.store import segment

_HEAD = b'{"n":'


def backward(ledger: Path, before: int = 0) -> Iterator[tuple[int, bytes]]:
    """Stored lines, the newest first, with their segments; only those before a record, where its number is said.

    Half a record at the very end is left out. Nothing is checked here: that is the audit's.
    """
    for number in reversed(segment.numbers(ledger)):
        path = segment.path_of(ledger, number)
        if before and _first(path) >= before:
            continue
        whole = path.read_bytes()
        lines = whole[: whole.rfind(b"\n") + 1].splitlines()
        for stored in reversed(lines):
            if not before or number_of(stored) < before:
                yield number, stored


def number_of(stored: bytes) -> int:
    """The sequence number of a stored line; 0 for what is no record."""
    said = stored[len(_HEAD) : stored.find(b",")] if stored.startswith(_HEAD) else b""
    return int(said) if said.isdigit() else 0


def _first(path: Path) -> int:
    with path.open("rb") as file:
        return number_of(file.readline(64))
