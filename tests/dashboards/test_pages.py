"""Every page for every role: it draws, it is stopped where it is not theirs, and nobody sees another's rows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from comptroller.dashboards import console
from comptroller.dashboards.map import PAGES, WHOLE, Page, may_see, pages_of
from comptroller.office.people import ROLES
from tests.dashboards import town
from tests.dashboards.house import TIMEOUT_S, again, connected, html, look, somebody
from tests.dashboards.town import OURS, THEIRS, Town

H1 = re.compile(r"<h1[^>]*>(.*?)</h1>", re.DOTALL)
FOOT = re.compile(r"script \d+ ms · \d+ quer(y|ies) \d+ ms")
# What an address may name, by page: a link to somebody else's is tried on each.
LINKS = (
    dict.fromkeys(("id", "bad", "run", "chosen"), "run order-1") | {"good": "run order-2", "tab": "talk"},
    dict.fromkeys(("id", "outcome", "chosen", "search"), "order-1"),
    dict.fromkeys(("id", "inv", "invoice", "chosen", "search"), "invoice acme"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town, and the console connected to it."""
    found = town.build(tmp_path_factory.mktemp("town"))
    with connected(found.ledger, found.config):
        yield found


def everything(page: AppTest) -> str:
    """All that was sent to the browser, as one text."""
    found: list[str] = []
    nodes: list[Any] = [page._tree]
    while nodes:
        node = nodes.pop()
        nodes += list(getattr(node, "children", {}).values())
        if (proto := getattr(node, "proto", None)) is not None:
            found.append(str(proto))
    return "\n".join(found)


def where(page: Page) -> dict[str, str]:
    return {"id": "run inv-3"} if page.key == "run" else {}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
def test_a_page_draws_for_who_has_it_and_is_stopped_for_who_has_not(page: Page, role: str, made: Town) -> None:
    asked = {name: made[id] for name, id in where(page).items()}
    shown = look(page.key, somebody(role), **asked)
    assert not shown.exception, shown.exception[0].stack_trace
    if may_see(role, page.key):
        [title] = H1.findall(html(shown))
        assert title.startswith("invoice-matching" if page.key == "run" else page.title)
        assert FOOT.search(html(shown))
    else:
        assert "This page is not for your role." in html(shown)
        assert not H1.findall(html(shown))
        assert page.whose in html(shown)
        assert len(html(shown)) < 500


@pytest.mark.parametrize("role", ROLES)
def test_the_navigation_of_a_role_lists_its_pages_and_no_other(role: str, made: Town) -> None:
    page = AppTest.from_function(_navigation, default_timeout=TIMEOUT_S)
    again(page, somebody(role))
    shown = json.loads(page.text[0].value)
    theirs = [[one.title, one.group, one.listed] for one in pages_of(role)]
    assert [each for each in shown if each in theirs] == theirs
    # The others have an address that says whose they are, and stand in no list.
    assert sorted(each for each in shown if each not in theirs) == sorted(
        [one.title, "", False] for one in PAGES if one not in pages_of(role)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
def test_of_two_tenants_neither_sees_the_other(page: Page, made: Town) -> None:
    ours = [id for name, id in made.ids.items() if id not in made.theirs and not name.startswith("invoice foreign")]
    for tenant, strange in ((OURS, [*made.theirs, made["invoice foreign"]]), (THEIRS, ours)):
        shown = look(page.key, somebody("admin", tenant=tenant))
        assert not shown.exception
        told = everything(shown)
        assert [id for id in strange if id in told] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
def test_a_link_to_what_belongs_to_another_tenant_shows_nothing_of_it(page: Page, made: Town) -> None:
    for link in LINKS:
        asked = {name: made.ids.get(id, id) for name, id in link.items()}
        shown = look(page.key, somebody("admin", tenant=THEIRS), **asked)
        assert not shown.exception, shown.exception[0].stack_trace
        told = everything(shown)
        assert [name for name in ("Refund for order-1", "answer complaints", "order-3", "bolt") if name in told] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
def test_a_person_of_one_customer_sees_that_customer_alone(page: Page, made: Town) -> None:
    shown = look(page.key, somebody("admin", customer="bolt"))
    assert ("This page is not for your role." in html(shown)) == (page.key in WHOLE)
    assert not shown.exception, shown.exception[0].stack_trace
    told = everything(shown)
    assert "acme" not in told.lower()
    assert [id for name, id in made.ids.items() if "order-1" in name and id in told] == []


def test_what_needs_attention_is_named_as_on_the_page_of_failures_and_leads_to_just_that(made: Town) -> None:
    shown = look("overview", somebody("engineer"))
    assert not shown.exception
    said = html(shown)
    assert "/failures?cause=" in said
    assert "&amp;place=" in said
    assert "– spent" not in said


def test_the_whole_console_draws_its_first_page_in_its_frame(made: Town) -> None:
    page = AppTest.from_file(str(Path(console.__file__)), default_timeout=TIMEOUT_S)
    again(page, somebody("finance", "maria"))
    assert not page.exception
    assert "maria" in html(page)
    assert FOOT.search(html(page))


def _navigation() -> None:
    import json

    import streamlit as st

    from comptroller.dashboards import frame, session

    shown = [(group, page) for group, some in frame.pages(session.person()).items() for page in some]
    st.text(json.dumps([[page.title, group, page.visibility == "visible"] for group, page in shown]))
