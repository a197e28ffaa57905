"""Every named query runs, on a ledger without a record and on one with all kinds of them."""

from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.store import statements
from comptroller.store.books import Books
from comptroller.store.ledger import Ledger
from comptroller.store.usage import FOLDER

RUN, CALL, INNER, GOOD, BAD = "0" * 31 + "1", "0" * 31 + "2", "0" * 31 + "3", "0" * 31 + "4", "0" * 31 + "6"
FILE = {"path": "p.yaml", "digest": "d", "text": "policy: p"}
START = 1_767_225_600_000_000_000
ANSWERS = {
    "run": {"run": RUN},
    "runs_named": {"prefix": "0000"},
    "calls_named": {"prefix": "0000"},
    "run_origins": {"run": GOOD},
    "recorded_votes": {"run": RUN},
    "run_tree": {"run": RUN},
    "run_decisions": {"run": RUN},
    "run_texts": {"run": RUN},
    "run_claims": {"run": RUN},
    "call": {"call": CALL},
    "console_run": {"run": RUN},
    "console_spans": {"run": RUN},
    "console_good_runs": {"workflow": "fine"},
    "console_overview": {"since": "2026-01-01T00:00:00Z"},
    "call_decisions": {"call": CALL},
    "run_inner": {"run": RUN},
    "run_handovers": {"run": RUN},
    "last_good_run": {"run": BAD},
    "policy_files": {"version": "v1"},
    "run_account": {"run": RUN},
    "run_work": {"run": RUN},
    "run_costs": {"run": RUN},
    "run_spending": {},
    "work": {"since": START, "until": START + 10**10},
    "work_costs": {"since": START, "until": START + 10**10},
    "usage_packed": {"tenant": "default", "customer": "acme", "upto": 100},
    "metered": {"since": START, "until": START + 10**9},
}
WHO: dict[str, object] = {"tenant": "default", "customer": "acme", "workflow": "loans", "agent": "fraud"}
FINE: dict[str, object] = {**WHO, "workflow": "fine"}
# Of these one row is the answer where there is nothing yet; the last ones tell of the ledger itself.
ALWAYS = (
    "totals",
    "runs_count",
    "unknown_costs",
    "unpriced_calls",
    "sums",
    "console_runs_count",
    "console_doubts_count",
    "console_health",
    "console_position",
    "console_events",
)


def usage_batch(ledger: Path) -> Fact:
    """One event that counts, and the same told otherwise, which waits."""
    import duckdb

    file = ledger / FOLDER / "batch.parquet"
    file.parent.mkdir()
    duckdb.sql(
        "SELECT 'edge' AS source, 'e1' AS event_id, 'acme' AS customer, 'tokens' AS meter, unnest([1, 2]) AS quantity, "
        "TIMESTAMP '2026-01-01 00:00:00' AS event_ts"
    ).write_parquet(str(file))
    told = {"path": file.name, "digest": sha256(file.read_bytes()).hexdigest(), "rows": 2}
    return Fact("usage", "8", START + 7, data=told)


def money() -> list[Fact]:
    """An outcome, its transaction, its invoice and what was paid for it."""
    line = {"kind": "outcome", "title": "Done", "gross": 10**9, "discount": 0, "tax": 0, "items": [["o1", RUN]]}
    totals = {"subtotal": 10**9, "discount": 0, "tax": 0, "credits": 0}
    document = {"contract": "c", "period": "2026-01", "currency": "USD", "totals": totals, "lines": [line]}
    whose = {"tenant": "default", "customer": "acme"}
    invoice = {"invoice": "i1", "number": "INV-1", **whose}
    rows = [["unbilled", "USD", 10**9], ["deferred", "USD", -(10**9)]]
    said = {
        "outcome": "o1",
        "type": "claim",
        "at": START,
        "evidence": ["d1"],
        "data": {"subject": "s"},
        "state": "claimed",
    }
    posted = {"cause": "e1", "kind": "verified", "at": START, "period": "2026-01", "postings": rows, **whose}
    paid = {"event": "paid", "payment": {"id": "wire-1", "at": START, "nanos": 5}, **invoice}
    return [
        Fact("outcome", "e1", START, RUN, data=said),
        Fact("books.txn", "t1", START, RUN, data={**posted, "about": {"outcome": "o1"}}),
        Fact("books.invoice", "f1", START, data={"event": "finalised", "document": document, **invoice}),
        Fact("books.invoice", "f2", START, data=paid),
    ]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    path = tmp_path_factory.mktemp("filled") / "ledger"
    ledger = Ledger.open(path, Settings(), FrozenClock())
    votes = [{"judge": "careful", "vote": "yes"}]
    said = {"stage": "model", "action": "deny", "rule": "r", "policy": "p", "because": "b", "judged": {"votes": votes}}
    call = {**WHO, "parent": "span", "kind": "model", "name": "gpt-4o"}
    ended = {
        "started": START,
        "ended": START + 10**9,
        "status": "error",
        "error": {"type": "E", "message": "run 123456"},
    }
    origin = {"arg": "to", "label": "user", "sources": ["user"], "tools": []}
    looked = {**FINE, "kind": "tool", "name": "t", "status": "ok", "estimated": True, "tool": {"origins": [origin]}}
    used = {"cost": 1_500_000_000, "currency": "USD", "usage": {"input": 5, "output": 6}}
    for number, fact in enumerate(
        [
            Fact("run.opened", "1", START, RUN, data=WHO),
            Fact("agent.opened", "span", START + 1, RUN, data=WHO),
            Fact("call.opened", "2", START + 2, RUN, CALL, call),
            Fact(
                "call.closed",
                "3",
                START + 3,
                RUN,
                CALL,
                {**call, **ended, **used, "decisions": [said], "request": ["d1"]},
            ),
            Fact("call.opened", "4", START + 4, RUN, "9" * 32, call),
            Fact("claim", "5", START + 5, RUN, data={**WHO, "type": "done", "subject": "s", "degree": "0.25"}),
            Fact("agent.handed_over", "66", START + 5, RUN, data={**WHO, "to": "senior", "because": "It failed."}),
            Fact("run.opened", "7", START + 5, INNER, data={**WHO, "workflow": "inner", "outer": RUN}),
            Fact("policy.loaded", "8", START + 5, data={"version": "v1", "rules": 1, "files": [FILE]}),
            Fact("agent.closed", "6", START + 6, RUN, data={**WHO, "span": "span", "status": "ok"}),
            Fact("call.closed", "9", START + 7, GOOD, "5" * 32, looked),
            Fact("run.closed", "10", START + 8, GOOD, data={**FINE, "status": "ok"}),
            Fact("run.opened", "11", START + 10**6, BAD, data=FINE),
        ]
    ):
        assert number < 13
        ledger.record(fact)
    for fact in (*money(), *money()):  # told twice, they count once
        ledger.record(fact)
    ledger.record(usage_batch(path))
    ledger.close()
    books = Books.open(path)
    books.ingest()
    yield books
    books.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    path = tmp_path_factory.mktemp("empty") / "ledger"
    Ledger.open(path, Settings(), FrozenClock()).close()
    books = Books.open(path)
    books.ingest()
    yield books
    books.close()


@pytest.mark.parametrize("name", statements.names())
def test_every_query_runs_on_an_empty_ledger(name: str, empty: Books) -> None:
    if name == "console_tables":
        return  # one row a table
    assert empty.query(name).num_rows == (1 if name in ALWAYS else 0)


@pytest.mark.parametrize("name", statements.names())
def test_every_query_finds_what_is_there(name: str, filled: Books) -> None:
    assert filled.query(name, ANSWERS.get(name, {})).num_rows > 0


@pytest.mark.parametrize("name", statements.names())
def test_every_query_begins_with_what_it_answers(name: str) -> None:
    assert statements.query(name).sql.startswith("-- ")


def test_a_query_or_parameter_that_does_not_exist_is_told_with_those_that_do(empty: Books) -> None:
    with pytest.raises(StoreError, match=r"no query called 'rums_list'.*runs_list"):
        empty.query("rums_list")
    with pytest.raises(StoreError, match=r"no parameter runn.*It takes: deserted, run"):
        empty.query("run", {"runn": 1})


def test_a_name_is_never_a_path(empty: Books) -> None:
    with pytest.raises(StoreError, match="no query called"):
        empty.query("../schema/001_books")


def test_the_list_of_runs_is_narrowed_by_each_filter(filled: Books) -> None:
    fits = {"workflow": "loans", "customer": "acme", "status": "open", "since": "2026-01-01T00:00:00Z"}
    assert filled.query("runs_list", fits).num_rows == 1
    for name, other in (("workflow", "x"), ("customer", "x"), ("status", "ok"), ("since", "2026-01-02T00:00:00Z")):
        assert filled.query("runs_list", {**fits, name: other}).num_rows == 0


def test_the_tree_has_agents_and_calls_in_order_with_open_ones(filled: Books) -> None:
    found = filled.query("run_tree", {"run": RUN}).to_pylist()
    assert [(row["row"], row["status"]) for row in found] == [("agent", "ok"), ("call", "error"), ("open", "open")]


def test_one_cause_is_one_row_whatever_ids_are_in_its_text(filled: Books) -> None:
    (row,) = filled.query("errors").to_pylist()
    assert (row["cause"], row["cost"], row["currency"]) == ("E: run #", Decimal("1.5"), "USD")


def test_a_filter_that_looks_like_sql_is_only_a_text(filled: Books) -> None:
    assert filled.query("runs_list", {"workflow": "' OR 1=1 --"}).num_rows == 0


def test_what_is_told_of_money_counts_once_and_exactly(filled: Books) -> None:
    found = filled.query("trial_balance").to_pylist()
    assert [(row["account"], row["balance"]) for row in found] == [("deferred", Decimal(-1)), ("unbilled", Decimal(1))]
    (invoice,) = filled.query("invoices").to_pylist()
    assert (invoice["number"], invoice["net"], invoice["paid"]) == ("INV-1", Decimal(1), Decimal("0.000000005"))
    assert filled._connection.execute("SELECT count(*) FROM books.outcome_events").fetchone() == (1,)
    assert filled._connection.execute("SELECT title, amount, outcomes FROM books.invoice_lines").fetchall() == [
        ("Done", Decimal(1), 1)
    ]
