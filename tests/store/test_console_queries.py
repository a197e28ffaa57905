"""What the console asks: each query answers for the tenant and customer it is asked for, and nobody else."""

from collections.abc import Iterator

import pytest

pytest.importorskip("duckdb")

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.store import statements
from comptroller.store.books import Books
from comptroller.store.ledger import Ledger

START = 1_767_225_600_000_000_000
SINCE = "2026-01-01T00:00:00Z"
OURS, THEIRS = "acme", "globex"
OF_RUN = ("run_tree", "run_texts", "run_decisions", "run_claims", "run_inner", "run_handovers")
CONSOLE = [name for name in statements.names() if name.startswith("console_")]
NOBODYS = ("console_position", "console_tables")  # how far the books have come; what only who sees all may ask
MUST = {
    "console_overview": {"since": SINCE, "before": "2025-12-31T00:00:00Z"},
    "console_good_runs": {"workflow": "acme-flow"},
}


def story(tenant: str, number: int) -> list[Fact]:
    """One tenant's day: every name in it tells whose it is."""
    ids = iter(f"{number:02d}{n:030d}" for n in range(100))
    who: dict[str, object] = {
        "tenant": tenant,
        "customer": f"{tenant}-customer",
        "workflow": f"{tenant}-flow",
        "agent": f"{tenant}-agent",
    }
    model = {**who, "kind": "model", "name": f"{tenant}-model", "parent": f"{tenant}-span"}
    said = {
        "stage": "model",
        "action": "note",
        "rule": f"{tenant}-rule",
        "policy": f"{tenant}-policy",
        "because": tenant,
    }
    ended = {"started": START + 10**9, "ended": START + 2 * 10**9, "cost": 10**9, "currency": "USD"}
    failed = {"status": "error", "error": {"type": "E", "message": f"{tenant} broke"}}
    run, inner, good = f"{tenant}-run", f"{tenant}-inner", f"{tenant}-good"
    facts = [
        ("run.opened", run, "", who),
        ("agent.opened", run, "", {**who, "parent": run}),
        ("call.opened", run, f"{tenant}-call", model),
        ("call.closed", run, f"{tenant}-call", {**model, **ended, **failed, "decisions": [said], "request": [tenant]}),
        ("call.opened", run, f"{tenant}-open", model),
        ("claim", run, "", {**who, "type": f"{tenant}-type", "subject": "s"}),
        ("run.opened", inner, "", {**who, "outer": run}),
        ("run.closed", inner, "", {**who, "status": "error", "error": {"type": f"{tenant}-error"}}),
        ("guard.failed", run, f"{tenant}-call", {**who, "guard": f"{tenant}-guard", "error": tenant}),
        ("agent.handed_over", run, "", {**who, "to": f"{tenant}-senior", "because": tenant}),
        ("call.closed", good, f"{tenant}-fine", {**model, **ended, "status": "ok", "estimated": True}),
        ("run.closed", good, "", {**who, "status": "ok"}),
    ]
    return [
        Fact(kind, f"{tenant}-span" if kind == "agent.opened" else next(ids), START + 10**9, of, call, data)
        for kind, of, call, data in facts
    ]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    path = tmp_path_factory.mktemp("two") / "ledger"
    ledger = Ledger.open(path, Settings(), FrozenClock())
    for ours, theirs in zip(story(OURS, 1), story(THEIRS, 2), strict=True):
        ledger.record(ours)
        ledger.record(theirs)
    ledger.close()
    made = Books.open(path)
    made.ingest()
    yield made
    made.close()


def asked(name: str, **whose: str) -> dict[str, object]:
    run = {"run": f"{THEIRS}-run"} if "run" in statements.query(name).parameters else {}
    return {**({} if "workflow" in statements.query(name).parameters else run), **MUST.get(name, {}), **whose}


@pytest.mark.parametrize("name", [*CONSOLE, *OF_RUN])
def test_every_query_of_the_console_takes_tenant_and_customer(name: str) -> None:
    assert {"tenant", "customer"} <= statements.query(name).parameters


@pytest.mark.parametrize("whose", [{"tenant": OURS}, {"customer": f"{OURS}-customer"}])
@pytest.mark.parametrize("name", [*CONSOLE, *OF_RUN])
def test_a_query_tells_nothing_of_another_tenant_or_customer(name: str, whose: dict[str, str], books: Books) -> None:
    found = books.query(name, asked(name, **whose)).to_pylist()
    assert THEIRS not in str(found)
    if name in ("console_run", "console_spans", *OF_RUN):
        assert not found  # it was asked for their run
    elif name not in NOBODYS:
        assert found


@pytest.mark.parametrize("name", [n for n in CONSOLE if n not in (*NOBODYS, "console_run", "console_good_runs")])
def test_figures_of_one_tenant_are_half_of_those_of_both(name: str, books: Books) -> None:
    counted = ("calls", "runs", "decisions", "opened")
    both, ours = (books.query(name, asked(name, **whose)).to_pylist() for whose in ({}, {"tenant": OURS}))
    for column in counted:
        if both and isinstance(both[0].get(column), int):
            assert sum(row[column] for row in both) == 2 * sum(row[column] for row in ours)


FILTERS: list[tuple[str, object, int]] = [
    ("workflow", f"{OURS}-flow", 3),
    ("status", "error", 2),
    ("status", "ok", 2),
    ("agent", f"{OURS}-agent", 3),
    ("agent", OURS, 0),
    ("model", f"{THEIRS}-model", 2),
    ("cost_from", "0.5", 4),
    ("cost_to", "0.5", 2),
    ("currency", "EUR", 0),
    ("search", f"{OURS}-RUN", 1),
    ("search", "BROKE", 2),
    ("search", "100%", 0),
    ("cause", "E: acme broke", 1),
    ("since", "2026-01-01T00:00:02Z", 0),
    ("until", "2026-01-01T00:00:00Z", 0),
]


@pytest.mark.parametrize(("name", "value", "many"), FILTERS)
def test_runs_and_their_number_are_narrowed_alike(name: str, value: object, many: int, books: Books) -> None:
    assert books.query("console_runs", {name: value}).num_rows == many
    assert books.query("console_runs_count", {name: value}).to_pylist() == [{"runs": many}]
    page = books.query("console_runs", {name: value, "limit": 1}).to_pylist()
    assert [row["total"] for row in page] == [many] * min(many, 1)


CAUSES: list[tuple[dict[str, str], int]] = [
    ({"cause_kind": "model"}, 1),
    ({"cause_kind": "model", "cause_name": "acme-model", "cause_status": "error"}, 1),
    ({"cause_kind": "model", "cause_name": "another"}, 0),
    ({"cause_kind": "tool"}, 0),
    ({"cause_status": "cut"}, 0),
    ({"cause_kind": "run"}, 0),
]


@pytest.mark.parametrize(("narrow", "many"), CAUSES)
def test_the_runs_of_a_cause_are_those_where_just_that_failed_so(
    narrow: dict[str, str], many: int, books: Books
) -> None:
    asked = {"cause": "E: acme broke", **narrow}
    found = books.query("console_runs", asked).num_rows, books.query("console_runs_count", asked).to_pylist()
    assert found == (many, [{"runs": many}])


def test_the_runs_of_a_cause_without_a_message_are_not_all_runs(books: Books) -> None:
    assert books.query("console_runs", {"cause": ""}).num_rows == 0


@pytest.mark.parametrize("sort", [None, "cost", "calls", "failed", "refused", "took"])
@pytest.mark.parametrize("rising", [True, False])
def test_page_after_page_shows_every_run_once(sort: str | None, rising: bool, books: Books) -> None:
    seen: list[str] = []
    after: dict[str, object] = {}
    while page := books.query("console_runs", {"sort": sort, "rising": rising, "limit": 2, **after}).to_pylist():
        seen += [row["run"] for row in page]
        after = {"rank": page[-1]["rank"], "seq": page[-1]["seq"]}
    assert len(seen) == len(set(seen)) == 6


def test_a_run_tells_in_short_why_it_went_wrong_and_who_had_a_part_in_it(books: Books) -> None:
    (row,) = books.query("console_runs", {"search": f"{OURS}-run"}).to_pylist()
    assert (row["reason"], row["agents"], row["models"]) == ("E: acme broke", [f"{OURS}-agent"], [f"{OURS}-model"])


def test_a_cause_is_new_in_the_period_in_which_it_first_struck(books: Books) -> None:
    first = books.query("console_causes", {"tenant": OURS, "since": SINCE}).to_pylist()
    assert {(row["kind"], row["cause"], row["calls"], row["is_new"]) for row in first} == {
        ("model", "E: acme broke", 1, True),
        ("run", "acme-error", 1, True),
    }
    assert not books.query("console_causes", {"since": "2026-01-02T00:00:00Z"}).num_rows


@pytest.mark.parametrize("sort", [None, "calls", "costs", "latest", "first_ever", "new"])
@pytest.mark.parametrize("rising", [True, False])
def test_page_after_page_shows_every_cause_once_and_how_many_there_are(
    sort: str | None, rising: bool, books: Books
) -> None:
    asked = {"sort": sort, "rising": rising, "limit": 3, "since": SINCE}
    pages = [books.query("console_causes", {**asked, "offset": offset}).to_pylist() for offset in (0, 3)]
    seen = [(row["kind"], row["cause"]) for page in pages for row in page]
    assert len(seen) == len(set(seen)) == 4
    assert {row["total"] for page in pages for row in page} == {4}


def test_a_cause_says_on_which_days_it_struck(books: Books) -> None:
    for row in books.query("console_causes", {"since": SINCE}).to_pylist():
        assert row["trend"] == [{"day": row["latest"].date(), "calls": row["calls"]}]


@pytest.mark.parametrize(("narrow", "many"), [({"new": True}, 4), ({"new": False}, 0), ({"search": "BROKE"}, 2)])
def test_causes_and_their_number_are_narrowed_alike(narrow: dict[str, object], many: int, books: Books) -> None:
    found = books.query("console_causes", {"since": SINCE, **narrow, "limit": 1}).to_pylist()
    assert [row["total"] for row in found] == [many] * min(many, 1)


def test_agents_are_edges_to_what_they_called_and_to_those_they_opened(books: Books) -> None:
    found = books.query("console_edges", {"tenant": OURS}).to_pylist()
    assert {(row["caller"], row["kind"], row["callee"], row["calls"]) for row in found} == {
        (f"{OURS}-agent", "model", f"{OURS}-model", 2),
        ("", "agent", f"{OURS}-agent", 1),
    }


def test_before_and_now_are_told_apart(books: Books) -> None:
    later, until = "2026-01-01T01:00:00Z", "2026-01-02T00:00:00Z"
    now, before = books.query("console_overview", {"since": later, "until": until, "before": SINCE}).to_pylist()
    assert (now["period"], now["calls"], before["calls"], before["runs_failed"]) == ("now", 0, 4, 2)
