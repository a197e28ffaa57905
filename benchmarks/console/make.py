"""A ledger whose books hold many calls: rows straight from `range()`, sums by the writer's own statements."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

from comptroller.core.clock import SYSTEM, Clock, FrozenClock
from comptroller.core.settings import Settings
from comptroller.store.books import FILE, Books
from comptroller.store.ledger import Ledger
from comptroller.store.rollups import Rollups
from comptroller.store.statements import written

DAYS = 90
PER_RUN = 25
PART = 1_000_000  # calls booked in one transaction
NEVER = 1 << 62
_SCRIPT = Path(__file__).with_name("fill.sql")


def ledger(path: Path, calls: int = 10_000_000, clock: Clock = SYSTEM, say: Any = print) -> None:
    """Make it at `path`, its calls ending now; raises FileExistsError where something is already."""
    path.mkdir(parents=True)
    begun = time.perf_counter()
    Ledger.open(path, Settings(), FrozenClock(clock.now_ns())).close()
    with closing(Books.open(path)) as books:
        books.ingest()
    _fill(path / FILE, calls, clock.now_ns() // 1_000, say)
    with closing(Books.open(path)) as books:  # as its owner will: what follows in the journal is booked on top
        books.ingest()
    say(f"{calls:,} calls in {time.perf_counter() - begun:.0f} s: {(path / FILE).stat().st_size >> 20:,} MB of books")


def _fill(file: Path, calls: int, until_us: int, say: Any) -> None:
    import duckdb

    with closing(duckdb.connect()) as connection:
        connection.execute("SET memory_limit = '6GB'; SET GLOBAL TimeZone = 'UTC'; SET checkpoint_threshold = '1GB'")
        connection.execute(f"ATTACH '{file}' AS books; USE books")
        connection.execute(f"SET temp_directory = '{file.parent / 'fill.tmp'}'")
        _rows(_Script(connection, calls, until_us, say), calls)
        _sums(connection, calls, say)
        _before_the_journal(connection, 2 * calls, say)
        connection.execute("CHECKPOINT books")


class _Script:
    """The statements of `fill.sql`, with the size of these books filled in."""

    def __init__(self, connection: Any, calls: int, until_us: int, say: Any) -> None:
        self._connection, self._say = connection, say
        self._statements = written(_SCRIPT.read_text(encoding="utf-8"))
        self._sizes = {"calls": calls, "until": until_us, "span": DAYS, "runs": max(calls // PER_RUN, 1)}

    def run(self, name: str, **more: int) -> None:
        begun = time.perf_counter()
        sql = self._statements[name]
        for key, value in (self._sizes | more).items():
            sql = sql.replace("{" + key + "}", str(value))
        self._connection.execute(sql)
        self._say(f"  {name} {time.perf_counter() - begun:.1f} s")


def _rows(script: _Script, calls: int) -> None:
    for name in ("draw", "drawn", "spine", "named", "agents"):
        script.run(name)
    for since in range(0, calls, PART):
        for name in ("part", "calls", "texts", "decisions", "events"):
            script.run(name, since=since, upto=since + PART)
    for name in ("models", "run_sums", "runs", "other_costs", "open_calls", "claims", "policies"):
        script.run(name)


def _sums(connection: Any, calls: int, say: Any) -> None:
    begun = time.perf_counter()
    rollups = Rollups(connection)
    for sql in (
        "displaced AS SELECT * FROM books.calls LIMIT 0",
        "fresh AS SELECT started AS happened FROM books.calls ORDER BY seq LIMIT 1",
        "run_moves AS SELECT run FROM books.runs",
        "touched AS SELECT * FROM books.run_states LIMIT 0",
        "closing AS SELECT span FROM books.agents LIMIT 0",
    ):
        connection.execute(f"CREATE TEMP TABLE {sql}")
    for since in range(0, calls, PART):
        part = f"SELECT * FROM books.calls WHERE seq > {since} AND seq <= {since + PART}"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW new_calls AS {part}")
        # The decisions of all of them at the end, at once.
        rollups.add_calls(False, 0 if since + PART >= calls else NEVER)
    rollups.add_runs()
    rollups.add_agents(0)
    say(f"  sums {time.perf_counter() - begun:.1f} s")


def _before_the_journal(connection: Any, by: int, say: Any) -> None:
    """Number the made-up records below 1: the journal beside them is a real one, and what follows comes after all."""
    begun = time.perf_counter()
    found = connection.execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE database_name = 'books' "
        "AND column_name IN ('seq', 'last', 'lost') AND data_type = 'BIGINT' GROUP BY table_name"
    ).fetchall()
    for table, columns in found:
        said = ", ".join(f'"{name}" = "{name}" - {by}' for name in columns)
        connection.execute(f"UPDATE books.{table} SET {said}")
    say(f"  renumbered {time.perf_counter() - begun:.1f} s")
