"""Receipts over HTTP: told as they were signed, to whom their outcomes concern."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.office import receipts
from comptroller.office.signing import Signer
from tests.gateway.api.books import books
from tests.gateway.api.house import OURS, THEIRS, Api

CUSTOMER = Signer(b"b" * 32)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Api]:
    with books(tmp_path) as made:
        yield made


def test_a_receipt_is_told_as_it_was_signed_once_there_is_one(house: Api) -> None:
    mine = house.runs[0]
    assert "receipts issue" in house.get(f"/api/receipts/{mine}").error["remedy"]
    text, signer = issued(house, mine)
    told = house.get(f"/api/receipts/{mine}")
    assert (told["receipt"], told["countersigned"]) == (text, None)
    assert receipts.check(told["receipt"], {signer.kid: signer.public}.get).said["outcome"] == mine


def test_a_receipt_that_came_back_is_told_with_both_signatures(house: Api) -> None:
    text, signer = issued(house, house.runs[0])
    desk = house.bureau.desk
    back = receipts.countersign(text, CUSTOMER, "acme", desk.clock.now_ns(), signer.public)
    keys = {known.kid: known.public for known in (signer, CUSTOMER)}
    receipts.keep(desk.ledger, desk.clock, receipts.check(back, keys.get), back)
    assert house.get(f"/api/receipts/{house.runs[0]}")["countersigned"] == back


def test_a_receipt_of_somebody_else_is_not_there(house: Api) -> None:
    issued(house, house.runs[0])
    for who in (THEIRS, replace(OURS, customer="bolt")):
        assert house.get(f"/api/receipts/{house.runs[0]}", who).status == 404
    assert house.get(f"/api/receipts/{house.runs[0]}", replace(OURS, customer="acme")).status == 200


def issued(house: Api, key: str) -> tuple[str, Signer]:
    desk, signer = house.bureau.desk, Signer.open(house.bureau.ledger)
    house.bureau.outcomes.work_here()
    outcome = house.bureau.outcomes.registry.outcomes[key]
    return receipts.issue(desk.ledger, desk.clock, signer, outcome, "ours"), signer
