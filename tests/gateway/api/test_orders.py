"""Orders over HTTP: by who may, about what is theirs, with their name on record."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from tests.gateway.api.house import OURS, THEIRS, Api, api

ANN = replace(OURS, person="Ann", rights=("api:orders", "api:read"))
AGENT = replace(OURS, rights=("api:write",))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Api]:
    with api(tmp_path) as made:
        yield made


def test_a_run_is_stopped_and_goes_on_by_somebody_with_a_name(house: Api) -> None:
    run = house.runs[0]
    told = house.post("/api/orders/kill", {"run": run, "because": "It loops."}, ANN)
    assert (told.status, told["killed"]) == (200, True)
    row = house.get("/api/orders", ANN)["killed"][0]
    assert (row["scope"], row["who"], row["by"], row["because"]) == ("run", run, ANN.signature, "It loops.")
    assert "Ann" in ANN.signature
    assert list(house.bureau.desk.ledger.stops) == [f"run:{run}"]
    assert house.get("/api/orders", THEIRS)["killed"] == []
    assert house.post("/api/orders/revive", {"run": run}, ANN)["killed"] is False
    assert house.get("/api/orders", ANN)["killed"] == []


def test_nobody_orders_what_is_anothers_or_without_the_right(house: Api) -> None:
    ours, theirs = house.runs[0], house.runs[2]
    for path, more in (("kill", {}), ("revive", {}), ("cap", {"cap": "9 USD"})):
        assert house.post(f"/api/orders/{path}", {"run": ours, **more}, AGENT).status == 403
        assert house.post(f"/api/orders/{path}", {"run": theirs, **more}, ANN).status == 404
    assert house.post("/api/orders/kill", {"tenant": "theirs"}, ANN).status == 403
    assert house.post("/api/orders/kill", {"key": "key_nobody"}, ANN).status == 404
    acme = replace(ANN, customer="acme")
    assert house.post("/api/orders/kill", {"agent": "clerk"}, acme).status == 403
    assert house.post("/api/orders/kill", {"call": "c_nobody"}, ANN).status == 404
    for wrong in ({}, {"run": ours, "agent": "clerk"}):
        assert house.post("/api/orders/kill", wrong, ANN).status == 400


def test_a_cap_set_by_hand_is_the_one_that_budgets_tell(house: Api) -> None:
    run = house.runs[0]
    made = house.post("/api/orders/cap", {"run": run, "cap": "7.50 USD", "because": "Worth it."}, ANN)
    assert (made.status, made["cap"], made["by"]) == (200, "7.50 USD", ANN.signature)
    rows = [row for row in house.get(f"/api/budgets?run={run}", ANN)["budgets"] if row["per"] == "run"]
    assert [(row["cap"], row["place"]) for row in rows] == [("7.50", f"comptroller budgets set --run {run}")]
    assert house.get(f"/api/orders?run={run}", ANN)["caps"][0]["cap"] == "7.50 USD"
    assert house.post("/api/orders/cap", {"run": run, "cap": "7.50 CHF"}, ANN).status == 400


def test_the_months_end_is_told_to_whom_it_concerns_with_the_way_it_is_reckoned(house: Api) -> None:
    told = house.get("/api/spend/forecast", ANN)
    (row,) = told["rows"]
    assert row["spent"] == row["expected"] != "0.00"
    assert "last 7 whole days" in told["method"]
    acme = replace(ANN, customer="acme")
    assert house.get("/api/spend/forecast", acme)["rows"][0]["spent"] < row["spent"]
    assert house.get("/api/spend/forecast?customer=bolt", acme).status == 403
