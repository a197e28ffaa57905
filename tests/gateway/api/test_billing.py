"""Billing over HTTP: open periods, cost and margin per line, checks before closing, and papers to take away."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from tests.gateway.api.books import books
from tests.gateway.api.house import OURS, THEIRS, Api

ACME = replace(OURS, customer="acme")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Api]:
    with books(tmp_path) as made:
        yield made


def test_open_periods_tell_what_they_would_come_to_and_write_nothing(house: Api) -> None:
    rows = house.get("/api/drafts")["drafts"]
    assert {row["customer"] for row in rows} == {"acme", "bolt"}
    mine = [row for row in rows if row["customer"] == "acme"]
    assert [row["over"] for row in mine] == [True] * (len(mine) - 1) + [False]
    assert sum(row["outcomes"] for row in mine) == 1
    assert mine[-1]["totals"]["net"] == "10.00"
    assert mine[-1]["economy"] == {"cost": "0.00", "margin": "10.00"}
    assert house.get("/api/invoices")["invoices"] == []
    assert {row["customer"] for row in house.get("/api/drafts", ACME)["drafts"]} == {"acme"}
    page = house.get("/api/drafts?limit=1")
    assert page["next"] == "acme"
    assert {row["customer"] for row in house.get("/api/drafts?after=acme")["drafts"]} == {"bolt"}


def test_a_draft_has_its_lines_and_passes_its_checks(house: Api) -> None:
    told = house.get("/api/draft?customer=acme")
    assert [line["kind"] for line in told["lines"]] == ["outcome", "minimum"]
    assert (told["lines"][0]["outcomes"], told["lines"][0]["cost"], told["lines"][0]["margin"]) == (1, "0.00", "1.50")
    assert told["lines"][1]["cost"] is None
    assert {check["id"]: check["level"] for check in told["checks"]} == dict.fromkeys(
        ("evidence", "postings", "disputed", "twice", "undecided", "usage", "unpriced", "balance"), "ok"
    )
    billed = house.get("/api/draft/outcomes?customer=acme")
    assert [row["outcome"] for row in billed["outcomes"]] == [house.runs[0]]
    assert house.get("/api/draft?customer=acme", replace(THEIRS, customer="bolt")).status == 404
    assert house.get("/api/draft?customer=nobody").error["code"] == "not_found"


def test_an_invoice_is_told_as_finance_looks_at_it(house: Api) -> None:
    house.post("/api/books/close", {"early": True})
    number = house.get("/api/invoices?customer=acme")["invoices"][0]["number"]
    account = house.get(f"/api/invoices/{number}/account")
    assert {check["level"] for check in account["checks"]} == {"ok"}
    assert account["economy"]["margin"] == account["totals"]["net"]
    assert house.get(f"/api/invoices/{number}/account", THEIRS).status == 404
    assert house.get(f"/api/invoices/{number}/outcomes")["total"] == account["outcomes"]


def test_all_that_is_left_is_given_back_and_the_note_can_be_taken_away(house: Api) -> None:
    house.post("/api/books/close", {})
    number = house.get("/api/invoices?customer=acme")["invoices"][0]["number"]
    note = house.post(f"/api/invoices/{number}/credit", {"reference": "r1", "because": "Sorry."})
    assert (note.status, note["net"]) == (200, "10.00")
    again = house.post(f"/api/invoices/{number}/credit", {"reference": "r2"})
    assert (again.status, again.error["code"]) == (409, "nothing_left")
    listed = house.get("/api/credit-notes")["credit_notes"]
    assert [(row["number"], row["customer"]) for row in listed] == [(note["number"], "acme")]
    assert house.get("/api/credit-notes", THEIRS)["credit_notes"] == []
    drawn = house.get(f"/api/credit-notes/{note['number']}")
    assert drawn.body.startswith(b"%PDF")
    assert note["number"] in drawn.headers["content-disposition"]
    assert house.get(f"/api/credit-notes/{note['number']}", THEIRS).status == 404


def test_an_outcome_is_given_back_by_what_it_came_to_on_its_own_invoice_only(house: Api) -> None:
    house.post("/api/books/close", {})
    number = house.get("/api/invoices?customer=acme")["invoices"][0]["number"]
    said = {"reference": "r", "outcome": house.runs[1]}
    assert house.post(f"/api/invoices/{number}/credit", said).error["place"] == "body.outcome"


def test_a_recount_pack_is_a_file_and_its_evidence_needs_a_right(house: Api) -> None:
    house.post("/api/books/close", {})
    number = house.get("/api/invoices?customer=acme")["invoices"][0]["number"]
    made = house.get(f"/api/invoices/{number}/pack")
    assert "manifest.json" in zipfile.ZipFile(io.BytesIO(made.body)).namelist()
    reader = replace(OURS, rights=("api:read",))
    assert house.get(f"/api/invoices/{number}/pack?evidence=true", reader).status == 403


def test_invoices_are_sorted_counted_and_drawn_for_whoever_says_no_accept(house: Api) -> None:
    house.post("/api/books/close", {"early": True})
    page = house.get("/api/invoices?sort=customer&rising=true&limit=1&offset=1")
    whole = house.get("/api/invoices?sort=customer&rising=true")
    assert (page["total"], page["invoices"]) == (len(whole["invoices"]), whole["invoices"][1:2])
    assert [row["customer"] for row in whole["invoices"]] == sorted(row["customer"] for row in whole["invoices"])
    for sort in ("issued", "due", "total", "open"):
        assert len(house.get(f"/api/invoices?sort={sort}")["invoices"]) == page["total"]
    number = whole["invoices"][0]["number"]
    assert house.get(f"/api/invoices/{number}?form=pdf").body.startswith(b"%PDF")
    assert b"<html" in house.get(f"/api/invoices/{number}?form=html").body.lower()
    assert house.get(f"/api/invoices/{number}?form=json")["number"] == number


def test_outcomes_are_told_by_state_with_what_they_come_to(house: Api) -> None:
    told = house.get("/api/books/outcomes")
    assert [(row["state"], row["outcomes"], row["fees"]) for row in told["states"]] == [
        ("verified", 2, {"USD": "3.00"})
    ]
    assert (told["types"], told["customers"]) == (["refund.resolved"], ["acme", "bolt"])
    assert house.get("/api/books/outcomes?until=2020-01-01")["states"] == []
    only = house.get("/api/books/outcomes", ACME)
    assert (only["customers"], only["states"][0]["fees"]) == (["acme"], {"USD": "1.50"})


def test_outcomes_are_found_by_states_and_by_the_month_something_was_taken_back_in(house: Api) -> None:
    listed = house.get("/api/outcomes?state=verified,billed&sort=fee&offset=1")
    assert (listed["total"], len(listed["outcomes"])) == (2, 1)
    row = listed["outcomes"][0]
    assert (row["fee"], row["cost"], row["margin"]) == ("1.50", "0.00", "1.50")
    assert house.get("/api/outcomes?state=lost").status == 400
    month = row["verified"][:7]
    assert house.get(f"/api/outcomes?verified={month}")["total"] == 2
    assert house.get("/api/outcomes?verified=2020-01")["total"] == 0
    key = row["outcome"]
    house.post(f"/api/outcomes/{key}/dispute", {"because": "Not done."})
    assert house.get(f"/api/outcomes?taken_back={month}")["total"] == 0
    house.post(f"/api/outcomes/{key}/resolve", {"upheld": True, "because": "They are right."})
    assert [one["outcome"] for one in house.get(f"/api/outcomes?taken_back={month}")["outcomes"]] == [key]
    assert house.get(f"/api/outcomes?taken_back={month}", THEIRS)["total"] == 0


def test_an_outcome_tells_its_checks_and_what_they_said(house: Api) -> None:
    told = house.get(f"/api/outcomes/{house.runs[0]}")
    assert told["checks"] == [{"check": "paid", "verdict": "pass"}]
    assert told["clawback_reasons"] == []
