"""What compliance sees of policies at work: calls explained, controls with their evidence, findings by rule."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("duckdb")

import comptroller as ct
from tests.dashboards.house import Here, again, connected, html, look, parts, somebody, texts

POLICY = """policy: payments
tools:
  pay: {effect: write, args: {payee: string, amount: double}}
rules:
  - {id: dear, on: tool, tool: pay, when: args.amount > 100.0, then: deny, because: Too <b>dear</b>., evidences: [SOC2.CC6.1]}
  - {id: watch, on: tool, tool: pay, then: ask, mode: shadow, evidences: [SOC2.CC8.1]}
  - {id: quiet, on: model, when: run.calls > 99, then: note, evidences: [SOC2.CC6.2]}
needs: {SOC2.CC7.2: Somebody reads the alarms.}
"""  # noqa: E501


@ct.tool(effect="write")
def pay(payee: str, amount: float) -> str:
    return "paid"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    home = tmp_path_factory.mktemp("workshop")
    (home / "payments.yaml").write_text(POLICY, encoding="utf-8")
    config = {"policies": [str(home / "payments.yaml")]}
    with ct.open(home / "ledger", config=config), ct.run("desk", customer="acme") as run:
        for agent, amount in (("clerk", 20.0), ("clerk", 250.0), ("boss", 300.0)):
            with run.agent(agent):
                try:
                    pay("bolt", amount)
                except ct.Denied:
                    continue
    with connected(home / "ledger", config) as here:
        yield here


def cells(page: object, table: int = 0) -> list[dict[str, dict[str, str]]]:
    """The rows of a table, each cell by its column."""
    data = parts(page, "table")[table]  # type: ignore[arg-type]
    return [dict(zip((head["f"] for head in data["heads"]), row, strict=True)) for row in data["rows"]]


def said(link: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def test_findings_are_counted_by_rule_and_each_figure_leads_to_its_list(house: Here) -> None:
    found = {row["rule"]["t"]: row for row in cells(look("policies", somebody("compliance"), tab="findings"))}
    assert (found["dear"]["decisions"]["t"], found["watch"]["shadows"]["t"]) == ("2", "3")
    to = said(found["dear"]["decisions"]["h"])
    assert (to["rule"], to["policy"]) == ("dear", "payments")
    listed = look("audit", somebody("compliance"), **to)
    assert len([cell for cell in texts(listed) if cell == "dear"]) == 2
    assert "Only those of policy payments" in html(listed)


def test_a_rule_says_where_it_spoke(house: Here) -> None:
    rows = cells(look("policies", somebody("compliance"), rule="dear", policy="payments"))
    by = {(row["part"]["t"], row["name"]["t"]): row["enforced"]["t"] for row in rows}
    assert by["Agent", "clerk"] == by["Agent", "boss"] == "1"
    assert (by["Decision", "Denied"], by["Workflow", "desk"], by["Call", "pay"]) == ("2", "2", "2")


def test_controls_tell_what_decided_what_had_nothing_to_say_and_what_no_rule_answers(house: Here) -> None:
    page = look("policies", somebody("compliance"), tab="controls")
    rows = {row["control"]["t"]: row for row in cells(page)}
    assert (rows["SOC2.CC6.1"]["decisions"]["t"], rows["SOC2.CC8.1"]["shadow_decisions"]["t"]) == ("2", "3")
    assert rows["SOC2.CC7.2"]["rule"]["t"] == "No rule"
    assert rows["SOC2.CC7.2"]["needs"]["t"] == "Somebody reads the alarms."
    assert rows["SOC2.CC6.2"]["in_force"].get("b", "") == ""
    assert said(rows["SOC2.CC6.1"]["decisions"]["h"]) == {"rule": "dear", "policy": "payments", "shadow": "false"}
    gaps = look("policies", somebody("compliance"), tab="controls", k_state="gap")
    assert [row["control"]["t"] for row in cells(gaps)] == ["SOC2.CC7.2"]


def test_a_call_typed_in_is_explained_and_a_mistake_in_it_told(house: Here) -> None:
    page = look("policies", somebody("compliance"), tab="explain", of="given")
    page.text_area(key="explain_text").set_value("tool: pay\nargs: {payee: bolt, amount: 120.0}\n")
    page.button[0].click()
    again(page, somebody("compliance"))
    told = html(page)
    assert "Denied by dear." in told
    assert "<code>amount</code> &lt;= 100" in told
    rows = {row["rule"]["t"]: row for row in cells(page)}
    assert (rows["dear"]["says"]["t"], rows["dear"]["saw"]["t"]) == ("Yes", "args.amount = 120.0")
    assert "<b>dear</b>" not in told
    page.text_area(key="explain_text").set_value("tol: pay\n")
    page.button[0].click()
    again(page, somebody("compliance"))
    assert "Did you mean `tool`" in html(page)


def test_a_recorded_call_leads_from_the_trace_to_why_it_was_refused(house: Here) -> None:
    [refused, *_] = house.bureau.reader.rows("console_decisions", rule="dear")
    auditor = somebody("compliance")
    trace = html(look("run", auditor, id=refused["run"], span=refused["call"]))
    assert f"/policies?tab=explain&amp;call={refused['call']}" in trace
    page = look("policies", auditor, tab="explain", call=refused["call"])
    assert not page.exception
    assert "on record as a digest only" in html(page)  # called by code: no reply has its arguments
    assert "There is no ended call" in html(look("policies", auditor, tab="explain", call="nope"))
    assert "No call is named" in html(look("policies", auditor, tab="explain"))


def test_what_a_rule_would_have_asked_leads_to_the_list_of_it(house: Here) -> None:
    rows = {row["rule"]["t"]: row for row in cells(look("approvals", somebody("compliance"), view="rules"))}
    to = said(rows["watch"]["would_ask"]["h"])
    assert (rows["watch"]["would_ask"]["t"], to["shadow"], to["action"]) == ("3", "true", "ask")
    assert len(cells(look("audit", somebody("compliance"), **to))) == 3
