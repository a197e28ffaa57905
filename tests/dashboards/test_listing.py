"""Lists: the address says what is shown, and an export holds all that the filters let through."""

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from comptroller.dashboards import source
from tests.dashboards import house

ROWS = 120


class Nothing:
    """No ledger: these lists make their own rows."""

    def refresh(self) -> None:
        """Nothing moves."""


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    source.connect(Nothing())  # type: ignore[arg-type]
    yield
    source.connect(None)


def script() -> None:
    from comptroller.dashboards import frame, listing
    from comptroller.dashboards.components.table import Cell
    from comptroller.dashboards.listing import Column, Filter, Found, Listing, Wanted

    def find(wanted: Wanted) -> Found:
        rows = [{"id": str(n), "kind": "even" if n % 2 == 0 else "odd"} for n in range(120)]
        rows = [row for row in rows if row["kind"] == wanted.said.get("kind", row["kind"])]
        rows = [row for row in rows if wanted.said.get("search", "") in row["id"]]
        rows.sort(key=lambda row: int(row["id"]), reverse=wanted.falling)
        return Found(rows[wanted.offset : wanted.offset + wanted.limit], len(rows))

    columns = [
        Column("id", "Id", lambda row: Cell(row["id"]), sorts=True),
        Column("kind", "Kind", lambda row: Cell(row["kind"])),
    ]
    filters = [Filter("search", "Search", "search"), Filter("kind", "Kind", "one", ("even", "odd"))]
    frame.begin()
    listing.show(Listing("Things", columns, find, filters, sort="-id", key="id"))
    frame.foot()


def shown(**query: str) -> AppTest:
    page = AppTest.from_function(script, default_timeout=house.TIMEOUT_S)
    for name, value in query.items():
        page.query_params[name] = value
    return house.again(page)


def ids(page: AppTest) -> list[str]:
    return [row[0]["t"] for row in table(page)["rows"]]


def table(page: AppTest) -> dict[str, Any]:
    return house.parts(page, "table")[0]


def test_without_an_address_it_shows_the_first_page_in_its_own_order() -> None:
    page = shown()
    assert not page.exception
    assert ids(page) == [str(n) for n in range(ROWS - 1, ROWS - 51, -1)]
    assert "1–50 of 120" in house.html(page)


def test_the_address_says_filter_order_and_page() -> None:
    assert ids(shown(kind="odd", sort="id", page="2")) == [str(n) for n in range(101, 120, 2)]


@pytest.mark.parametrize("page", ["0", "-1", "x", "9999", "²", "1e9"])
def test_a_page_that_is_none_is_the_first(page: str) -> None:
    assert ids(shown(page=page))[0] == "119"


@pytest.mark.parametrize("sort", ["kind", "-nothing", "id; DROP TABLE runs", ""])
def test_an_order_that_is_none_is_the_lists_own(sort: str) -> None:
    assert table(shown(sort=sort))["sort"] == "-id"


def test_a_filter_goes_into_the_address_and_begins_at_the_first_page() -> None:
    page = shown(page="2")
    page.selectbox[0].select("even")
    house.again(page)
    assert page.query_params["kind"] == "even"
    assert "page" not in page.query_params
    assert ids(page)[0] == "118"


def test_a_search_narrows() -> None:
    page = shown()
    page.text_input[0].input("11")
    house.again(page)
    assert ids(page) == [str(n) for n in range(119, 109, -1)] + ["11"]


def test_the_next_page_is_in_the_address() -> None:
    page = shown()
    next(button for button in page.button if button.label == "Next").click()
    house.again(page)
    assert page.query_params["page"] == "2"
    assert ids(page)[0] == "69"


def test_what_matches_nothing_says_how_to_see_more() -> None:
    assert "Clear a filter" in house.html(shown(search="zzz"))


def test_a_value_that_no_list_offers_still_stands_in_the_filter() -> None:
    page = shown(kind="<b>other</b>")
    assert page.selectbox[0].value == "<b>other</b>"
    assert not page.exception


def test_a_chosen_row_is_in_the_address() -> None:
    assert table(shown(chosen="118"))["chosen"] == "118"
