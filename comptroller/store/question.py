"""Somebody else's question to the books: one SELECT over one tenant's own rows, in bounds, and nothing besides.

Three things keep it so, and each would do alone: the question's own syntax tree may name nothing but the views made
for it and functions that only compute; it runs in a transaction that cannot write; and the engine itself is shut to
files, settings and extensions (`books.connect`).
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comptroller.store.grammar import BadQuestion, check, duckdb_error, first_line, views

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

BATCH = 2_048  # rows taken at a time, so that bounds are noticed early
TRUNCATED = b"comptroller.truncated"  # in the metadata of an answer that was cut at a bound
WHOSE = ("tenant", "customer", "user", "workflow")


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose rows a question is about: a tenant's, and of those only what is said."""

    tenant: str
    customer: str = ""
    user: str = ""
    workflow: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much an answer may take."""

    rows: int = 10_000
    bytes: int = 32 << 20
    seconds: float = 30.0


Interrupt = Callable[[], None]


def answer(
    cursor: "DuckDBPyConnection",
    sql: str,
    whose: Whose,
    bounds: Bounds,
    began: Callable[[Interrupt], None] | None = None,
) -> "pyarrow.Table":
    """The answer, cut where it would pass `bounds`; `began` is told how to stop it. The cursor is for this alone."""
    check(cursor, sql)
    _lay_out(cursor, whose)
    late = threading.Event()

    def interrupt() -> None:
        with contextlib.suppress(duckdb_error()):  # it may have ended meanwhile
            cursor.interrupt()

    def stop() -> None:
        late.set()
        interrupt()

    timer = threading.Timer(bounds.seconds, stop)
    timer.daemon = True
    if began is not None:
        began(interrupt)
    timer.start()
    try:
        return _run(cursor, sql, bounds)
    except duckdb_error() as error:
        raise _trouble(error, late.is_set(), bounds) from None
    finally:
        timer.cancel()


def _lay_out(cursor: "DuckDBPyConnection", whose: Whose) -> None:
    """Make the views, in this cursor's own temporary place: they are gone with it."""
    said = {name: value for name in WHOSE if (value := getattr(whose, name))}
    said["tenant"] = whose.tenant
    mine = _alike(said)
    owed = "false" if whose.user or whose.workflow else mine
    for name, sql in views().items():
        cursor.execute(f'CREATE TEMP VIEW "{name}" AS {sql.replace("{mine}", mine).replace("{owed}", owed)}')


def _alike(said: Mapping[str, str]) -> str:
    return " AND ".join(f'"{name}" = {_quoted(value)}' for name, value in said.items())


def _quoted(value: str) -> str:
    if "\0" in value:
        raise BadQuestion("A name holds a NUL. Leave it out.")
    return "'" + value.replace("'", "''") + "'"


def _run(cursor: "DuckDBPyConnection", sql: str, bounds: Bounds) -> "pyarrow.Table":
    import pyarrow

    cursor.execute("BEGIN TRANSACTION READ ONLY")
    with contextlib.closing(cursor.sql(sql).to_arrow_reader(BATCH)) as reader:
        kept: list[pyarrow.RecordBatch] = []
        rows, size, cut = 0, 0, False
        for batch in reader:
            if rows + batch.num_rows > bounds.rows:
                batch, cut = batch.slice(0, bounds.rows - rows), True
            size += batch.nbytes
            if size > bounds.bytes:
                if not kept:
                    raise BadQuestion(_too_large(bounds), "answer_too_large")
                cut = True
                break
            kept.append(batch)
            rows += batch.num_rows
            if cut:
                break
        made = pyarrow.Table.from_batches(kept, schema=reader.schema)
    return made.replace_schema_metadata({TRUNCATED: b"1" if cut else b"0"})


def truncated(table: "pyarrow.Table") -> bool:
    """True for an answer that was cut at a bound."""
    return (table.schema.metadata or {}).get(TRUNCATED) == b"1"


def _trouble(error: Exception, late: bool, bounds: Bounds) -> BadQuestion:
    said = first_line(error)
    if late:
        return BadQuestion(
            f"The query took more than {bounds.seconds:g} s. Ask for less: a shorter time, fewer columns.",
            "query_too_slow",
        )
    if "INTERRUPT" in said.upper():
        return BadQuestion("The query was given up. Ask again.", "query_given_up")
    if "Out of Memory" in said or "max_temp_directory_size" in said:
        return BadQuestion(_too_large(bounds), "answer_too_large")
    return BadQuestion(f"{said.rstrip('.')}. Mend the query.")


def _too_large(bounds: Bounds) -> str:
    return f"The answer or the work on it is too large (at most {bounds.bytes >> 20} MB). Ask for less, or for sums."
