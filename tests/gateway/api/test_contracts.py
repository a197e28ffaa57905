"""Contracts and unit economics over HTTP: versions with their text, what-if line by line, what a success costs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.core.clock import SYSTEM
from comptroller.office.unit_costs import month_of
from tests.gateway.api.books import books
from tests.gateway.api.house import OURS, THEIRS, Api

ACME = replace(OURS, customer="acme")
DEARER = """
contract: trial
customer: acme
from: 2020-01-01
currency: USD
outcomes: {refund.resolved: 4}
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Api]:
    with books(tmp_path) as made:
        yield made


def test_contracts_are_listed_to_whom_they_concern_with_the_text_they_are_written_in(house: Api) -> None:
    rows = house.get("/api/contracts")["contracts"]
    assert [(row["customer"], row["standing"], row["minimum"]) for row in rows] == [
        ("acme", "in_force", "10.00"),
        ("bolt", "in_force", "10.00"),
    ]
    told = house.get("/api/contract?customer=acme")["versions"][0]
    assert told["terms"]["outcomes"] == {"refund.resolved": 1.5}
    assert "contract: ours-acme" in told["text"]
    assert {row["customer"] for row in house.get("/api/contracts", ACME)["contracts"]} == {"acme"}
    assert house.get("/api/contract?customer=bolt", ACME).status == 404
    assert [row["contract"] for row in house.get("/api/contracts", THEIRS)["contracts"]] == ["theirs-acme"]


def test_another_contract_is_tried_line_by_line_and_nothing_is_written(house: Api) -> None:
    month = month_of(SYSTEM.now_ns())
    told = house.post("/api/contracts/try", {"text": DEARER, "period": month})["customers"][0]
    assert (told["now"]["revenue"], told["then"]["revenue"], told["change"]) == ("10.00", "4.00", "-6.00")
    assert [(line["kind"], line["change"]) for line in told["lines"]] == [("outcome", "2.50"), ("minimum", "-8.50")]
    assert told["outcomes_that_change"] == 1
    assert house.get("/api/contracts")["contracts"][0]["contract"] == "ours-acme"


def test_a_contract_that_is_wrong_or_anothers_is_refused_with_its_place(house: Api) -> None:
    wrong = house.post("/api/contracts/try", {"text": "contract: 1\nprice: x", "period": "2026-11"})
    assert wrong.status == 400
    assert "body.text:" in wrong.error["message"]
    bolt = DEARER.replace("acme", "bolt")
    assert house.post("/api/contracts/try", {"text": bolt, "period": "2026-11"}, ACME).status == 403


def test_unit_economics_tell_what_outcomes_earn_and_cost(house: Api) -> None:
    told = house.get("/api/economics?by=customer")
    assert {(row["name"], row["now"]["outcomes"], row["now"]["margin"]) for row in told["rows"]} == {
        ("acme", 1, "1.50"),
        ("bolt", 1, "1.50"),
    }
    assert told["totals"][0]["movers"]["mix"] == told["totals"][0]["change"] == "3.00"
    assert len(told["trend"]) == 1
    assert [row["name"] for row in house.get("/api/economics?by=customer", ACME)["rows"]] == ["acme"]
    assert house.get("/api/economics?customer=bolt", ACME).status == 403
    assert house.get("/api/economics", replace(OURS, workflow="refunds")).status == 403


def test_a_month_that_the_books_cannot_compare_is_refused_with_its_place(house: Api) -> None:
    assert house.get("/api/economics?month=8830-06").error["place"] == "query.month"
    assert house.get("/api/economics?month=2199-12&months=24").status == 200
    tried = house.post("/api/contracts/try", {"text": DEARER, "period": "8830-06"})
    assert tried.error["place"] == "body.period"
