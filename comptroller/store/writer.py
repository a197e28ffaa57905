"""From the journal into the books: rows and watermark in one transaction, so that none is lost or doubled."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from comptroller.core.errors import StoreError
from comptroller.core.facts import (
    AGENT_CLOSED,
    AGENT_OPENED,
    ASK,
    CALL_CLOSED,
    CALL_OPENED,
    CLAIM,
    GUARD_FAILED,
    HOLD_EXPIRED,
    INVOICE,
    LEDGER_OPENED,
    OUTCOME,
    POLICY_LOADED,
    RUN_CLOSED,
    RUN_OPENED,
    TXN,
    USAGE,
)
from comptroller.store import failures, segment, statements, usage
from comptroller.store.rollups import Rollups
from comptroller.store.segment import Position

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Bytes of journal per transaction: some 60,000 records, and 100 MB while it lasts. 16 MB took 1.5 times the CPU.
SLICE = 64 * 1024 * 1024
OBJECT = 1024 * 1024  # bytes of the largest record DuckDB expects
SLICE_FILE = "books.slice"
_TAIL = 64 + len('"}\n')
_STEP = 256 * 1024
_NUMBER = re.compile(rb'\{"n":(\d+),')

# What the books read of a record. DuckDB reads typed JSON 20 times faster than Python would hand rows over.
_RECORD = """{n: 'BIGINT', k: 'VARCHAR', i: 'VARCHAR', t: 'BIGINT', r: 'VARCHAR', c: 'VARCHAR', d: 'STRUCT(
  tenant VARCHAR, customer VARCHAR, "user" VARCHAR, workflow VARCHAR, agent VARCHAR, "key" VARCHAR, parent VARCHAR,
  kind VARCHAR, name VARCHAR, dialect VARCHAR, stream BOOLEAN, policy VARCHAR, started BIGINT, first BIGINT,
  ended BIGINT, status VARCHAR, action VARCHAR, rule VARCHAR, because VARCHAR, decisions STRUCT(stage VARCHAR,
  action VARCHAR, rule VARCHAR, policy VARCHAR, because VARCHAR, place VARCHAR, tool VARCHAR,
  findings STRUCT(kind VARCHAR, count VARCHAR)[], shadow BOOLEAN, error BOOLEAN,
  judged STRUCT(votes STRUCT(judge VARCHAR, vote VARCHAR)[]))[],
  usage STRUCT(input BIGINT, output BIGINT, cache_read BIGINT, cache_write_5m BIGINT, cache_write_1h BIGINT,
  reasoning BIGINT), cost BIGINT, currency VARCHAR, worst BIGINT, price VARCHAR, estimated BOOLEAN, unpriced BOOLEAN,
  overrun BIGINT, opaque BOOLEAN, cached VARCHAR, saved BIGINT,
  request VARCHAR[], reply VARCHAR[], request_after VARCHAR[], error VARCHAR,
  upstream STRUCT(status INTEGER, id VARCHAR), model VARCHAR, attempt INTEGER,
  tool STRUCT(call_id VARCHAR, effect VARCHAR, args VARCHAR,
  origins STRUCT(arg VARCHAR, label VARCHAR, sources VARCHAR[], tools VARCHAR[])[]), trace VARCHAR, budget VARCHAR[],
  place VARCHAR, "outer" VARCHAR, span VARCHAR,
  scopes VARCHAR[], type VARCHAR, subject VARCHAR, degree VARCHAR, evidence VARCHAR, version VARCHAR, rules BIGINT,
  files STRUCT(path VARCHAR, digest VARCHAR, text VARCHAR)[], guard VARCHAR, reason VARCHAR, pid BIGINT,
  "to" VARCHAR)'}"""
# The same with every particular as text: one odd value becomes NULL then, instead of stopping the books.
_LENIENT = re.compile(r"\b(BIGINT|INTEGER|BOOLEAN)\b")
_ODD = _RECORD[: _RECORD.index("d:")] + _LENIENT.sub("VARCHAR", _RECORD[_RECORD.index("d:") :])
_LOST = """{n: 'BIGINT', k: 'VARCHAR', t: 'BIGINT', r: 'VARCHAR', c: 'VARCHAR',
  d: 'STRUCT(hold STRUCT(lines VARCHAR[][]), reason VARCHAR)'}"""
_TOLD = """{n: 'BIGINT', k: 'VARCHAR', i: 'VARCHAR', t: 'BIGINT', r: 'VARCHAR', d: 'STRUCT("at" BIGINT, outcome VARCHAR,
  type VARCHAR, actor VARCHAR, attestor VARCHAR, method VARCHAR, evidence JSON, state VARCHAR, ignored VARCHAR,
  data JSON, cause VARCHAR, kind VARCHAR, period VARCHAR, postings VARCHAR[][], tenant VARCHAR, customer VARCHAR,
  reverses VARCHAR, about JSON, event VARCHAR, invoice VARCHAR, number VARCHAR, because VARCHAR,
  document STRUCT(contract VARCHAR, period VARCHAR, "first" VARCHAR, "last" VARCHAR, issued VARCHAR, due VARCHAR,
    currency VARCHAR, totals STRUCT(subtotal HUGEINT, discount HUGEINT, tax HUGEINT, credits HUGEINT), held BIGINT,
    failed BIGINT, digest VARCHAR, lines STRUCT(kind VARCHAR, title VARCHAR, about VARCHAR, gross HUGEINT,
    quantity VARCHAR, unit VARCHAR, discount HUGEINT, tax HUGEINT, type VARCHAR, period VARCHAR, price VARCHAR,
    items JSON[])[]),
  credit STRUCT(number VARCHAR, net HUGEINT, tax HUGEINT, because VARCHAR, outcome VARCHAR),
  payment STRUCT(id VARCHAR, nanos HUGEINT))'}"""
_MONEY = frozenset((OUTCOME, TXN, INVOICE))


@dataclass(frozen=True, slots=True)
class Slice:
    """Some whole records of one segment: where they lie, and the place behind them."""

    path: Path
    offset: int
    size: int
    end: Position


class Writer:
    """Fills the books behind `connection`, where they are attached as `books`. Used by one thread at a time."""

    def __init__(
        self, ledger: Path, connection: "DuckDBPyConnection", size: int = SLICE, home: Path | None = None
    ) -> None:
        self._ledger = ledger
        self._connection = connection
        self._size = size
        self._file = (home or ledger) / SLICE_FILE
        self._rollups = Rollups(connection)
        self._usage = usage.Usage(ledger, connection, home or ledger)
        self.position = watermark(connection)
        self._currencies = self._known_currencies()
        confirm(ledger, self.position)

    def run(self) -> int:
        """Ingest all that is there as this begins; returns the number of records."""
        before, end = self.position.sequence, _reached(self._ledger)
        try:
            # Not until there is nothing more: where calls never pause, there always is.
            while self._place < end and (piece := cut(self._ledger, self.position, self._size)):
                self._ingest(piece)
        finally:
            self._file.unlink(missing_ok=True)
        return self.position.sequence - before

    @property
    def _place(self) -> tuple[int, int]:
        return self.position.segment, self.position.offset

    def _ingest(self, piece: Slice) -> None:
        _copy(piece, self._file)
        self._stage(piece)
        self._connection.execute("BEGIN")
        try:
            self._book()
            end = piece.end
            place = {"segment": end.segment, "offset": end.offset, "sequence": end.sequence, "chain": end.chain}
            self._do("watermark", place)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self.position = piece.end

    def _stage(self, piece: Slice) -> None:
        import duckdb

        try:
            self._read("fresh", _RECORD, piece)
        except duckdb.Error:
            try:
                self._read("fresh", _ODD, piece)
            except duckdb.Error as error:
                raise StoreError(_unreadable(self.position, piece, str(error))) from error
        counted, most, kinds, failed, told = self._rows(
            "SELECT count(*), max(seq), list(DISTINCT fact), bool_or(error LIKE '{%'), bool_or(error <> '') FROM fresh"
        )[0]
        expected = piece.end.sequence - self.position.sequence
        if (counted, most) != (expected, piece.end.sequence):
            raise StoreError(_unreadable(self.position, piece, "records are missing or doubled"))
        self._kinds = set(kinds)  # type: ignore[call-overload]
        if failed:
            self._tell_failures()
        if told:
            self._do("causes")
        self._do("no_gone")
        self._do("new_calls")
        if HOLD_EXPIRED in self._kinds:
            self._read("lost", _LOST, piece)
        if USAGE in self._kinds:
            self._read("usage", usage.RECORD, piece)
        if self._kinds & _MONEY:
            self._read("told", _TOLD, piece)

    def _tell_failures(self) -> None:
        raw = [str(row[0]) for row in self._rows("SELECT DISTINCT error FROM fresh WHERE error LIKE '{%'")]
        self._do("failures", {"raw": raw, "told": [failures.told(error) for error in raw]})

    def _read(self, name: str, columns: str, piece: Slice) -> None:
        sql = statements.ingest()[name].replace("{columns}", columns)
        # A small limit lets DuckDB read a slice in parts, with all its threads; a record beyond it is rare.
        try:
            self._connection.execute(sql, {"file": str(self._file), "most": OBJECT})
        except Exception as error:
            if "maximum_object_size" not in str(error):
                raise
            self._connection.execute(sql, {"file": str(self._file), "most": piece.size + 1})

    def _book(self) -> None:
        before = self.position.sequence
        if AGENT_OPENED in self._kinds:
            self._do("agents_opened")
        displaced = self._calls()
        self._rollups.add_calls(bool(displaced), before)
        if self._kinds & {RUN_OPENED, RUN_CLOSED, CALL_OPENED, CALL_CLOSED, AGENT_OPENED, HOLD_EXPIRED}:
            self._runs()
        self._recount(displaced)
        if self._kinds & {AGENT_OPENED, AGENT_CLOSED}:
            self._rollups.watch_agents(before)
            self._do("agents_closed")
            self._rollups.add_agents(before)
        for kind, name in ((CLAIM, "claims"), (POLICY_LOADED, "policies")):
            if kind in self._kinds:
                self._do(name)
        if self._kinds & {ASK, GUARD_FAILED, HOLD_EXPIRED, LEDGER_OPENED}:
            self._do("events")
        if USAGE in self._kinds:
            self._usage.book()
        if self._kinds & _MONEY:
            for name in ("outcome_events", "postings", "txns", "invoice_lines", "invoices", "invoice_events"):
                self._do(name)

    def _runs(self) -> None:
        lost = HOLD_EXPIRED in self._kinds
        self._do("run_moves")
        self._rollups.watch_runs(lost)
        self._do("runs")
        if lost:
            self._do("runs_lost")
        self._rollups.add_runs()

    def _calls(self) -> list[str]:
        """Book the calls; returns the runs in which an earlier row was corrected."""
        if self._rows(statements.ingest()["twice"]):
            self._do("forget_twice")
        self._do("new_opened")
        eldest = {"eldest": self._rows("SELECT min(call) FROM fresh WHERE call <> ''")[0][0]}
        self._do("known", eldest)
        if self._rows("SELECT 1 FROM known LIMIT 1"):
            self._do("forget_opened")
            self._do("forget_recorded")
        self._do("open_calls")
        if HOLD_EXPIRED in self._kinds:
            self._do("gone")
            self._do("causes_gone")
            self._do("known", eldest)
            self._do("forget_gone")
        self._do("displaced", eldest)
        runs = [str(row[0]) for row in self._rows("SELECT DISTINCT run FROM displaced")]
        if runs:
            self._do("forget_displaced", eldest)
        for name in ("ended", "calls", "texts", "decisions", "votes", "origins"):
            self._do(name)
        return runs

    def _recount(self, displaced: list[str]) -> None:
        self._currencies |= {str(row[0]) for row in self._rows("SELECT DISTINCT currency FROM new_calls")}
        recount = set(displaced)
        if len(self._currencies - {""}) > 1:
            recount |= {str(row[0]) for row in self._rows(statements.ingest()["mixed"])}
        if recount - {""}:
            for name in ("recount", "forget_other_costs", "other_costs"):
                self._do(name, {"runs": sorted(recount - {""})})

    def _do(self, name: str, params: dict[str, object] | None = None) -> None:
        self._connection.execute(statements.ingest()[name], params)

    def _rows(self, sql: str) -> Sequence[tuple[object, ...]]:
        return self._connection.execute(sql).fetchall()

    def _known_currencies(self) -> set[str]:
        return {str(row[0]) for row in self._rows("SELECT DISTINCT currency FROM books.costs_daily")}


def watermark(connection: "DuckDBPyConnection") -> Position:
    """How far the books behind a connection have come."""
    row = connection.execute("SELECT segment, byte_offset, sequence, chain FROM books.watermark").fetchone()
    if row is None:
        raise StoreError("The books have no watermark. Remove books.duckdb: it is made anew from the journal.")
    return Position(*row)


def confirm(ledger: Path, at: Position) -> None:
    """Raise StoreError unless the record the books stopped at is still where they left it."""
    if at.offset and _read_at(segment.path_of(ledger, at.segment), at.offset - _TAIL, _TAIL) != _end(at.chain):
        raise StoreError(
            f"{segment.path_of(ledger, at.segment)}: record {at.sequence}, at which the books stopped, is not there "
            "any more: the journal was cut or replaced. Restore it from a backup; if the change was meant, remove "
            "books.duckdb and the books are made anew from the journal as it is."
        )


def cut(ledger: Path, at: Position, size: int) -> Slice | None:
    """The whole records behind `at`, about `size` bytes of them; None where nothing is new. A torn tail is not read."""
    # Asked before reading: a segment that has a successor grows no more.
    successor = segment.path_of(ledger, at.segment + 1).exists()
    path = segment.path_of(ledger, at.segment)
    try:
        with path.open("rb") as file:
            there = file.seek(0, os.SEEK_END) - at.offset
            length = _whole(file, at.offset, min(size, there))
            while not length and size < there:  # a record longer than a slice
                size *= 2
                length = _whole(file, at.offset, min(size, there))
            if length:
                return Slice(path, at.offset, length, _behind(path, file, at, length))
    except FileNotFoundError:
        there = 0
    if not successor:
        return None
    if there:
        raise StoreError(_fault(path, at.offset, at.sequence + 1, "a closed segment ends in half a record"))
    return cut(ledger, Position(at.segment + 1, 0, at.sequence, at.chain), size)


def _reached(ledger: Path) -> tuple[int, int]:
    """The segment that grows, and how long it is now."""
    last = max(segment.numbers(ledger), default=1)
    try:
        return last, segment.path_of(ledger, last).stat().st_size
    except FileNotFoundError:
        return last, 0


def _whole(file: BinaryIO, offset: int, size: int) -> int:
    """How many of `size` bytes behind `offset` are whole lines; looked for from their end."""
    end = offset + size
    while end > offset:
        begin = max(offset, end - _STEP)
        file.seek(begin)
        newline = file.read(end - begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1 - offset
        end = begin
    return 0


def _behind(path: Path, file: BinaryIO, at: Position, length: int) -> Position:
    """The place behind a slice, once its first record is seen to follow on `at` and its last to be whole."""
    file.seek(at.offset)
    first = file.readline()[:-1]
    if segment.link(at.chain, first) != segment.hash_of(first):
        raise StoreError(_fault(path, at.offset, at.sequence + 1, "it does not follow on the record before it"))
    begin = at.offset + _whole(file, at.offset, length - 1)
    file.seek(begin)
    last = file.readline()[:-1]
    number = _NUMBER.match(last)
    if not number or not segment.hash_of(last):
        raise StoreError(_fault(path, begin, at.sequence + 1, "the last record of this part is damaged"))
    return Position(at.segment, at.offset + length, int(number[1]), segment.hash_of(last))


def _copy(piece: Slice, target: Path) -> None:
    """Put a slice into a file of its own, through one small buffer: fresh memory for each costs more than copying."""
    buffer = memoryview(bytearray(_STEP))
    with piece.path.open("rb", buffering=0) as source, target.open("wb", buffering=0) as file:
        source.seek(piece.offset)
        left = piece.size
        while left:
            read = source.readinto(buffer[: min(left, len(buffer))])
            if not read:
                raise StoreError(_fault(piece.path, piece.offset, 0, "the segment became shorter while it was read"))
            file.write(buffer[:read])
            left -= read


def _unreadable(at: Position, piece: Slice, reason: str) -> str:
    """Which record it was that DuckDB could not read."""
    offset = piece.offset
    with piece.path.open("rb") as file:
        file.seek(offset)
        for number in range(at.sequence + 1, piece.end.sequence + 1):
            stored = file.readline()
            try:
                if segment.parse(stored[:-1]).n != number:
                    return _fault(piece.path, offset, number, "its number does not follow on the record before it")
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                return _fault(piece.path, offset, number, str(error))
            offset += len(stored)
    return _fault(piece.path, piece.offset, at.sequence + 1, reason.split("\n")[0])


def _fault(path: Path, offset: int, number: int, reason: str) -> str:
    return (
        f"{path}: byte {offset}, record {number}: {reason}. "
        "See how far the journal is whole with `comptroller audit verify`; restore the segment from a backup."
    )


def _read_at(path: Path, offset: int, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, offset))
            return file.read(size)
    except FileNotFoundError:
        return b""


def _end(chain: str) -> bytes:
    return chain.encode() + b'"}\n'
