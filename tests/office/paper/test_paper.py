"""Papers: words stay words, figures are those of the invoice, and nothing is fetched."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from comptroller.office.paper import document, figures, mail, pdf, sheet
from tests.office.agreed import House

NANO = 1_000_000_000
HOSTILE = '#sys.inputs \\ "] <script src=//x> <img src=http://x/y.png> *b* $x$ @ref'
TERMS = f"""
contract: acme-1
customer: acme
from: 2026-01-01
currency: USD
buyer: {{name: '{HOSTILE}', address: ["400 Main St"]}}
seller: {{name: Orchestra Labs, tax_id: IE 1}}
outcomes: {{refund.resolved: {{title: '{HOSTILE}', price: 1.50}}}}
tax: {{name: VAT, percent: 20}}
"""


@pytest.fixture
def drawn() -> dict[str, Any]:
    house = House(TERMS)
    for _ in range(2):
        house.verified()
    (invoice,) = house.on(2).close()
    return sheet.invoice_sheet(invoice, house.clock)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def test_hostile_words_are_only_words_in_the_page_for_mail(drawn: dict[str, Any]) -> None:
    tags = Tags(mail.draw(drawn))
    assert {tag for tag, _ in tags.seen} <= {
        "html", "head", "meta", "title", "body", "table", "tr", "td", "th", "div", "strong", "br", "span"
    }  # fmt: skip
    assert not [attrs for _, attrs in tags.seen if set(attrs) & {"src", "href", "onload", "class"}]
    assert HOSTILE in tags.said
    assert "$3.60" in tags.said


def test_a_character_that_no_font_has_is_spelt_out_and_the_paper_is_drawn(drawn: dict[str, Any]) -> None:
    pytest.importorskip("typst")
    odd = {
        **drawn,
        "buyer": {**drawn["buyer"], "name": "\U0001f469\U0001f467 \U000e0041 \x07 Caf\u00e9 \u0e01\u0e47 \u65e5\u672c"},
    }
    assert pdf.draw(odd)[0].startswith(b"%PDF-")
    assert pdf._spelt({"name": odd["buyer"]["name"]}, frozenset("\U0001f469\x07")) == {
        "name": "[U+1F469]\U0001f467 \U000e0041 [U+0007] Caf\u00e9 \u0e01\u0e47 \u65e5\u672c"
    }


def test_hostile_words_are_drawn_and_not_read(drawn: dict[str, Any]) -> None:
    pytest.importorskip("typst")
    (made,) = pdf.draw(drawn)
    assert made.startswith(b"%PDF-")
    assert b"pdfaid" in made
    harmless = {**drawn, "buyer": {**drawn["buyer"], "name": "Acme"}}
    assert len(pdf.draw(harmless, "png")) == len(pdf.draw(drawn, "png")) == 2


def test_the_same_invoice_is_drawn_the_same(drawn: dict[str, Any]) -> None:
    pytest.importorskip("typst")
    assert pdf.draw(drawn, "png") == pdf.draw(drawn, "png")


def test_a_sheet_says_who_owes_what_by_when(drawn: dict[str, Any]) -> None:
    assert {fact["name"]: fact["value"] for fact in drawn["facts"]} == {
        "Period": "1 – 31 Jan 2026", "Issued": "1 Feb 2026", "Due": "3 Mar 2026"
    }  # fmt: skip
    assert [(row["name"], row["value"]) for row in drawn["totals"]] == [("Subtotal", "$3.00"), ("VAT (20%)", "$0.60")]
    assert drawn["due"] == {"name": "Amount due", "value": "$3.60"}
    assert len(drawn["outcomes"]) == 2


def test_evidence_is_promised_only_where_there_is_some(drawn: dict[str, Any]) -> None:
    assert drawn["promise"] == ""
    assert {row["evidence"] for row in drawn["outcomes"]} == {"none"}


def test_a_credit_note_has_a_paper_of_its_own() -> None:
    house = House(TERMS)
    key = house.verified()
    house.on(2).close()
    house.tell(key, "reopen")
    (invoice,) = house.keeper.invoices.invoices.values()
    words = sheet.credit_sheet(invoice, invoice.credits[0])
    assert (words["title"], words["number"], words["due"]["value"]) == ("Credit note", "CN-2026-0001", "$1.80")
    assert HOSTILE in Tags(mail.draw(sheet.invoice_sheet(invoice, house.clock))).said


@pytest.mark.parametrize(
    ("nanos", "currency", "text"),
    [
        (2_652 * NANO, "USD", "$2,652.00"),
        (-24 * NANO, "USD", "−$24.00"),
        (1_234 * NANO, "JPY", "¥1,234"),
        (1_500_000, "USD", "$0.0015"),
        (5 * NANO, "KWD", "KWD 5.000"),
    ],
)
def test_amounts_have_the_decimals_of_their_currency(nanos: int, currency: str, text: str) -> None:
    assert figures.money(nanos, currency) == text


def test_days_say_once_what_they_share() -> None:
    assert figures.days("2026-10-21", "2026-11-20") == "21 Oct – 20 Nov 2026"
    assert figures.days("2025-12-21", "2026-01-20") == "21 Dec 2025 – 20 Jan 2026"


def test_json_has_exact_decimals_and_no_other_numbers_for_money() -> None:
    house = House(TERMS)
    house.verified()
    (invoice,) = house.on(2).close()
    told = document.told(invoice, house.clock.now_ns())
    assert told["totals"] == {
        "subtotal": "1.50", "discount": "0.00", "net": "1.50", "tax": "0.30", "total": "1.80", "credits": "0.00",
        "due": "1.80",
    }  # fmt: skip
    (item,) = told["lines"][0]["outcomes"]
    assert (item["fee"], item["amount"], item["tax"]) == ("1.50", "1.50", "0.30")
    assert re.fullmatch(r"[0-9a-f]{64}", told["digest"])
