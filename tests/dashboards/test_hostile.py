"""Pages over a ledger just made, a tiny one, and one in which outsiders wrote whatever they should not have."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import unquote_plus, urlencode

import pytest
from streamlit.testing.v1 import AppTest

from comptroller.dashboards import frame
from comptroller.dashboards.export import FORMULA
from comptroller.dashboards.frame import Document
from comptroller.dashboards.map import PAGES, Page
from comptroller.dashboards.views.run import TABS
from tests.dashboards import ledgers
from tests.dashboards.house import connected, html, look, somebody
from tests.dashboards.ledgers import LONG, PAYLOADS
from tests.dashboards.town import Town
from tests.dashboards.walk import walk

ODD = [f"odd {nth}" for nth in range(len(PAYLOADS) + 2)]
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
READ_AS_MARKDOWN = ("markdown", "caption", "error", "warning", "info", "success")
# Markup that is not ours: `look/markup` makes every tag of a page, and escapes all the rest.
STRANGE = re.compile(r"<(img|svg|script|iframe|base|textarea|title|form|input|object|embed|link|meta)\b", re.IGNORECASE)


@dataclass
class Files:
    """What the buttons of pages hand out, instead of to a browser to this test."""

    taken: list[tuple[str, Document]] = field(default_factory=list)

    def download(self, label: str, make: object, name: str, media: str, *, key: str) -> None:
        assert callable(make)
        self.taken.append((name, make()))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    made = ledgers.hostile(tmp_path_factory.mktemp("hostile"))
    with connected(made.ledger, made.config):
        yield made


def fault(address: str, page: AppTest) -> str:
    """What is wrong with a page: it did not draw, or shows data as anything but text. Empty where nothing is."""
    if page.exception:
        error = page.exception[0]
        if CONTROL.search(unquote_plus(address)) and error.proto.type == "Declined":
            return ""  # nobody and nothing is called so, which the console says in words
        return f"{address[:200]}: {error.proto.type}: {error.message[:300]} {_places(error.stack_trace)}"
    markup = html(page)
    if "<h1" not in markup:
        return f"{address[:200]}: no title"
    if found := STRANGE.search(markup):
        return f"{address[:200]}: {markup[max(found.start() - 80, 0) : found.end() + 80]}"
    for kind in READ_AS_MARKDOWN:
        for each in page.get(kind):
            if any(text[:12] in str(each.value) for text in PAYLOADS):
                return f"{address[:200]}: {kind} says {each.value[:100]}"
    return ""


def _places(trace: list[str]) -> str:
    """Where in our own code it happened."""
    return ", ".join(re.findall(r"(?:views/|dashboards/)\S*?(\w+\.py)", "".join(trace))[-3:])


@pytest.mark.parametrize("kind", ["empty", "tiny"])
def test_every_page_and_what_it_leads_to_draws_over_a_small_ledger(kind: str, tmp_path: Path) -> None:
    made: Town = getattr(ledgers, kind)(tmp_path)
    with connected(made.ledger, made.config):
        faults = {address: fault(address, page) for address, page in walk(somebody())}
    assert list(filter(None, faults.values())) == []
    assert {page.path for page in PAGES} <= {*faults}


def test_every_page_and_what_it_leads_to_draws_over_a_hostile_ledger(hostile: Town) -> None:
    starts = [f"/run?{urlencode({'id': hostile[odd], 'tab': tab})}" for odd in ODD for tab in TABS]
    faults = {address: fault(address, page) for address, page in walk(somebody(), starts)}
    assert list(filter(None, faults.values())) == []
    assert len(faults) > len(starts) + len(PAGES) + 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
def test_an_address_may_say_anything(page: Page, hostile: Town) -> None:
    names = ("id", "inv", "run", "bad", "good", "search", "customer", "workflow", "rule", "version", "record", "period")
    for text in (*PAYLOADS[:4], PAYLOADS[8], PAYLOADS[12], LONG, "-1", "99999999999999999999"):
        shown = look(
            page.key, somebody(), **dict.fromkeys((*names, "tab", "sort", "page", "span", "month", "view"), text)
        )
        assert fault(f"?{text}", shown) == ""


def test_no_file_that_is_handed_out_holds_a_formula(hostile: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files()
    monkeypatch.setattr(frame, "download", files.download)
    for address, page in walk(somebody(), each=1):
        assert fault(address, page) == ""
    tables = [(name, document) for name, document in files.taken if document.media.startswith("text/csv")]
    assert len({name for name, _ in tables}) >= 5
    cells = [cell for _, document in tables for cell in cells_of(document)]
    assert any("cmd|" in cell for cell in cells)
    assert [cell for cell in cells if cell.lstrip(" ").startswith(FORMULA) and not is_number(cell)] == []


def cells_of(document: Document) -> list[str]:
    text = document.data.decode("utf-8-sig")
    return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]


def is_number(cell: str) -> bool:
    try:
        return Decimal(cell).is_finite()
    except InvalidOperation:
        return False
