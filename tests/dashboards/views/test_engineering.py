"""The pages of whoever is on call: compare, failures, agents and live, over a town of agents."""

import json
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import parse_qsl

import httpx
import pytest
from streamlit.testing.v1 import AppTest

pytest.importorskip("duckdb")

from comptroller.dashboards import export
from comptroller.dashboards.views import compare_rows
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.context import current
from comptroller.wrapper.desk import Desk, set_desk
from comptroller.wrapper.run import Run
from comptroller.wrapper.wrap import wrap
from tests.dashboards import town
from tests.dashboards.house import again, connected, html, look, parts, somebody, texts
from tests.dashboards.town import Town

ENGINEER = somebody("engineer", "eve")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    found = town.build(tmp_path_factory.mktemp("town"))
    with Upstream("Hello.") as up, Desk.open(found.ledger, found.config) as desk:
        before = set_desk(desk)
        for name in ("run calm", "run broken"):
            found.ids[name] = greeted(up, breaks=name == "run broken")
        found.ids["run handed"] = handed()
        set_desk(before)
    with connected(found.ledger, found.config):
        yield found


def greeted(up: Upstream, breaks: bool) -> str:
    """A run that says the same each time; the program may break after it."""
    asked = {"model": "gpt-4o", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}
    run = Run("greeting")
    with suppress(RuntimeError), run, run.agent("lookup"):
        with wrap(httpx.Client(base_url=up.url, trust_env=False, timeout=60)) as client:
            client.post("/v1/chat/completions", json=asked).raise_for_status()
        if breaks:
            raise RuntimeError("out of ink")
    return run.id


def handed() -> str:
    """A run whose first agent gives up."""
    run = Run("greeting")
    with run:
        run.attempt(["clerk", "senior"], fails_for_the_clerk)
    return run.id


def fails_for_the_clerk() -> None:
    scope = current()
    if scope is None or scope.identity.agent == "clerk":
        raise ValueError("I cannot.")


def shown(key: str, **query: str) -> AppTest:
    """A page as an engineer sees it."""
    page = look(key, ENGINEER, **query)
    assert not page.exception, page.exception[0].stack_trace
    return page


def tables(page: AppTest) -> dict[str, list[list[str]]]:
    return {one["caption"]: [[cell["t"] for cell in row] for row in one["rows"]] for one in parts(page, "table")}


def links(page: AppTest) -> list[str]:
    return [cell["h"] for one in parts(page, "table") for row in one["rows"] for cell in row if "h" in cell]


def test_without_a_run_the_failed_ones_are_offered_to_compare(made: Town) -> None:
    page = shown("compare")
    assert f"/compare?bad={made['run inv-2']}" in links(page)
    assert f"/compare?bad={made['run inv-1']}" not in links(page)


def test_a_failed_run_is_laid_beside_the_last_good_one_and_said_where_they_part(made: Town) -> None:
    page = shown("compare", bad=made["run inv-2"])
    said = html(page)
    assert "something else was asked: " in said
    assert "First difference" in said
    assert "agent clerk › agent booking" in said
    assert town.BROKE in said
    assert f"/run?id={made['run inv-2']}&amp;span=" in said
    assert page.selectbox[0].value == made["run inv-1"]


def test_what_was_said_differently_is_told_word_by_word_to_who_may_read_texts(made: Town) -> None:
    page = shown("compare", bad=made["run inv-2"], row="0")
    (talk,) = parts(page, "messages")
    assert talk["compared"]
    assert {message["state"] for message in talk["messages"]} >= {"changed"}
    assert "quick" in json.dumps(talk)


def test_without_the_right_to_texts_only_the_differences_are_told(made: Town) -> None:
    someone = somebody("engineer", "eve")
    bare = type(someone)(someone.id, someone.name, "viewer", someone.tenant)
    assert "not for your role" in html(look("compare", bare, bad=made["run inv-2"], row="0"))


def test_equal_calls_are_folded_and_shown_on_demand(made: Town) -> None:
    said = html(shown("compare", bad=made["run broken"], only="no"))
    assert "Nothing differs: both runs took the same course." in said
    assert "1 equal call: " in said
    assert "Every call is equal" in html(shown("compare", bad=made["run broken"]))


def test_an_exported_row_says_what_differs_and_no_spreadsheet_runs_it() -> None:
    side = {"call": "c1", "status": "error", "error": "=cmd()", "cost": "0.10", "currency": "USD"}
    changes = [{"what": "args", "bad": "", "good": "", "message": 0}]
    row = {"what": "changed", "path": ["agent a"], "kind": "tool", "name": "+pay", "count": 1, "changes": changes}
    flat = compare_rows.flat({**row, "bad": side, "good": None})
    line = export.write("csv", compare_rows.FIELDS, [flat]).decode("utf-8-sig").splitlines()[1]
    assert line == "changed,agent a,tool,'+pay,1,other arguments,,,,,,c1,error,'=cmd(),0.10,USD"


def test_a_run_against_itself_and_a_run_of_nobody_are_words_not_errors(made: Town) -> None:
    id = made["run inv-2"]
    assert "This is the same run twice" in html(shown("compare", bad=id, good=id))
    assert "There is no such run" in html(shown("compare", bad="nothing"))
    assert "There is no such good run" in html(shown("compare", bad=id, good="nothing"))


def test_another_good_run_can_be_chosen_and_stands_in_the_address(made: Town) -> None:
    page = shown("compare", bad=made["run inv-2"])
    page.selectbox[0].set_value(made["run inv-0"])
    again(page, ENGINEER)
    assert page.query_params["good"] == made["run inv-0"]
    assert f"/run?id={made['run inv-0']}" in html(page)


def test_failures_are_grouped_by_cause_and_place_with_their_days(made: Town) -> None:
    page = shown("failures")
    (causes,) = parts(page, "table")
    row = next(row for row in causes["rows"] if town.BROKE.partition(" ")[2] in row[0]["t"])
    assert row[1] == {"t": "book_invoice", "b": "tool"}
    assert sum(1 for height in row[3]["v"] if height) == 1
    assert row[6]["b"] == "New in this period"
    assert row[7]["h"] == f"/run?id={made['run inv-2']}"


@pytest.mark.parametrize(
    ("narrow", "there"),
    [({"search": "booked already"}, True), ({"kind": "model"}, False), ({"agent": "booking"}, True),
     ({"agent": "lookup"}, False), ({"workflow": "invoice-matching"}, True), ({"customer": "acme"}, False),
     ({"new": "new"}, True)],
)  # fmt: skip
def test_failures_are_narrowed(narrow: dict[str, str], there: bool, made: Town) -> None:
    assert ("book_invoice" in texts(shown("failures", **narrow))) is there


@pytest.mark.parametrize("sort", ["-calls", "costs", "-latest", "first_ever"])
def test_failures_are_sorted(sort: str, made: Town) -> None:
    assert "book_invoice" in texts(shown("failures", sort=sort))


def test_a_cause_tells_what_helps_and_which_runs_it_struck(made: Town) -> None:
    causes = [link for link in links(shown("failures")) if "place=book_invoice" in link]
    assert len(causes) == 1
    page = shown("failures", **dict(parse_qsl(causes[0].partition("?")[2])))
    said = html(page)
    assert town.BROKE in said
    assert "Mend the tool, or let the agent handle its failure." in said
    assert f"/compare?bad={made['run inv-2']}" in said
    assert [row[0] for row in tables(page)["Runs it struck"]] == [f"…{made['run inv-2'][-8:]}"]
    (trend,) = parts(page, "series")
    assert sum(trend["failed"]) == 1


def test_a_cause_that_did_not_strike_says_so(made: Town) -> None:
    assert "It did not strike in this period" in html(shown("failures", cause="no such thing"))


def test_compliance_may_look_at_failures_and_finance_may_not(made: Town) -> None:
    assert "book_invoice" in texts(look("failures", somebody("compliance")))
    assert "This page is not for your role." in html(look("failures", somebody("finance")))


def test_agents_are_told_with_cost_and_trouble_and_whom_they_call(made: Town) -> None:
    page = shown("agents")
    rows = {row[0]: row for row in tables(page)["Agents"]}
    assert {"clerk", "booking", "payments"} <= set(rows)
    assert rows["booking"][3] == "1"
    (fleet,) = parts(page, "graph")
    names = [node[2] for node in fleet["nodes"]]
    assert {"clerk", "booking", "book_invoice", "gpt-4o"} <= set(names)
    assert "/runs?agent=booking" in links(page)


def test_a_node_of_the_graph_leaves_the_agents_beside_it(made: Town) -> None:
    page = shown("agents", node="tool:book_invoice")
    assert [row[0] for row in tables(page)["Agents"]] == ["booking"]


@pytest.mark.parametrize(
    ("narrow", "there"),
    [({"search": "BOOK"}, True), ({"trouble": "failing"}, True), ({"trouble": "vain"}, False),
     ({"model": "gpt-4o"}, True), ({"workflow": "refund-desk"}, False), ({"customer": "bolt"}, True)],
)  # fmt: skip
def test_agents_are_narrowed(narrow: dict[str, str], there: bool, made: Town) -> None:
    assert ("booking" in texts(shown("agents", **narrow))) is there


@pytest.mark.parametrize("sort", ["agent", "-runs", "calls", "-failed", "refused", "-tokens", "costs", "-per_run"])
def test_agents_are_sorted(sort: str, made: Town) -> None:
    assert "booking" in texts(shown("agents", sort=sort))


def test_live_tells_the_latest_calls_and_the_runs_under_way(made: Town) -> None:
    page = shown("live")
    told = tables(page)
    assert told["Latest calls"][0][2:4] == ["lookup", "gpt-4o"]
    assert f"…{made['run open'][-8:]}" in [row[0] for row in told["Runs under way"]]
    assert "As of" in html(page)


def test_live_is_narrowed_and_paused_in_its_address(made: Town) -> None:
    page = shown("live", agent="booking", paused="yes")
    assert {row[2] for row in tables(page)["Latest calls"]} == {"booking"}
    assert "Paused at" in html(page)
    assert page.toggle[0].value is True
    page.toggle[0].set_value(False)
    again(page, ENGINEER)
    assert "paused" not in page.query_params


def test_live_is_for_engineers(made: Town) -> None:
    assert "This page is not for your role." in html(look("live", somebody("compliance")))


def test_the_trace_says_who_took_over_and_why(made: Town) -> None:
    page = shown("run", id=made.ids["run handed"])
    (trace,) = parts(page, "waterfall")
    badges = {trace["names"][trace["name"][int(at)]]: found for at, found in trace["badges"].items()}
    assert ["Handed over to senior", "plain", "clerk failed (ValueError)."] in badges["clerk"]
    block = trace["prefix"] + trace["ids"][next(int(at) for at in trace["badges"])]
    said = html(shown("run", id=made.ids["run handed"], span=block))
    assert "Handed over to senior" in said
    assert "clerk failed (ValueError)." in said
