"""Somebody else's SELECT sees one tenant's rows, computes, and reaches nothing else."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.metering.invoice import Invoice, Line, Totals
from comptroller.office.invoices import encode
from comptroller.store.books import Books
from comptroller.store.grammar import BadQuestion, views
from comptroller.store.ledger import Ledger
from comptroller.store.question import Bounds, Whose, truncated
from comptroller.store.reader import Reader

OURS, THEIRS = Whose("ours"), Whose("theirs")
NARROWED = ("runs", "calls", "agents", "decisions", "claims", "outcome_events")
OWED = ("txns", "postings", "invoices", "invoice_lines", "invoice_events")
START = 1_767_225_600_000_000_000


def money(number: int, tenant: str, customer: str) -> Iterator[Fact]:
    """An outcome that was invoiced, and the invoice given up."""
    key, whose = f"{tenant}:{customer}:2026-01", {"tenant": tenant, "customer": customer}
    yield Fact("outcome", f"k{number}:claim", START, data={"outcome": f"k{number}", "type": "claim"})
    txn = {**whose, "cause": "c", "kind": "finalised", "at": START, "period": "2026-01"}
    yield Fact("books.txn", f"t{number}", START, data={**txn, "postings": [["unbilled", "USD", 0]]})
    lines, days = (Line("minimum", "Minimum", "", 0, 0),), ("2026-01-01", "2026-01-31")
    invoice = Invoice(key, tenant, customer, "c", "1", "2026-01", *days, "USD", lines, Totals(0, 0, 0), f"INV-{number}")
    told: dict[str, object] = {
        **whose,
        "event": "finalised",
        "invoice": key,
        "number": invoice.number,
        "document": encode(invoice),
    }
    yield Fact("books.invoice", f"i{number}", START, data=told)
    yield Fact("books.invoice", f"w{number}", START, data={"event": "uncollectible", "invoice": key})


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asked") / "ledger"
    made = Ledger.open(path, Settings(), FrozenClock())
    for number, (tenant, customer) in enumerate(
        [("ours", "acme"), ("ours", "bolt"), ("theirs", "acme"), ("it's", "x")]
    ):
        who: dict[str, object] = {"tenant": tenant, "customer": customer, "workflow": "w", "agent": "a"}
        run, call = f"r{number}", f"c{number}"
        said = {"stage": "model", "action": "note", "rule": "r", "policy": "p", "because": tenant}
        used = {"cost": 10**9, "currency": "USD", "status": "ok", "started": START, "ended": START}
        made.record(Fact("run.opened", f"o{number}", START, run, data=who))
        made.record(Fact("agent.opened", f"s{number}", START, run, data=who))
        made.record(Fact("call.closed", f"e{number}", START, run, call, {**who, **used, "decisions": [said]}))
        made.record(Fact("claim", f"k{number}", START, run, data={**who, "type": "t", "subject": "s", "degree": "1"}))
        for fact in money(number, tenant, customer):
            made.record(fact)
    made.close()
    return path


@pytest.fixture(scope="module")
def books(ledger: Path) -> Iterator[Books]:
    made = Books.open(ledger)
    made.ingest()
    yield made
    made.close()


def ask(books: Books, sql: str, whose: Whose = OURS, bounds: Bounds | None = None) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in books.ask(sql, whose, bounds or Bounds()).to_pylist()]


@pytest.mark.parametrize("view", [*NARROWED, *OWED])
def test_every_view_holds_the_rows_of_one_tenant_alone(view: str, books: Books) -> None:
    assert ask(books, f"SELECT count(*) FROM {view}") == [(2,)]
    assert ask(books, f"SELECT count(*) FROM {view}", THEIRS) == [(1,)]
    assert ask(books, f"SELECT count(*) FROM {view}", Whose("nobody")) == [(0,)]


def test_a_key_for_one_customer_sees_that_customers_rows(books: Books) -> None:
    assert ask(books, "SELECT customer, calls, cost::VARCHAR FROM costs_daily", Whose("ours", "bolt")) == [
        ("bolt", 1, "1.000000000")
    ]


@pytest.mark.parametrize("view", OWED)
def test_money_is_a_customers_and_never_of_one_workflow_or_user(view: str, books: Books) -> None:
    assert ask(books, f"SELECT count(*) FROM {view}", Whose("ours", "bolt")) == [(1,)]
    assert ask(books, f"SELECT count(*) FROM {view}", Whose("ours", workflow="w")) == [(0,)]
    assert ask(books, f"SELECT count(*) FROM {view}", Whose("ours", user="u")) == [(0,)]


def test_a_name_with_a_quote_in_it_is_a_name(books: Books) -> None:
    assert ask(books, "SELECT customer FROM runs", Whose("it's")) == [("x",)]
    assert ask(books, "SELECT customer FROM runs", Whose("' OR '1' = '1")) == []


@pytest.mark.parametrize("name", views())
def test_every_view_can_be_asked(name: str, books: Books) -> None:
    assert books.ask(f"FROM {name}", OURS, Bounds()).num_columns > 2


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
        "WITH mine AS (SELECT * FROM calls) SELECT customer, sum(cost) OVER (ORDER BY customer) FROM mine",
        "SELECT * FROM calls c JOIN runs r USING (run) LEFT JOIN decisions d ON d.call = c.call ORDER BY ALL",
        "SELECT row_number() OVER (), date_trunc('month', started), quantile_cont(cost, 0.5) OVER () FROM calls",
        "SELECT list_transform([1, 2], lambda x: x + 1), {'a': 1}, CASE WHEN 1 BETWEEN 0 AND 2 THEN 'x' END, now()",
        "SELECT * FROM (PIVOT calls ON customer IN ('acme', 'bolt') USING sum(cost))",
        "SELECT * FROM range(3) t(i), unnest([1, 2]) u(j) LIMIT 2",
        "SELECT DISTINCT ON (customer) customer FROM calls GROUP BY ROLLUP (customer) HAVING count(*) > 0",
        "VALUES (1), (2)",
        "(SELECT 1 LIMIT 1) UNION ALL BY NAME SELECT 2",
        "SELECT count(*) FROM calls WHERE EXISTS (SELECT 1 FROM runs WHERE runs.run = calls.run)",
    ],
)
def test_what_analysts_write_is_answered(sql: str, books: Books) -> None:
    assert books.ask(sql, OURS, Bounds()).num_rows >= 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM books.calls",
        "SELECT * FROM memory.main.calls",
        "SELECT * FROM temp.calls",
        "SELECT * FROM fresh",
        "SELECT * FROM duckdb_views()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM query('SELECT * FROM books.calls')",
        "SELECT * FROM query_table('calls')",
        "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
        "SELECT (SELECT count(*) FROM books.calls)",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM books.calls)",
        "SELECT [x FOR x IN (SELECT list(call) FROM books.calls)]",
        "SELECT 1 ORDER BY (SELECT max(call) FROM books.calls)",
        "SELECT 1 LIMIT (SELECT count(*) FROM books.calls)",
        "SELECT current_setting('temp_directory')",
        "SELECT getvariable('x')",
        "SELECT sleep_ms(1000)",
        "SELECT nextval('s')",
        "SELECT write_log('x')",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM (DESCRIBE books.calls)",
        "SELECT * FROM (WITH sqlite_master AS (SELECT 1) SELECT 1), sqlite_master",
        "SELECT * FROM (WITH duckdb_tables AS (SELECT 1) SELECT 1), duckdb_tables",
        "SELECT * FROM (WITH \"/etc/passwd\" AS (SELECT 1) SELECT 1), '/etc/passwd'",
        "SELECT * FROM (WITH policies AS (SELECT 1) SELECT 1), policies",
        "SELECT * FROM (WITH cursor AS (SELECT 1) SELECT 1), cursor",
        "DESCRIBE calls",
        "SUMMARIZE calls",
        "SHOW ALL TABLES",
        "SHOW TABLES",
        "WITH gone AS (DELETE FROM books.calls RETURNING *) SELECT * FROM gone",
        "WITH new AS (INSERT INTO books.calls SELECT * FROM books.calls RETURNING *) SELECT * FROM new",
        "DELETE FROM books.calls",
        "DROP TABLE books.calls",
        "CREATE TABLE x (a INTEGER)",
        "COPY calls TO '/tmp/x'",
        "ATTACH '/tmp/x'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET threads = 1",
        "CALL pragma_version()",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT 1",
        "EXECUTE x",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE books.calls",
        "SELECT $1",
        "SELECT x'",
        "",
        ";",
        "SELECT 'a\0b'",
    ],
)
def test_what_reaches_beyond_the_views_is_refused(sql: str, books: Books) -> None:
    with pytest.raises(BadQuestion):
        books.ask(sql, OURS, Bounds())
    assert books.query("totals").to_pylist()[0]["calls"] == 4


def test_a_mistake_in_the_question_is_told_in_a_line(books: Books) -> None:
    with pytest.raises(BadQuestion, match=r"nosuch.*Mend the query\.") as told:
        books.ask("SELECT nosuch FROM calls", OURS, Bounds())
    assert "\n" not in str(told.value)


def test_rows_beyond_the_bound_are_left_out_and_the_answer_says_so(books: Books) -> None:
    cut = books.ask("SELECT * FROM range(100000)", OURS, Bounds(rows=5000))
    assert (cut.num_rows, truncated(cut)) == (5000, True)
    whole = books.ask("SELECT * FROM range(5000)", OURS, Bounds(rows=5000))
    assert (whole.num_rows, truncated(whole)) == (5000, False)


def test_bytes_beyond_the_bound_are_left_out_too(books: Books) -> None:
    cut = books.ask("SELECT repeat('x', 100) FROM range(100000)", OURS, Bounds(rows=10**6, bytes=1 << 20))
    assert truncated(cut)
    assert 0 < cut.nbytes <= 1 << 20


def test_an_answer_of_which_not_even_the_beginning_fits_is_refused(books: Books) -> None:
    with pytest.raises(BadQuestion, match="too large") as told:
        books.ask("SELECT repeat('x', 10000000)", OURS, Bounds(bytes=1 << 20))
    assert told.value.code == "answer_too_large"


ENDLESS = "SELECT count(*) FROM range(10000000000) a, range(10000000000) b WHERE a.range + b.range = -1"


def test_a_question_that_takes_too_long_is_stopped(books: Books) -> None:
    with pytest.raises(BadQuestion, match=r"more than 0\.05 s") as told:
        books.ask(ENDLESS, OURS, Bounds(seconds=0.05))
    assert told.value.code == "query_too_slow"


def test_a_question_can_be_given_up_while_it_runs(books: Books) -> None:
    stops: list[threading.Timer] = []

    def begin(interrupt: object) -> None:
        # Again and again: an interrupt that comes before the engine has begun is lost.
        def stop() -> None:
            interrupt()  # type: ignore[operator]
            if not done.is_set():
                begin(interrupt)

        stops.append(threading.Timer(0.02, stop))
        stops[-1].start()

    done = threading.Event()
    try:
        with pytest.raises(BadQuestion) as told:
            books.ask(ENDLESS, OURS, Bounds(seconds=60), begin)
    finally:
        done.set()
        for stop in stops:
            stop.join()
    assert told.value.code == "query_given_up"


def test_the_engine_itself_is_shut_whatever_a_question_says(books: Books) -> None:
    import duckdb

    cursor = books._connection.cursor()
    for sql in ("SELECT * FROM read_text('/etc/hostname')", "SET threads = 1", "ATTACH '/tmp/nowhere.duckdb'"):
        with pytest.raises(duckdb.Error):
            cursor.execute(sql)
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    with pytest.raises(duckdb.Error):
        cursor.execute("DELETE FROM books.calls")
    cursor.close()


def test_a_process_that_has_the_books_answers_for_others_in_the_same_bounds(ledger: Path, books: Books) -> None:
    books.close()
    with Reader.open(ledger, serve=True) as keeper, Reader.open(ledger) as other:
        assert (keeper.local, other.local) == (True, False)
        assert other.ask("SELECT count(*) AS n FROM calls", OURS, Bounds()).to_pylist() == [{"n": 2}]
        assert truncated(other.ask("FROM range(9)", OURS, Bounds(rows=3)))
        with pytest.raises(BadQuestion) as told:
            other.ask("FROM books.calls", OURS, Bounds())
        assert told.value.code == "bad_query"
