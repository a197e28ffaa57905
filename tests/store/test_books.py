"""The books: filled once from what the journal says, whatever happens in between."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

duckdb = pytest.importorskip("duckdb")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from comptroller.store import segment, statements  # noqa: E402
from comptroller.store.books import Books, rebuild  # noqa: E402
from tests.store.pen import NANO, WHO, Pen, everything, rows  # noqa: E402


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
