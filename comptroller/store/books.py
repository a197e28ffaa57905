"""The books: a DuckDB file that answers questions about the journal, and can be made anew from it at any time."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comptroller.core.errors import StoreError
from comptroller.store import journal, question, statements, usage
from comptroller.store.locks import Lock
from comptroller.store.question import Bounds, Interrupt, Whose
from comptroller.store.segment import Position
from comptroller.store.writer import SLICE_FILE, Writer, confirm, watermark

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

FILE = "books.duckdb"
LOCK = "books.lock"
ANEW = "books.anew.duckdb"
SCRATCH = "books.tmp"
MEMORY = "1GB"
SCRATCH_SIZE = "8GB"  # the disk is the journal's first
# Both DuckDB lines we support read and write this layout; the newest layout would shut the older one out.
LAYOUT = "v1.5.0"


class Busy(StoreError):
    """Another process has the books open."""


class Books:
    """The open books: one process at a time has them. Queries may come from any thread, ingest from one at a time."""

    def __init__(self, ledger: Path, lock: Lock, connection: "DuckDBPyConnection", home: Path) -> None:
        self.ledger = ledger
        self._file = home / FILE
        self._lock = lock
        self._connection = connection
        self._writing = threading.Lock()
        self._writer = Writer(ledger, connection, home=home)

    @classmethod
    def open(cls, ledger: str | Path, home: Path | None = None) -> "Books":
        """Take the lock and open the file, making it where there is none; raises Busy or StoreError.

        `home` is where the books lie, for a ledger in which nothing can be written; else they lie in the ledger.
        """
        place, home = Path(ledger), home or Path(ledger)
        begun = _begin(place)
        lock = Lock(home / LOCK)
        if not lock.take():
            raise Busy(f"{home / LOCK}: another process has the books open.")
        try:
            return cls(place, lock, connect(place, home / FILE, begun), home)
        except BaseException:
            lock.drop()
            raise

    def ingest(self) -> int:
        """Bring the books up to the end of the journal; returns how many records were new."""
        with self._writing, store_errors(self._file):
            return self._writer.run()

    def query(self, name: str, params: dict[str, object] | None = None) -> "pyarrow.Table":
        """The answer to a named query as an Arrow table."""
        asked = statements.query(name)
        values = asked.bind(params or {})
        with store_errors(self._file), contextlib.closing(self._connection.cursor()) as cursor:
            _settle(cursor)
            return cursor.sql(asked.sql, params=values or None).to_arrow_table()

    def ask(
        self, sql: str, whose: Whose, bounds: Bounds, began: Callable[[Interrupt], None] | None = None
    ) -> "pyarrow.Table":
        """The answer to somebody else's SELECT; raises BadQuestion."""
        with store_errors(self._file), contextlib.closing(self._connection.cursor()) as cursor:
            return question.answer(cursor, sql, whose, bounds, began)

    @property
    def position(self) -> Position:
        """How far into the journal the books have come."""
        return self._writer.position

    def close(self) -> None:
        """Let go of file and lock."""
        with self._writing:
            self._connection.close()
            self._lock.drop()


def rebuild(ledger: str | Path) -> int:
    """Make the books anew from the journal, beside the old ones, and put them in their place when they are whole."""
    place = Path(ledger)
    begun = _begin(place)
    lock = Lock(place / LOCK)
    if not lock.take():
        raise Busy(f"{place / LOCK}: another process has the books open. Stop it first, then rebuild.")
    try:
        _remove(place / ANEW)
        with contextlib.closing(connect(place, place / ANEW, begun)) as connection, store_errors(place / ANEW):
            count = Writer(place, connection).run()
            connection.execute("CHECKPOINT books")
        _remove(place / FILE)
        os.replace(place / ANEW, place / FILE)
        return count
    finally:
        lock.drop()


def connect(ledger: Path, file: Path, begun: Position) -> "DuckDBPyConnection":
    """Open a books file as `books` and bring its tables up to this version."""
    duckdb = _duckdb()
    with store_errors(file):
        # Nothing is ever fetched from the network: what we use is inside the wheel.
        connection: DuckDBPyConnection = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        )
        try:
            # Set first: a checkpoint at the default of 16 MB stalls writers for 200-340 ms, with this 12-21 ms.
            connection.execute("SET checkpoint_threshold = '256MB'")
            connection.execute(f"SET memory_limit = '{MEMORY}'")
            connection.execute(f"SET temp_directory = {_quoted(file.parent / SCRATCH)}")
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            connection.execute(f"ATTACH {_quoted(file)} AS books (STORAGE_VERSION '{LAYOUT}')")
            _settle(connection)
            _migrate(connection, ledger, file, begun)
            _shut(connection, file)
            with contextlib.suppress(OSError):
                file.chmod(0o600)
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def store_errors(file: Path) -> Iterator[None]:
    """Turn DuckDB's errors into ours: the reason, the file, and what to do."""
    try:
        yield
    except _duckdb().Error as error:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        raise StoreError(
            f"{file}: {reason}. Free disk space or memory if that is what is missing; "
            "if the file is damaged, remove it: the books are made anew from the journal."
        ) from error


def _begin(ledger: Path) -> Position:
    _duckdb()
    begun = journal.begin(ledger) if ledger.is_dir() else None
    if begun is None:
        raise StoreError(
            f"{ledger}: there is no ledger here. Name one with --ledger or COMPTROLLER_LEDGER; "
            "a program under `comptroller.open()` makes it with its first call."
        )
    return begun


def _settle(connection: "DuckDBPyConnection") -> None:
    connection.execute("USE books")


def _shut(connection: "DuckDBPyConnection", file: Path) -> None:
    """From now on the engine opens no file but its own and the writer's, and nobody can talk it out of that."""
    connection.execute("SET python_enable_replacements = false")
    connection.execute(f"SET max_temp_directory_size = '{SCRATCH_SIZE}'")
    open_to = ", ".join(_quoted((file.parent / name).absolute()) for name in (SLICE_FILE, usage.SLOT))
    connection.execute(f"SET allowed_paths = [{open_to}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _migrate(connection: "DuckDBPyConnection", ledger: Path, file: Path, begun: Position) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS books.version (number INTEGER)")
    row = connection.execute("SELECT coalesce(max(number), 0) FROM books.version").fetchone()
    have, steps = (row[0] if row else 0), statements.migrations()
    if have > steps[-1][0]:
        raise StoreError(
            f"{file}: these books have version {have}, this version reads up to {steps[-1][0]}. "
            "Upgrade: pip install --upgrade 'comptroller[server]'."
        )
    if have == steps[-1][0]:
        return
    if have:  # an older version's: what it knew of the journal's end is asked a last time
        confirm(ledger, watermark(connection))
    _make(connection, steps, begun)


def _make(connection: "DuckDBPyConnection", steps: Sequence[tuple[int, str]], begun: Position) -> None:
    """Make the tables, all anew where there were older ones: every row is a reading of the journal."""
    connection.execute("BEGIN")
    for (name,) in connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'books' AND table_name <> 'version'"
    ).fetchall():
        connection.execute(f'DROP TABLE books."{name}"')
    for number, sql in steps:
        connection.execute(sql)
        connection.execute("INSERT INTO books.version VALUES (?)", [number])
    place = [begun.segment, begun.offset, begun.sequence, begun.chain]
    connection.execute("INSERT INTO books.watermark VALUES (?, ?, ?, ?)", place)
    connection.execute("COMMIT")


def _remove(file: Path) -> None:
    for path in (file, file.with_name(f"{file.name}.wal")):
        path.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _duckdb() -> Any:
    try:
        return import_module("duckdb")
    except ImportError:
        raise StoreError("Reading a ledger needs DuckDB. Install comptroller[server].") from None
