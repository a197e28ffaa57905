"""The books as sheets: every amount as the books have it."""

from comptroller.core.books import Posting, Txn
from comptroller.core.money import Money
from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.office.exchange import books
from comptroller.office.exchange.sheet import Sheet
from tests.office.exchange.bill import AT, INVOICE


def column(sheet: Sheet, name: str) -> list[object]:
    number = [column.name for column in sheet.columns].index(name)
    return [row[number] for row in sheet.rows]


def test_an_invoice_is_a_row_with_what_is_open_of_it() -> None:
    sheet = books.invoices([INVOICE], AT)
    assert column(sheet, "number") == ["INV-2026-0001"]
    assert column(sheet, "total") == [INVOICE.totals.total]
    assert column(sheet, "open") == [INVOICE.open]
    assert column(sheet, "status") == ["part_paid"]


def test_lines_sum_to_their_invoice() -> None:
    sheet = books.lines([INVOICE])
    assert sum(column(sheet, "net")) + sum(column(sheet, "tax")) == INVOICE.totals.total  # type: ignore[arg-type]
    assert column(sheet, "line") == list(range(1, 9))
    assert column(sheet, "period")[:2] == ["2025-12", "2025-11"]


def test_outcomes_of_a_line_sum_to_it_and_name_their_evidence() -> None:
    sheet = books.items([INVOICE])
    assert sum(column(sheet, "gross")) == INVOICE.lines[0].gross  # type: ignore[arg-type]
    assert column(sheet, "evidence") == ["d1", ""]


def test_an_outcome_is_a_row() -> None:
    outcome = Outcome("o1", "t", "acme", "loan", "s", "billed", "c", "r", "w", ("a", "b"), 5, degree=500_000_000,
                      fee=Money(7, "EUR"), verified_at=6)  # fmt: skip
    sheet = books.outcomes([outcome])
    assert (column(sheet, "degree"), column(sheet, "fee"), column(sheet, "agents")) == (["0.5"], [7], ["a b"])
    assert column(sheet, "billed_at") == [None]


def test_an_ignored_event_says_why() -> None:
    sheet = books.events([(OutcomeEvent("e1", "o1", "confirm", 5), "it is expired")])
    assert column(sheet, "ignored") == ["it is expired"]


def test_the_journal_has_debit_and_credit_apart_and_both_sum_to_the_same() -> None:
    postings = (Posting("receivable", "EUR", 119), Posting("unbilled", "EUR", -100), Posting("tax", "EUR", -19))
    txn = Txn("t1", "i1", "finalised", AT, "2025-12", postings, "default", "acme", about={"invoice": "INV-1"})
    sheet = books.ledger([txn])
    debit, credit = column(sheet, "debit"), column(sheet, "credit")
    assert debit == [119, None, None]
    assert credit == [None, 100, 19]
    assert column(sheet, "invoice") == ["INV-1"] * 3
