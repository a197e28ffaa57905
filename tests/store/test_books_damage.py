"""Books that were cut off, damaged, made by another version or killed: nothing is lost, doubled or made up."""

import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

duckdb = pytest.importorskip("duckdb")

from comptroller.core.errors import StoreError  # noqa: E402
from comptroller.store import books, segment  # noqa: E402
from comptroller.store.books import Books, Busy, rebuild  # noqa: E402
from tests.store.pen import Pen, everything, rows  # noqa: E402


def test_a_torn_tail_is_not_read_until_it_is_whole(pen: Pen) -> None:
    run = pen.run()
    pen.called(run)
    pen.ledger.close()
    path = segment.path_of(pen.path, 1)
    whole = path.read_bytes()
    cut_at = whole.rstrip(b"\n").rfind(b"\n") + 20
    path.write_bytes(whole[:cut_at])
    opened = Books.open(pen.path)
    first = opened.ingest()
    path.write_bytes(whole)
    assert opened.ingest() == 1
    assert first + 1 == whole.count(b"\n")
    opened.close()


def test_books_that_stopped_at_a_record_which_is_gone_say_so(pen: Pen) -> None:
    pen.called(pen.run())
    everything(pen.path)
    pen.ledger.close()
    path = segment.path_of(pen.path, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    with pytest.raises(StoreError, match=r"cut or replaced.*made anew"):
        Books.open(pen.path)
    (pen.path / books.FILE).unlink()
    assert everything(pen.path)["runs"]


def test_a_record_that_does_not_follow_stops_the_books_with_its_place(pen: Pen) -> None:
    pen.called(pen.run())
    everything(pen.path)
    path = segment.path_of(pen.path, 1)
    pen.called(pen.run())
    pen.ledger.close()
    data = path.read_bytes()
    opened = Books.open(pen.path)
    at = opened.position
    path.write_bytes(data[: at.offset] + data[at.offset :].replace(b'"n":', b'"m":', 1))
    with pytest.raises(StoreError, match=rf"byte {at.offset}, record {at.sequence + 1}"):
        opened.ingest()
    opened.close()


def test_damage_inside_a_part_is_named_and_nothing_of_the_part_is_booked(pen: Pen) -> None:
    run = pen.run()
    for _ in range(3):
        pen.called(run)
    pen.ledger.close()
    path = segment.path_of(pen.path, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = b"{" * (len(lines[3]) - 1) + b"\n"
    path.write_bytes(b"".join(lines))
    opened = Books.open(pen.path)
    with pytest.raises(StoreError, match=rf"byte {sum(map(len, lines[:3]))}, record 4: .*audit verify"):
        opened.ingest()
    assert opened.query("totals").to_pylist()[0]["calls"] == 0
    opened.close()


def test_an_odd_value_in_one_fact_does_not_stop_the_others(pen: Pen) -> None:
    run = pen.run()
    odd = pen.called(run, usage={"input": 10**30, "output": "many"}, attempt={"a": 1}, stream="perhaps")
    fine = pen.called(run, usage={"input": 3, "output": 4})
    assert rows(pen, "call", call=odd)[0]["input"] == 0
    row = rows(pen, "call", call=fine)[0]
    assert (row["input"], row["cost"]) == (3, Decimal("0.005000001"))


DYING = """
import os, signal, sys
from comptroller.store.books import Books
books, left = Books.open(sys.argv[1]), int(sys.argv[2])
books._writer._size = 2000
do = books._writer._do
def dying(name, params=None):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    do(name, params)
books._writer._do = dying
books.ingest()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
@pytest.mark.parametrize("steps", [5, 23, 40, 61])
def test_a_process_killed_while_it_fills_the_books_neither_loses_nor_doubles(pen: Pen, steps: int) -> None:
    runs = [pen.run() for _ in range(4)]
    for number in range(12):
        pen.called(runs[number % 4], cost=number)
    died = subprocess.run([sys.executable, "-c", DYING, str(pen.path), str(steps)], check=False)
    assert died.returncode == -signal.SIGKILL
    after = everything(pen.path)
    rebuild(pen.path)
    assert everything(pen.path) == after
    assert len(after["calls"]) == 12


def test_books_of_a_newer_version_are_left_alone(pen: Pen) -> None:
    opened = Books.open(pen.path)
    opened._connection.execute("INSERT INTO books.version VALUES (999)")
    opened.close()
    with pytest.raises(StoreError, match=r"version 999.*Upgrade"):
        Books.open(pen.path)


def test_books_of_an_older_version_are_made_anew(pen: Pen) -> None:
    pen.called(pen.run())
    now = everything(pen.path)
    _age(pen)
    assert everything(pen.path) == now


def test_books_of_an_older_version_still_tell_that_the_journal_was_cut(pen: Pen) -> None:
    pen.called(pen.run())
    everything(pen.path)
    _age(pen)
    pen.ledger.close()
    path = segment.path_of(pen.path, 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    with pytest.raises(StoreError, match="cut or replaced"):
        Books.open(pen.path)


def _age(pen: Pen) -> None:
    opened = Books.open(pen.path)
    opened._connection.execute("UPDATE books.version SET number = 1")
    opened._connection.execute("ALTER TABLE books.runs DROP COLUMN opaque")
    opened.close()


def test_the_books_are_for_one_process_at_a_time(pen: Pen) -> None:
    opened = Books.open(pen.path)
    with pytest.raises(Busy):
        Books.open(pen.path)
    with pytest.raises(Busy, match="Stop it first"):
        rebuild(pen.path)
    opened.close()
    Books.open(pen.path).close()


def test_a_file_that_is_not_a_database_is_told_with_its_remedy(pen: Pen) -> None:
    (pen.path / books.FILE).write_bytes(b"not a database, " * 1000)
    with pytest.raises(StoreError, match="remove it: the books are made anew"):
        Books.open(pen.path)


def test_a_place_without_a_ledger_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no ledger here"):
        Books.open(tmp_path)


def test_without_duckdb_one_line_says_what_to_install(pen: Pen, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(books, "import_module", absent)
    with pytest.raises(StoreError, match=r"^Reading a ledger needs DuckDB. Install comptroller\[server\].$"):
        Books.open(pen.path)


def test_both_supported_lines_of_duckdb_can_read_the_file(pen: Pen) -> None:
    everything(pen.path)
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{pen.path / books.FILE}' AS b (READ_ONLY)")
    (tags,) = connection.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'b'").fetchone()
    assert "v1.5.0" in str(tags)
    connection.close()
