"""FOCUS over HTTP: what was billed, to whom it may be told."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.office.who import Who
from tests.gateway.api.books import books
from tests.gateway.api.house import OURS, Api

ACME = replace(OURS, customer="acme")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with books(tmp_path_factory.mktemp("focus")) as made:
        assert made.post("/api/books/close", {}).status == 200
        yield made


def rows(house: Api, query: str = "", who: Who = OURS) -> list[dict[str, str]]:
    answer = house.get(f"/api/books/focus{query}", who)
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "text/csv")
    return list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))


def test_every_invoice_of_ones_own_tenant_is_told_by_its_lines(closed: Api) -> None:
    numbers = {row["number"] for row in closed.get("/api/invoices")["invoices"]}
    found = rows(closed)
    assert {row["InvoiceId"] for row in found} == numbers
    assert "InvoiceDetailId" in found[0]
    assert "InvoiceDetailId" not in rows(closed, "?version=1.2")[0]


def test_a_customer_is_told_their_own_and_a_month_its_own(closed: Api) -> None:
    assert {row["BillingAccountId"] for row in rows(closed, "", ACME)} == {"ours/acme"}
    assert {row["BillingAccountId"] for row in rows(closed, "?customer=bolt")} == {"ours/bolt"}
    assert rows(closed, "?period=1999-01") == []


def test_it_is_not_for_who_is_for_a_part_of_a_customer_and_knows_its_versions(closed: Api) -> None:
    assert closed.get("/api/books/focus", replace(OURS, workflow="refunds")).status == 403
    assert closed.get("/api/books/focus?version=2").error["place"] == "query.version"
