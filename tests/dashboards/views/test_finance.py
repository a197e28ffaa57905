"""The pages of finance over a town of agents: outcomes, invoices and drafts, contracts, unit economics."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

pytest.importorskip("duckdb")

import comptroller as ct
from comptroller.core.clock import FrozenClock
from comptroller.dashboards import source
from comptroller.dashboards.listing import Wanted
from comptroller.dashboards.source import Source
from comptroller.dashboards.views import contract_terms, finance, invoice_papers
from comptroller.office.people import Person
from tests.dashboards import town
from tests.dashboards.house import Here, again, connected, html, look, parts, somebody, texts
from tests.dashboards.town import Town

FIONA, CARLA = somebody("finance", "fiona"), somebody("compliance", "carla")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, Here]]:
    found = town.build(tmp_path_factory.mktemp("town"))
    with connected(found.ledger, found.config) as here:
        yield found, here


@pytest.fixture
def made(house: tuple[Town, Here]) -> Town:
    return house[0]


@pytest.fixture
def here(house: tuple[Town, Here]) -> Here:
    return house[1]


def shown(key: str, person: Person = FIONA, **query: str) -> AppTest:
    page = look(key, person, **query)
    assert not page.exception, page.exception[0].stack_trace
    return page


def press(page: AppTest, key: str, reason: str = "", person: Person = FIONA) -> AppTest:
    """Press what asks first, give the reason, and confirm. A test's run is of the whole page, so both are pressed."""
    page.button(key=key).click()
    again(page, person)
    if reason:
        page.text_input(key=f"{key}_why").set_value(reason)
    page.button(key=key).click()
    page.button(key=f"{key}_yes").click()
    return again(page, person)


def table(page: AppTest, caption: str) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = next(one["rows"] for one in parts(page, "table") if one["caption"] == caption)
    return found


def keys(page: AppTest) -> set[str]:
    return {str(button.key) for button in page.button}


def ask(here: Here, path: str, **query: object) -> Any:
    return here.call(FIONA.who, "GET", path, query, None)


# -- outcomes


def test_outcomes_are_counted_by_state_and_each_figure_leads_to_its_rows(made: Town) -> None:
    page = shown("outcomes")
    assert "/outcomes?state=disputed%2Cdisputed_unbilled" in html(page)
    disputed = shown("outcomes", state="disputed,disputed_unbilled")
    (row,) = table(disputed, "Outcomes")
    assert (row[0]["t"], row[0]["h"]) == ("order-2", f"/outcomes?id={made['order-2']}")
    assert [head["t"] for head in parts(disputed, "table")[0]["heads"] if head["i"]] == ["Our cost", "Margin"]


def test_an_outcome_tells_who_said_what_and_until_when_it_can_be_answered(made: Town) -> None:
    page = shown("outcomes", id=made["order-2"])
    history = [[cell["t"] for cell in row[1:4]] for row in table(page, "History of this outcome")]
    assert ["Disputed", "acme", "The customer never got the money."] in history
    assert "both sides can add evidence until" in html(page)
    assert "✓ Check paid passed" in html(page)


def test_evidence_is_read_by_compliance_and_not_by_finance(made: Town) -> None:
    theirs = shown("outcomes", CARLA, id=made["order-1"])
    assert any('"paid": true' in str(code.value) for code in theirs.code)
    assert not keys(theirs) & {"oc_dispute", "oc_reopen"}
    mine = shown("outcomes", id=made["order-1"])
    assert not mine.code
    assert "their texts are for admin and compliance" in html(mine)
    assert {"oc_dispute", "oc_reopen"} <= keys(mine)


def test_an_outcome_that_is_not_there_says_where_to_look() -> None:
    assert "There is no such outcome" in html(shown("outcomes", id="nothing"))


def test_an_export_of_outcomes_holds_more_than_one_step_of_rows(monkeypatch: pytest.MonkeyPatch, made: Town) -> None:
    monkeypatch.setattr(finance, "STEP", 2)
    monkeypatch.setattr("comptroller.dashboards.frame.source", lambda: Source(FIONA.who))
    found = finance.pages("/api/outcomes", "outcomes", Wanted({}, "claimed", True, 100_000, 0))
    assert found.total == len(found.rows) == len({row["outcome"] for row in found.rows}) > 4


# -- the journey of finance: from a drop of the margin to the credit note


def test_finance_goes_from_a_margin_to_the_disputed_outcome_and_to_the_credit_note(made: Town, here: Here) -> None:
    page = press(shown("outcomes", id=made["order-2"]), "oc_uphold", "The bank never paid it out.")
    event = ask(here, f"/api/outcomes/{made['order-2']}")["events"][-1]
    assert (event["type"], event["actor"], event["because"]) == ("upheld", "fiona", "The bank never paid it out.")
    assert not keys(page) & {"oc_uphold", "oc_refuse"}

    movers = table(shown("economics"), "What moved the margin")
    disputes = next(row for row in movers if row[0]["t"] == "Disputes")
    assert disputes[1]["t"] == "\u2212$1.50"
    month = ask(here, "/api/economics")["month"]
    assert disputes[4]["h"] == f"/outcomes?taken_back={month}"

    (row,) = table(shown("outcomes", taken_back=month), "Outcomes")
    invoice = made["invoice acme"]
    assert (row[0]["t"], row[8]["h"]) == ("order-2", f"/invoices?inv={invoice}")
    notes = table(shown("invoices", inv=invoice), "Credit notes")
    assert [cell["t"] for cell in notes[0]][3] == f"…{made['order-2'][-8:]}"

    page = shown("invoices", inv=invoice, outcome=made["order-3"])
    press(page, "inv_credit", "It was late, too.")
    note = ask(here, f"/api/invoices/{invoice}/account")["credit_notes"][-1]
    assert note["because"] == "It was late, too."
    record = here.call(somebody().who, "GET", "/api/audit/records", {"kind": "books.invoice", "limit": 5}, None)
    assert "fiona" in {row["by"] for row in record["records"]}


# -- invoices


def test_an_open_period_is_a_draft_that_cannot_be_closed_before_it_is_over(made: Town) -> None:
    page = shown("invoices")
    rows = table(page, "Open periods")
    assert {row[2]["t"] for row in rows} == {"Draft"}
    to = next(row[0]["h"] for row in rows if row[0]["t"] == "acme")
    period = to.rpartition("period=")[2]
    draft = shown("invoices", customer="acme", period=period)
    assert "Draft for acme" in html(draft)
    assert draft.button(key="inv_finalise").disabled
    assert "The period still runs" in html(draft)
    assert "Refund resolved" in texts(draft)


def test_an_invoice_has_shaded_columns_checks_in_words_and_its_outcomes(made: Town) -> None:
    page = shown("invoices", inv=made["invoice acme"])
    assert f"Invoice {made['invoice acme']}" in html(page)
    assert "Every outcome on it has evidence." in html(page)
    lines = next(one for one in parts(page, "table") if one["caption"] == "Lines")
    assert [head["t"] for head in lines["heads"] if head["i"]] == ["Our cost", "Margin"]
    assert lines["rows"][0][0]["h"] == f"/invoices?inv={made['invoice acme']}&line=0"
    assert len(table(page, f"Outcomes of {made['invoice acme']}")) == 4
    only = shown("invoices", inv=made["invoice acme"], search="order-4")
    assert len(table(only, f"Outcomes of {made['invoice acme']}")) == 1


def test_who_may_only_read_invoices_has_no_button_to_change_one(made: Town) -> None:
    assert not {key for key in keys(shown("invoices", CARLA, inv=made["invoice acme"])) if key.startswith("inv_")}
    assert "inv_pay" in keys(shown("invoices", inv=made["invoice acme"]))


def test_a_payment_is_taken_in_once_with_its_reference(made: Town, here: Here) -> None:
    number = made["invoice bolt"]
    page = shown("invoices", inv=number)
    assert page.button(key="inv_pay").disabled
    page.text_input(key="pay_amount").set_value("0.50")
    page.text_input(key="pay_reference").set_value("SEPA 7")
    again(page, FIONA)
    press(page, "inv_pay")
    assert [(one["reference"], one["amount"]) for one in ask(here, f"/api/invoices/{number}/account")["payments"]] == [
        ("SEPA 7", "0.50")
    ]
    assert "inv_void" not in keys(shown("invoices", inv=number))


def test_an_amount_that_is_none_is_refused_in_words(made: Town) -> None:
    page = shown("invoices", inv=made["invoice bolt"])
    page.text_input(key="cn_amount").set_value("a lot")
    again(page, FIONA)
    page = press(page, "inv_credit", "Just so.")
    assert 'role="alert"' in html(page)


def test_a_period_that_is_over_is_finalised_by_the_person_who_says_so(tmp_path: Path, here: Here) -> None:
    late = town.build(tmp_path)
    try:
        with connected(late.ledger, late.config) as there:
            with there.bureau.books() as keeper:
                keeper.desk.clock = FrozenClock(keeper.desk.clock.now_ns() + 40 * town.DAY * town.NS)
            draft = there.call(FIONA.who, "GET", "/api/drafts", {"customer": "acme"}, None)["drafts"][0]
            page = press(shown("invoices", customer="acme", period=draft["period"]), "inv_finalise")
            number = "".join(page.query_params["inv"])
            assert there.call(FIONA.who, "GET", f"/api/invoices/{number}", {}, None)["period"] == draft["period"]
            asked = {"kind": "books.invoice", "by": "fiona"}
            records = there.call(somebody().who, "GET", "/api/audit/records", asked, None)["records"]
            assert [row["about"].get("number") for row in records] == [number]
    finally:
        source.connect(here)


def test_lines_as_csv_are_exact_and_no_formula_runs() -> None:
    line = {"line": 0, "title": "=1+1", "net": "1.000000001", "cost": None}
    data = invoice_papers._lines({"currency": "USD", "lines": [line]}, "x").data
    (row,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    assert (row["title"], row["net"], row["currency"]) == ("'=1+1", "1.000000001", "USD")


# -- contracts


def test_a_contract_is_told_in_words_with_its_text_and_its_versions(made: Town) -> None:
    listed = table(shown("contracts"), "Contracts")
    assert [row[0]["t"] for row in listed] == ["acme", "bolt"]
    page = shown("contracts", customer="acme")
    assert ["Refund resolved", "$1.50 each", "–"] in [
        [c["t"] for c in row] for row in table(page, "Prices of outcomes")
    ]
    assert "VAT 20 % reverse charge" in html(page)
    assert any("seller:" in str(code.value) for code in shown("contracts", customer="acme", tab="text").code)
    assert len(table(shown("contracts", customer="acme", tab="versions"), "Versions")) == 1
    assert "There is no such contract" in html(shown("contracts", customer="nobody"))


def test_another_contract_is_tried_on_a_past_month_and_nothing_is_saved(made: Town, here: Here) -> None:
    month = ask(here, f"/api/invoices/{made['invoice bolt']}")["period"]
    page = shown("contracts", customer="bolt", tab="whatif", month=month)
    area = page.text_area[0]
    area.set_value(str(area.value).replace("'1.50'", "'3.00'"))
    page.button(key="trial_go").click()
    again(page, FIONA)
    fee = next(row for row in table(page, "Both sides of bolt") if row[0]["t"] == "Refund resolved")
    assert [cell["t"] for cell in fee[1:]] == ["1", "1.50", "$1.35", "1", "3.00", "$2.70", "+$1.35"]
    assert "'1.50'" in ask(here, "/api/contract", customer="bolt")["versions"][0]["text"]


def test_what_is_wrong_with_a_text_is_said_with_its_line(made: Town) -> None:
    page = shown("contracts", customer="acme", tab="whatif")
    page.text_area[0].set_value("contract: a\ncustomer: acme\nform: 2026-01-01\ncurrency: USD\n")
    page.button(key="trial_go").click()
    again(page, FIONA)
    assert "This text cannot be tried" in html(page)
    assert "Line 3" in html(page)


def test_tiers_are_a_table_and_every_other_term_is_told() -> None:
    tiers = [{"up_to": 20, "unit": 0.95}, {"unit": 0.85}]
    assert contract_terms.worded({"model": "graduated", "tiers": tiers}, "EUR").endswith("2 tiers, below")
    assert contract_terms.plain({"reasons": ["fraud"], "percent": 50}) == "reasons fraud, percent 50"


# -- unit economics


def test_economics_tell_a_month_beside_the_one_before_by_what_is_asked(made: Town) -> None:
    page = shown("economics", by="customer")
    rows = table(page, "Unit economics by customer in USD")
    assert {"acme", "bolt"} <= {row[0]["t"] for row in rows}
    assert any("/outcomes?verified=" in str(row[0].get("h")) for row in rows)
    movers = table(page, "What moved the margin")
    assert {row[0]["t"] for row in movers} == {"Disputes", "Price", "Mix", "Cost per success"}
    assert len(table(page, "Months in USD")) >= 2


# -- all of them


@pytest.mark.parametrize("key", ["outcomes", "invoices", "contracts", "economics"])
def test_an_empty_ledger_teaches(tmp_path: Path, here: Here, key: str) -> None:
    with ct.open(tmp_path / "ledger"):
        pass
    try:
        with connected(tmp_path / "ledger"):
            assert 'class="ct-empty"' in html(shown(key))
    finally:
        source.connect(here)
