"""Opening a journal that somebody left, in whatever state: the purse is folded again and a torn tail is cut off."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comptroller.core.errors import StoreError
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXPIRED, HOLD_EXTENDED, RUN_CLOSED, SNAPSHOT
from comptroller.metering.budget import Purse
from comptroller.metering.orders import ORDERED
from comptroller.policies.approvals import FOLDED as ASKED
from comptroller.policies.approvals import Approvals
from comptroller.store import journal, segment
from comptroller.store.segment import Position
from comptroller.store.tail import unwritable

_FOLDED = {CALL_OPENED, CALL_CLOSED, HOLD_EXTENDED, HOLD_EXPIRED, RUN_CLOSED, *ORDERED}
_ENDING = 67  # bytes of a hash, a quote, a brace and a newline


@dataclass(frozen=True, slots=True)
class Found:
    """What an opener found: where the journal ends, the budgets there, and how much of a torn record was cut."""

    at: Position
    purse: Purse
    cut: int
    last_ns: int  # time of the last record
    snapped: int  # where its last segment holds the last snapshot; 0 where it holds none
    approvals: Approvals = field(default_factory=Approvals)


def recover(ledger: Path, ledger_id: str) -> Found:
    """Check and fold everything from the last snapshot on, and cut what follows the last newline."""
    try:
        at, since, last_ns = _check(ledger, _start(ledger, ledger_id))
    except journal.Broken as broken:
        fault = broken.fault
        raise StoreError(
            f"{segment.path_of(ledger, fault.segment)}: {fault}. Nothing is appended behind a damaged record. "
            "Restore this segment from a backup; `comptroller audit verify` says how far the journal is good."
        ) from None
    cut = _cut(ledger, at)
    purse, approvals = _fold(ledger, since)
    snapped = since.offset if since.segment == at.segment else 0
    return Found(at, purse, cut, last_ns, snapped, approvals)


def recent_ids(ledger: Path, most: int, until: Position) -> dict[str, None]:
    """The ids of the last records before `until`, to know a request that was sent twice."""
    ids: dict[str, None] = {}
    for number in reversed(range(1, until.segment + 1)):
        end = until.offset if number == until.segment else None
        found = _ids(segment.path_of(ledger, number), end)
        ids = dict.fromkeys([*found, *ids][-most:])
        if len(ids) >= most:
            break
    return ids


def _start(ledger: Path, ledger_id: str) -> Position:
    """The place before the last snapshot that begins a segment."""
    for number in reversed(segment.numbers(ledger)):
        if number == 1:
            break
        first = _first_line(segment.path_of(ledger, number))
        if first.startswith(b'{"n":') and b',"k":"snapshot",' in first[:64]:
            sequence = int(first[len(b'{"n":') : first.index(b",")])
            return Position(number, 0, sequence - 1, _last_hash(ledger, number - 1, sequence - 1))
    return Position(1, 0, 0, segment.genesis(ledger_id))


def _check(ledger: Path, start: Position) -> tuple[Position, Position, int]:
    """Walk the chain: where it ends, the place before the last snapshot, and the time of the last record."""
    at, since, last = start, start, b""
    for place, last in journal.walk(ledger, start):
        if last.startswith(b'"k":"snapshot"', last.index(b",") + 1):
            since = at
        at = place
    newest = segment.numbers(ledger)
    if newest and newest[-1] != at.segment:  # an empty segment behind the last record
        at = Position(newest[-1], 0, at.sequence, at.chain)
    return at, since, segment.parse(last).t if last else 0


def _fold(ledger: Path, since: Position) -> tuple[Purse, Approvals]:
    """Purse and approvals as checked records say; only those behind the last snapshot: folding costs twice checking."""
    purse, approvals = Purse(), Approvals()
    for stored in _stored(ledger, since):
        kind = _kind(stored)
        if kind in _FOLDED:
            purse.apply(segment.parse(stored).fact())
        elif kind in ASKED:
            approvals.apply(segment.parse(stored).fact())
        elif kind == SNAPSHOT:
            said: Any = segment.parse(stored).d
            purse, approvals = Purse.restore(said["purse"]), Approvals.restore(said.get("approvals") or ())
    return purse, approvals


def _stored(ledger: Path, since: Position) -> Iterator[bytes]:
    for number in segment.numbers(ledger):
        if number >= since.segment:
            with segment.path_of(ledger, number).open("rb") as file:
                file.seek(since.offset if number == since.segment else 0)
                yield from file


def _kind(stored: bytes) -> str:
    start = stored.index(b',"k":"') + 6
    return stored[start : stored.index(b'"', start)].decode()


def _cut(ledger: Path, at: Position) -> int:
    path = segment.path_of(ledger, at.segment)
    torn = journal.torn_bytes(ledger, at)
    if torn:
        try:
            os.truncate(path, at.offset)
        except OSError as error:
            raise StoreError(unwritable(path, error)) from error
    return torn


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        line = file.readline()
    return line if line.endswith(b"\n") else b""


def _last_hash(ledger: Path, number: int, sequence: int) -> str:
    path = segment.path_of(ledger, number)
    if path.exists() and path.stat().st_size > _ENDING:
        with path.open("rb") as file:
            file.seek(-_ENDING, os.SEEK_END)
            ending = file.read()
        if ending.endswith(b'"}\n'):
            return ending[:64].decode("ascii", "replace")
    raise journal.Broken(journal.Fault(number, 0, sequence, "the segment is missing or ends in half a record"))


def _ids(path: Path, end: int | None) -> list[str]:
    with path.open("rb") as file:
        data = file.read() if end is None else file.read(end)
    return [segment.parse(line).i for line in data.splitlines()]
