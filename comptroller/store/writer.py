"""From the journal into the books: rows and watermark in one transaction, so that none is lost or doubled."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from comptroller.core.errors import StoreError
from comptroller.store import segment, statements
from comptroller.store.segment import Position

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SLICE = 16 * 1024 * 1024  # bytes of journal per transaction: some 15,000 records, and the memory they need
SLICE_FILE = "books.slice"
_TAIL = 64 + len('"}\n')

# What the books read of a record. DuckDB reads typed JSON 20 times faster than Python would hand rows over.
_RECORD = """{n: 'BIGINT', k: 'VARCHAR', i: 'VARCHAR', t: 'BIGINT', r: 'VARCHAR', c: 'VARCHAR', d: 'STRUCT(
  tenant VARCHAR, customer VARCHAR, "user" VARCHAR, workflow VARCHAR, agent VARCHAR, "key" VARCHAR, parent VARCHAR,
  kind VARCHAR, name VARCHAR, dialect VARCHAR, stream BOOLEAN, policy VARCHAR, started BIGINT, first BIGINT,
  ended BIGINT, status VARCHAR, action VARCHAR, rule VARCHAR, because VARCHAR, decisions STRUCT(stage VARCHAR,
  action VARCHAR, rule VARCHAR, policy VARCHAR, because VARCHAR, place VARCHAR, tool VARCHAR,
  findings STRUCT(kind VARCHAR, count VARCHAR)[], shadow BOOLEAN, error BOOLEAN)[],
  usage STRUCT(input BIGINT, output BIGINT, cache_read BIGINT, cache_write_5m BIGINT, cache_write_1h BIGINT,
  reasoning BIGINT), cost BIGINT, currency VARCHAR, worst BIGINT, price VARCHAR, estimated BOOLEAN, unpriced BOOLEAN,
  overrun BIGINT, opaque BOOLEAN, request VARCHAR[], reply VARCHAR[], preview VARCHAR, error VARCHAR,
  upstream STRUCT(status INTEGER, id VARCHAR), model VARCHAR, attempt INTEGER,
  tool STRUCT(call_id VARCHAR, effect VARCHAR, args VARCHAR), trace VARCHAR, budget VARCHAR[],
  place VARCHAR, "outer" VARCHAR, span VARCHAR,
  scopes VARCHAR[], type VARCHAR, subject VARCHAR, degree VARCHAR, evidence VARCHAR, version VARCHAR, rules BIGINT,
  files STRUCT(path VARCHAR, digest VARCHAR, text VARCHAR)[], guard VARCHAR, reason VARCHAR, pid BIGINT)'}"""
# The same with every particular as text: one odd value becomes NULL then, instead of stopping the books.
_LENIENT = re.compile(r"\b(BIGINT|INTEGER|BOOLEAN)\b")
_ODD = _RECORD[: _RECORD.index("d:")] + _LENIENT.sub("VARCHAR", _RECORD[_RECORD.index("d:") :])
_LOST = """{n: 'BIGINT', k: 'VARCHAR', t: 'BIGINT', c: 'VARCHAR',
  d: 'STRUCT(hold STRUCT(lines VARCHAR[][]), reason VARCHAR)'}"""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some whole records of one segment, and the place behind them."""

    data: bytes
    end: Position


class Writer:
    """Fills the books behind `connection`, where they are attached as `books`. Used by one thread at a time."""

    def __init__(self, ledger: Path, connection: "DuckDBPyConnection", size: int = SLICE) -> None:
        self._ledger = ledger
        self._connection = connection
        self._size = size
        self._file = ledger / SLICE_FILE
        self.position = self._watermark()
        self._currencies = self._known_currencies()
        confirm(ledger, self.position)

    def run(self) -> int:
        """Ingest all that is there; returns the number of records."""
        before = self.position.sequence
        try:
            while piece := cut(self._ledger, self.position, self._size):
                self._ingest(piece)
        finally:
            self._file.unlink(missing_ok=True)
        return self.position.sequence - before

    def _ingest(self, piece: Slice) -> None:
        self._file.write_bytes(piece.data)
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
            self._read("fresh", _RECORD, len(piece.data))
        except duckdb.Error:
            try:
                self._read("fresh", _ODD, len(piece.data))
            except duckdb.Error as error:
                raise StoreError(_unreadable(self._ledger, self.position, piece, str(error))) from error
        rows = self._rows("SELECT DISTINCT k FROM fresh")
        self._kinds = {row[0] for row in rows}
        if "hold.expired" in self._kinds:
            self._read(
                "lost", _LOST, len(piece.data), "n, t, c, d.hold.lines AS lines, d.reason AS reason", "hold.expired"
            )

    def _read(self, table: str, columns: str, size: int, wanted: str = "*", kind: str = "") -> None:
        path = str(self._file).replace("'", "''")
        where = f" WHERE k = '{kind}'" if kind else ""
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT {wanted} FROM read_json('{path}', "
            f"format = 'newline_delimited', columns = {columns}, maximum_object_size = {max(size, self._size)}){where}"
        )

    def _book(self) -> None:
        displaced = self._calls()
        if self._kinds & {"run.opened", "run.closed", "call.opened", "call.closed", "agent.opened"}:
            self._do("run_moves")
            self._do("runs")
        self._money(displaced)
        for kind, name in (
            ("agent.opened", "agents_opened"),
            ("agent.closed", "agents_closed"),
            ("claim", "claims"),
            ("policy.loaded", "policies"),
        ):
            if kind in self._kinds:
                self._do(name)
        if self._kinds & {"ask", "guard.failed", "hold.expired", "ledger.opened"}:
            self._do("events")

    def _calls(self) -> list[str]:
        """Book the calls; returns the runs in which an earlier row was corrected."""
        for name in ("new_calls", "new_opened"):
            self._do(name)
        since = {"since": self._since()}
        self._do("known", since)
        known = self._rows("SELECT 1 FROM known LIMIT 1")
        if known:
            self._do("forget_known")
        self._do("open_calls")
        if "hold.expired" in self._kinds:
            self._do("expired")
            self._do("known", since)
            known = known or self._rows("SELECT 1 FROM known LIMIT 1")
        if known:
            self._do("forget_recorded")
        self._do("displaced", since)
        runs = [str(row[0]) for row in self._rows("SELECT DISTINCT run FROM displaced")]
        if runs:
            self._do("forget_displaced", since)
        for name in ("ended", "calls", "texts", "decisions"):
            self._do(name)
        return runs

    def _money(self, displaced: list[str]) -> None:
        self._do("costs_daily")
        if displaced:
            self._do("empty_days")
        self._currencies |= {str(row[0]) for row in self._rows("SELECT DISTINCT currency FROM new_calls")}
        recount = set(displaced)
        if len(self._currencies - {""}) > 1:
            recount |= {str(row[0]) for row in self._rows(statements.ingest()["mixed"])}
        if recount - {""}:
            for name in ("recount", "forget_other_costs", "other_costs"):
                self._do(name, {"runs": sorted(recount - {""})})

    def _since(self) -> object:
        found = self._rows(
            "SELECT min(since) FROM (SELECT min(started) AS since FROM new_calls UNION ALL "
            "SELECT make_timestamptz(min(t) // 1000) FROM fresh WHERE k IN ('call.opened', 'hold.expired') UNION ALL "
            "SELECT min(started) FROM books.open_calls)"
        )
        return found[0][0]

    def _do(self, name: str, params: dict[str, object] | None = None) -> None:
        self._connection.execute(statements.ingest()[name], params)

    def _rows(self, sql: str) -> Sequence[tuple[object, ...]]:
        return self._connection.execute(sql).fetchall()

    def _watermark(self) -> Position:
        row = self._connection.execute("SELECT segment, byte_offset, sequence, chain FROM books.watermark").fetchone()
        if row is None:
            raise StoreError("The books have no watermark. Remove books.duckdb: it is made anew from the journal.")
        return Position(*row)

    def _known_currencies(self) -> set[str]:
        return {str(row[0]) for row in self._rows("SELECT DISTINCT currency FROM books.costs_daily")}


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
    data = _read_at(path, at.offset, size)
    while len(data) == size and b"\n" not in data:
        size *= 2
        data = _read_at(path, at.offset, size)
    whole = data[: data.rfind(b"\n") + 1]
    if whole:
        return Slice(whole, _behind(ledger, at, whole))
    if not successor:
        return None
    if data:
        raise StoreError(_fault(path, at.offset, at.sequence + 1, "a closed segment ends in half a record"))
    return cut(ledger, Position(at.segment + 1, 0, at.sequence, at.chain), size)


def _behind(ledger: Path, at: Position, data: bytes) -> Position:
    """The place behind a slice, once its first record follows on `at` and its last has the right number."""
    path = segment.path_of(ledger, at.segment)
    first = data[: data.index(b"\n")]
    if segment.link(at.chain, first) != segment.hash_of(first):
        raise StoreError(_fault(path, at.offset, at.sequence + 1, "it does not follow on the record before it"))
    last = data[data.rfind(b"\n", 0, -1) + 1 : -1]
    sequence = at.sequence + data.count(b"\n")
    if not last.startswith(b'{"n":%d,' % sequence) or not segment.hash_of(last):
        start = at.offset + len(data) - len(last) - 1
        raise StoreError(_fault(path, start, sequence, "it is damaged, or records before it are missing"))
    return Position(at.segment, at.offset + len(data), sequence, segment.hash_of(last))


def _unreadable(ledger: Path, at: Position, piece: Slice, reason: str) -> str:
    path = segment.path_of(ledger, piece.end.segment)
    offset = piece.end.offset - len(piece.data)
    for number, stored in enumerate(piece.data.split(b"\n")[:-1], at.sequence + 1):
        try:
            segment.parse(stored)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return _fault(path, offset, number, str(error))
        offset += len(stored) + 1
    return _fault(path, piece.end.offset - len(piece.data), at.sequence + 1, reason.split("\n")[0])


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
