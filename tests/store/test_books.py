"""The books: filled once from what the journal says, whatever happens in between."""

import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

duckdb = pytest.importorskip("duckdb")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from comptroller.core.clock import FrozenClock  # noqa: E402
from comptroller.core.errors import StoreError  # noqa: E402
from comptroller.core.facts import Fact  # noqa: E402
from comptroller.core.settings import Limits, Settings  # noqa: E402
from comptroller.store import books, segment, statements  # noqa: E402
from comptroller.store.books import Books, Busy, rebuild  # noqa: E402
from comptroller.store.ledger import Ledger  # noqa: E402

NANO = 1_000_000_000
WHO = {"tenant": "default", "customer": "acme", "workflow": "loans", "agent": "fraud"}
TABLES = (
    "calls",
    "open_calls",
    "texts",
    "runs",
    "other_costs",
    "agents",
    "decisions",
    "claims",
    "costs_daily",
    "policies",
    "outcome_events",
    "txns",
    "postings",
    "invoices",
    "invoice_lines",
    "invoice_events",
    "calls_hourly",
    "runs_hourly",
    "causes_daily",
    "decisions_daily",
    "delegations_daily",
    "passed_on",
)


class Pen:
    """Writes facts into a real ledger, with a clock that stands still unless moved."""

    def __init__(self, path: Path, segment_mb: int = 64) -> None:
        self.clock = FrozenClock()
        self.path = path
        self.ledger = Ledger.open(path, Settings(limits=Limits(segment_mb=segment_mb)), self.clock)

    def fact(self, what: str, run: str = "", call: str = "", /, **data: object) -> str:
        self.clock.tick(0.001)
        fact = Fact(what, self.clock.new_id(), self.clock.now_ns(), run, call, data)
        self.ledger.record(fact)
        return fact.id

    def run(self, **more: object) -> str:
        id = self.clock.new_id()
        self.fact("run.opened", id, **{**WHO, **more})
        return id

    def opened(self, run: str, call: str = "", **more: object) -> str:
        call = call or self.clock.new_id()
        self.fact("call.opened", run, call, **{**WHO, "kind": "model", "name": "gpt-4o", **more})
        return call

    def closed(self, run: str, call: str, cost: int = 5_000_001, **more: object) -> str:
        now = self.clock.now_ns()
        said = {
            "kind": "model",
            "name": "gpt-4o",
            "started": now,
            "ended": now + NANO,
            "status": "ok",
            "action": "allow",
        }
        used = {"cost": cost, "currency": "USD", "usage": {"input": 100, "output": 7}}
        self.fact("call.closed", run, call, **{**WHO, **said, **used, **more})
        return call

    def called(self, run: str, **more: object) -> str:
        return self.closed(run, self.opened(run), **more)

    def lost(self, run: str, call: str, nanos: int = 9 * NANO) -> None:
        self.fact("hold.expired", run, call, hold={"id": call, "lines": [["run:x", "USD", nanos]]}, reason="killed")


@pytest.fixture
def pen(tmp_path: Path):
    made = Pen(tmp_path / "ledger")
    yield made
    made.ledger.close()


def rows(pen: Pen, query: str, **params: object) -> list[dict[str, object]]:
    opened = Books.open(pen.path)
    try:
        opened.ingest()
        return opened.query(query, params).to_pylist()
    finally:
        opened.close()


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All tables, each in an order of its own."""
    opened = Books.open(path)
    try:
        opened.ingest()
        return {
            name: opened._connection.execute(f"SELECT * FROM books.{name} ORDER BY ALL").fetchall() for name in TABLES
        }
    finally:
        opened.close()


def test_a_call_becomes_one_row_with_its_exact_cost(pen: Pen) -> None:
    call = pen.called(pen.run(), cost=1_234_567_891, model="gpt-4o-2024-08-06")
    (row,) = rows(pen, "call", call=call)
    assert (row["cost"], row["currency"], row["model"]) == (Decimal("1.234567891"), "USD", "gpt-4o-2024-08-06")
    assert (row["input"], row["output"], row["status"]) == (100, 7, "ok")


def test_a_run_sums_its_calls_and_knows_its_first_error(pen: Pen) -> None:
    run = pen.run(budget=[2_500_000_000, "USD"])
    pen.called(run)
    pen.called(run, status="error", error={"type": "Timeout", "message": "no answer"})
    pen.called(run, status="error", error={"type": "Later", "message": "again"})
    pen.called(run, status="denied", action="deny", cost=0)
    pen.fact("run.closed", run, status="error", error={"type": "RuntimeError"})
    (row,) = rows(pen, "run", run=run)
    assert (row["calls"], row["failed"], row["refused"], row["cost"]) == (4, 2, 1, Decimal("0.015000003"))
    assert (row["status"], row["error"], row["budget"]) == ("error", "RuntimeError", Decimal("2.5"))
    assert rows(pen, "errors")[0]["cause"] == "Later: again"


def test_what_is_ingested_in_many_parts_is_what_a_rebuild_makes(pen: Pen) -> None:
    run, other = pen.run(), pen.run(customer="globex")
    calls = [pen.opened(run) for _ in range(4)]
    everything(pen.path)
    pen.closed(run, calls[0], decisions=[{"stage": "model", "action": "note", "rule": "r", "because": "b"}])
    pen.lost(run, calls[1])
    everything(pen.path)
    pen.closed(run, calls[1], cost=3)
    pen.lost(other, pen.opened(other))
    pen.fact("claim", run, type="loan.decided", subject="app-1", degree="0.5", **WHO)
    pen.fact("run.closed", run, status="ok")
    before = everything(pen.path)
    rebuild(pen.path)
    assert everything(pen.path) == before


MOVES = st.lists(
    st.tuples(st.sampled_from(["open", "close", "lose", "ingest", "agent", "euro"]), st.integers(0, 5)), max_size=25
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_no_order_of_facts_and_ingests_makes_other_books(moves: list[tuple[str, int]], tmp_path_factory) -> None:
    pen = Pen(tmp_path_factory.mktemp("books") / "ledger")
    try:
        run = pen.run()
        for move, number in moves:
            call = f"{number:032x}"
            if move == "open":
                pen.opened(run, call)
            elif move in ("close", "euro"):
                pen.closed(
                    run,
                    call,
                    cost=number,
                    currency="EUR" if move == "euro" else "USD",
                    error="boom" if number == 3 else "",
                )
            elif move == "lose":
                pen.lost(run, call, nanos=number)
            elif move == "agent":
                pen.fact("agent.closed", run, span=pen.fact("agent.opened", run, **WHO), status="ok")
            else:
                everything(pen.path)
        before = everything(pen.path)
        rebuild(pen.path)
        assert everything(pen.path) == before
    finally:
        pen.ledger.close()


def test_every_sum_of_the_rollups_foots_with_the_calls(pen: Pen) -> None:
    for number in range(30):
        run = pen.run(customer=f"c{number % 3}")
        for _ in range(number % 4):
            pen.called(run, cost=number * 7 + 1)
    tables = everything(pen.path)
    cost = sum(row[31] for row in tables["calls"])
    assert cost > 0
    assert sum(row[29] for row in tables["runs"]) == cost == sum(row[11] for row in tables["costs_daily"])
    assert sum(row[14] for row in tables["calls_hourly"]) == cost
    assert sum(row[4] for row in tables["runs_hourly"]) == len(tables["runs"])


STORIES = st.lists(
    st.tuples(
        st.sampled_from(["run", "agent", "end", "ok", "error", "denied", "lose", "open", "ingest"]),
        st.integers(0, 3),
        st.sampled_from(["ours", "theirs"]),
    ),
    max_size=30,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories=STORIES)
def test_whatever_happens_every_sum_of_the_books_foots(stories, tmp_path_factory) -> None:
    pen = Pen(tmp_path_factory.mktemp("books") / "ledger")
    try:
        for move, number, tenant in stories:
            _tell(pen, move, f"{tenant}-{number}", f"{number:031x}{len(tenant) % 2}", {**WHO, "tenant": tenant})
        before = everything(pen.path)
        found = {row["source"]: [] for row in rows(pen, "sums")}
        for row in rows(pen, "sums"):
            found[row["source"]].append((row["currency"], row["calls"], row["cost"]))
        same = [("calls", "days", "hours"), ("runs", "calls of runs"), ("causes", "failed calls")]
        for group in [*same, ("rules", "decisions"), ("hours of runs", "all runs")]:
            # A sum of nothing may stand for no row at all.
            told = [[row for row in found.get(name, ()) if row[1] or row[2]] for name in group]
            assert all(each == told[0] for each in told), group
        rebuild(pen.path)
        assert everything(pen.path) == before
    finally:
        pen.ledger.close()


def _tell(pen: Pen, move: str, run: str, call: str, who: dict[str, object]) -> None:
    failed = {"status": "error", "error": {"type": "E", "message": f"of {run}"}}
    said = {"stage": "model", "action": "deny", "rule": "r", "policy": "p", "because": "b"}
    if move == "run":
        pen.fact("run.opened", run, **who)
    elif move == "agent":
        opened = pen.fact("agent.opened", run, **who, parent=call)
        pen.fact("agent.opened", run, **{**who, "agent": "helper"}, parent=opened)
        pen.fact("agent.closed", run, **who, span=opened, status="error")
    elif move == "end":
        pen.fact("run.closed", run, **who, **failed)
    elif move == "open":
        pen.opened(run, call, **who)
    elif move == "lose":
        pen.lost(run, call)
    elif move == "ingest":
        everything(pen.path)
    else:
        more = {"ok": {}, "error": failed, "denied": {"status": "denied", "decisions": [said], "cost": 0}}[move]
        pen.closed(run, call if move == "error" else pen.clock.new_id(), **{**who, **more})


def test_the_same_call_told_twice_is_counted_once(pen: Pen) -> None:
    run = pen.run()
    call = pen.called(run)
    pen.closed(run, call, cost=77)
    everything(pen.path)
    pen.closed(run, call, cost=78)
    pen.opened(run, call)
    tables = everything(pen.path)
    assert len(tables["calls"]) == 1
    assert not tables["open_calls"]
    assert rows(pen, "run", run=run)[0]["cost"] == Decimal("0.005000001")


def test_a_call_without_an_end_is_open_and_a_lost_one_is_charged_its_estimate(pen: Pen) -> None:
    run = pen.run()
    call = pen.opened(run)
    assert [row["status"] for row in rows(pen, "run_tree", run=run)] == ["open"]
    pen.lost(run, call, nanos=2 * NANO)
    (row,) = rows(pen, "call", call=call)
    assert (row["status"], row["cost"], row["estimated"], row["error"]) == ("expired", 2, True, "killed")
    assert rows(pen, "run", run=run)[0]["unfinished"] == 0


def test_a_lost_call_that_is_all_there_is_to_read_counts_in_its_run(pen: Pen) -> None:
    run = pen.run()
    call = pen.opened(run)
    everything(pen.path)
    pen.lost(run, call, nanos=2 * NANO)
    row = rows(pen, "run", run=run)[0]
    assert (row["calls"], row["failed"], row["cost"]) == (1, 1, 2)


def test_a_reply_after_all_corrects_what_was_charged_for_a_lost_call(pen: Pen) -> None:
    run = pen.run()
    call = pen.opened(run)
    pen.lost(run, call, nanos=2 * NANO)
    everything(pen.path)
    pen.closed(run, call, cost=5)
    row = rows(pen, "run", run=run)[0]
    assert (row["calls"], row["failed"], row["cost"]) == (1, 0, Decimal("0.000000005"))
    assert [row["cost"] for row in rows(pen, "cost_by_agent_model_day")] == [Decimal("0.000000005")]


def test_currencies_are_never_added_to_one_another(pen: Pen) -> None:
    run = pen.run()
    for cost, currency in ((NANO, "USD"), (2 * NANO, "EUR"), (3 * NANO, "USD")):
        pen.called(run, cost=cost, currency=currency)
        everything(pen.path)
    row = rows(pen, "run", run=run)[0]
    assert (row["cost"], row["currency"]) == (4, "USD")
    assert row["other_costs"] == [{"currency": "EUR", "cost": Decimal(2)}]


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


def test_a_record_of_many_megabytes_is_read(pen: Pen) -> None:
    pen.fact("snapshot", purse={"x": "y" * 3_000_000})
    call = pen.called(pen.run())
    opened = Books.open(pen.path)
    opened._writer._size = 64 * 1024
    opened.ingest()
    assert len(opened.query("call", {"call": call}).to_pylist()) == 1
    opened.close()


def test_catching_up_ends_while_others_go_on_writing(pen: Pen, monkeypatch: pytest.MonkeyPatch) -> None:
    run = pen.run()
    opened = Books.open(pen.path)
    before, ingest = opened.position.sequence, opened._writer._ingest

    def meanwhile(piece: object) -> None:
        assert opened.position.sequence < before + 50, "it follows those who write for ever"
        pen.called(run)
        ingest(piece)  # type: ignore[arg-type]

    monkeypatch.setattr(opened._writer, "_ingest", meanwhile)
    pen.called(run)
    assert opened.ingest() == opened.position.sequence - before < 10
    opened.close()


def test_parts_of_any_size_across_segments_make_the_same_books(tmp_path: Path) -> None:
    pen = Pen(tmp_path / "ledger", segment_mb=1)
    run = pen.run()
    for _ in range(700):
        pen.called(run, because="p" * 1200)
    pen.ledger.close()
    assert len(segment.numbers(pen.path)) > 1
    opened = Books.open(pen.path)
    opened._writer._size = 100_000
    opened.ingest()
    assert opened.query("run", {"run": run}).to_pylist()[0]["calls"] == 700
    opened.close()


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


def test_failures_are_told_in_words_and_odd_ones_as_they_are(pen: Pen) -> None:
    run = pen.run()
    said = [{"type": "upstream", "status": 429, "message": '{"error":{"type":"slow_down","message":"wait"}}'}, "{odd"]
    calls = [pen.called(run, status="error", error=error) for error in said]
    told = [rows(pen, "call", call=call)[0]["error"] for call in calls]
    assert told == ["429 slow_down: wait", "{odd"]


def test_attempts_are_counted_from_one(pen: Pen) -> None:
    run = pen.run()
    pen.called(run)
    pen.called(run, attempt=1)
    assert [row["attempt"] for row in rows(pen, "run_tree", run=run)] == [1, 2]


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


def test_nothing_in_the_books_is_indexed(pen: Pen) -> None:
    opened = Books.open(pen.path)
    assert opened._connection.execute("SELECT count(*) FROM duckdb_indexes()").fetchone() == (0,)
    assert opened._connection.execute(
        "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL'"
    ).fetchone() == (0,)
    opened.close()


def test_a_policy_version_is_kept_once_with_its_text(pen: Pen) -> None:
    files = [{"path": "a.yaml", "digest": "d", "text": "policy: a"}]
    for _ in range(2):
        pen.fact("policy.loaded", version="v1", rules=3, files=files)
        everything(pen.path)
    (row,) = everything(pen.path)["policies"]
    assert (row[1], row[3], row[6]) == ("v1", 3, "policy: a")


def test_findings_and_shadows_are_on_the_list_of_decisions(pen: Pen) -> None:
    run = pen.run()
    found = {"stage": "model", "action": "redact", "rule": "guards.secrets", "because": "a key"}
    shadow = {"stage": "model", "action": "deny", "rule": "later", "because": "soon", "shadow": True}
    pen.called(run, decisions=[{**found, "findings": [{"kind": "secrets.aws", "count": 2}]}, shadow])
    first, second = rows(pen, "run_decisions", run=run)
    assert (first["findings"], first["shadow"]) == ("secrets.aws x2", False)
    assert second["shadow"] is True
    assert {row["rule"] for row in rows(pen, "decisions_by_policy")} == {"guards.secrets", "later"}


def test_every_migration_has_a_number_of_its_own() -> None:
    numbers = [number for number, _ in statements.migrations()]
    assert numbers == sorted(set(numbers))


def test_what_a_fact_carries_beyond_the_books_is_left_to_the_journal(pen: Pen) -> None:
    call = pen.called(pen.run(), something={"new": [1, 2]}, because="ünïcode \u202e")
    assert rows(pen, "call", call=call)[0]["because"] == "ünïcode \u202e"
    assert json.dumps(rows(pen, "totals")[0]["calls"]) == "1"
