"""Invoices over HTTP: told to whom they concern, drawn, paid and credited by who may, once."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.core.facts import INVOICE
from comptroller.office.feed import feed_of
from tests.gateway.api.books import books
from tests.gateway.api.house import OURS, THEIRS, Api

ACME = replace(OURS, customer="acme")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Api]:
    with books(tmp_path) as made:
        yield made


@pytest.fixture
def closed(house: Api) -> Api:
    assert house.post("/api/books/close", {}).status == 200
    return house


def numbers(house: Api, query: str = "", who: object = OURS) -> list[str]:
    return [row["number"] for row in house.get(f"/api/invoices{query}", who)["invoices"]]  # type: ignore[arg-type]


def test_closing_invoices_what_is_over_once_and_for_ones_own_tenant(house: Api) -> None:
    made = house.post("/api/books/close", {})
    assert {row["customer"] for row in made["invoices"]} == {"acme", "bolt"}
    assert house.post("/api/books/close", {})["invoices"] == []
    assert numbers(house, who=THEIRS) == []
    theirs = house.post("/api/books/close", {}, THEIRS)["invoices"]
    assert {row["tenant"] for row in theirs} == {"theirs"}


def test_a_key_for_a_customer_closes_and_sees_that_customer_alone(house: Api) -> None:
    assert house.post("/api/books/close", {"customer": "bolt"}, ACME).error["place"] == "body.customer"
    assert {row["customer"] for row in house.post("/api/books/close", {}, ACME)["invoices"]} == {"acme"}
    house.post("/api/books/close", {})
    assert {row["customer"] for row in house.get("/api/invoices", ACME)["invoices"]} == {"acme"}
    bolts = numbers(house, "?customer=bolt")[0]
    assert numbers(house, "?customer=bolt", ACME) == []
    for who in (ACME, THEIRS):
        assert house.get(f"/api/invoices/{bolts}", who).status == 404
        said = {"amount": "1.00 USD", "reference": "r"}
        assert house.post(f"/api/invoices/{bolts}/pay", said, who).status == 404


def test_who_is_for_one_workflow_or_user_sees_no_invoices(closed: Api) -> None:
    for narrow in (replace(OURS, workflow="loans"), replace(OURS, user="ada")):
        assert closed.get("/api/invoices", narrow).status == 403
        assert closed.get(f"/api/invoices/{numbers(closed)[0]}", narrow).status == 403
        assert closed.post("/api/books/close", {}, narrow).status == 403


def test_pages_of_invoices_follow_one_another_and_are_narrowed(closed: Api) -> None:
    whole, paged, last = numbers(closed, "?limit=1000"), list[str](), ""
    while True:
        page = closed.get(f"/api/invoices?limit=3{last}")
        paged += [row["number"] for row in page["invoices"]]
        if page["next"] is None:
            break
        last = f"&after={page['next']}"
    assert paged == whole
    period = closed.get(f"/api/invoices/{whole[0]}")["period"]
    assert {row["period"] for row in closed.get(f"/api/invoices?period={period}")["invoices"]} == {period}
    assert numbers(closed, "?status=void") == []
    assert closed.get("/api/invoices?after=x").error["code"] == "bad_cursor"


def test_an_invoice_is_told_whole_or_drawn(closed: Api) -> None:
    number = numbers(closed)[0]
    told = closed.get(f"/api/invoices/{number}")
    assert (told["number"], told["totals"]["due"], told["lines"][0]["kind"]) == (number, "10.00", "minimum")
    page = closed.ask("GET", f"/api/invoices/{number}", accept="text/html")
    assert (page.headers["content-type"].split(";")[0], number in page.body.decode()) == ("text/html", True)
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    pytest.importorskip("typst")
    assert closed.ask("GET", f"/api/invoices/{number}", accept="application/pdf").body.startswith(b"%PDF")


def test_an_invoice_is_paid_once_for_each_reference(closed: Api) -> None:
    one = f"/api/invoices/{numbers(closed)[0]}"
    for _ in range(2):
        assert closed.post(f"{one}/pay", {"amount": "4.00 USD", "reference": "w1"})["open"] == "6.00"
    note = closed.post(f"{one}/credit", {"amount": "6.00 USD", "reference": "c1", "because": "late"})
    assert (note["net"], note["currency"], note["because"]) == ("6.00", "USD", "late")
    told = closed.get(one)
    assert (told["status"], told["open"], len(told["payments"]), len(told["credit_notes"])) == ("paid", "0.00", 1, 1)
    assert closed.post(f"{one}/void", {}).status == 400
    assert closed.post(f"{one}/pay", {"amount": "1.00 EUR", "reference": "w2"}).error["code"] == "bad_request"


def test_an_invoice_is_taken_back_or_given_up(closed: Api) -> None:
    first, second = numbers(closed)[:2]
    assert closed.post(f"/api/invoices/{first}/void", {"because": "wrong"})["status"] == "void"
    assert closed.post(f"/api/invoices/{second}/write-off", {})["status"] == "uncollectible"
    assert numbers(closed, "?status=void") == [first]


def test_who_took_an_invoice_back_or_gave_it_up_is_on_record(closed: Api) -> None:
    first, second = numbers(closed)[:2]
    closed.post(f"/api/invoices/{first}/void", {})
    closed.post(f"/api/invoices/{second}/write-off", {}, replace(OURS, key="k1", name="clerk"))
    facts = feed_of(closed.bureau.desk, INVOICE).read()
    assert [fact.data["by"] for fact in facts if "because" in fact.data] == ["local", "key clerk"]


def test_reading_the_books_gives_no_right_to_write_them(closed: Api) -> None:
    reader = replace(OURS, rights=("api:read", "api:write", "api:outcomes"))
    one = f"/api/invoices/{numbers(closed, who=reader)[0]}"
    said = {"amount": "1.00 USD", "reference": "r"}
    for path, body in ((f"{one}/pay", said), (f"{one}/credit", said), (f"{one}/void", {}), (f"{one}/write-off", {})):
        assert closed.post(path, body, reader).error["code"] == "not_allowed"
    assert closed.post("/api/books/close", {}, reader).error["code"] == "not_allowed"


def test_what_another_process_did_is_seen(closed: Api) -> None:
    number = numbers(closed)[0]
    from comptroller.core.money import parse_money
    from comptroller.office.keeping import keep_books
    from comptroller.office.settle import pay
    from comptroller.wrapper.desk import Desk

    with Desk.open(closed.bureau.ledger, {"tenant": "ours"}) as desk:
        pay(keep_books(desk, closed.bureau.reader), number, parse_money("10.00 USD"), "w1")
    assert closed.get(f"/api/invoices/{number}")["status"] == "paid"
