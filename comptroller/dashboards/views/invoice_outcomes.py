"""The outcomes behind an invoice or a draft: evidence, fee, cost, margin and run of each."""

from collections.abc import Mapping
from typing import Any

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.views import finance, runs
from comptroller.dashboards.views.finance import margin, money, when

EXPORTED = (
    "outcome", "line", "type", "subject", "run", "workflow", "state", "method", "attestor", "verified", "evidence",
    "fee", "amount", "discount", "tax", "reversed", "cost", "margin", "currency",
)  # fmt: skip
NOTHING = (
    "No outcome behind it",
    "What is billed here are seats, usage, premiums or a minimum, and no single success.",
    "",
)


def draw(told: Mapping[str, Any], number: str, here: Mapping[str, str]) -> None:
    """The list, of one line where the address names one."""
    frame.section("Outcome lines and evidence")
    path = finance.path("invoices", number, "outcomes") if number else "/api/draft/outcomes"
    fixed = {} if number else dict(here)
    titles = {str(line["line"]): str(line["title"]) for line in told["lines"] if line["outcomes"]}
    unit = told["currency"]

    def find(wanted: Wanted) -> Found:
        said = {name: value for name, value in wanted.said.items() if name != "line" or value in titles}
        asked = Wanted(said, wanted.sort, wanted.falling, wanted.limit, wanted.offset)
        found = finance.pages(path, "outcomes", asked, **fixed)
        return Found([{**row, "currency": unit} for row in found.rows], found.total)

    listing.show(
        Listing(
            f"Outcomes of {number or told['customer']}",
            _columns(titles),
            find,
            [
                Filter("search", "Search", "search", hint="Subject, id or run"),
                Filter("line", "Line", "one", tuple(titles), titles),
            ],
            sort="-verified",
            exports=EXPORTED,
            nothing=NOTHING,
        )
    )


def _columns(titles: Mapping[str, str]) -> list[Column]:
    return [
        Column("outcome", "Outcome", _named),
        Column("title", "Line", lambda row: Cell(titles.get(str(row["line"]), row["type"]), row["type"])),
        Column("state", "State now", lambda row: status(row["state"])),
        Column("verified", "Verified", lambda row: when(row["verified"]), sorts=True),
        Column("evidence", "Evidence", _evidence),
        Column("fee", "Fee", lambda row: money(row["fee"], row["currency"]), right=True, sorts=True),
        Column("cost", "Our cost", lambda row: money(row["cost"], row["currency"]), right=True, inner=True),
        Column("margin", "Margin", lambda row: margin(row["margin"], row["fee"]), right=True, inner=True),
        Column("run", "Run", lambda row: runs.named(row["run"])),
    ]


def _named(row: Row) -> Cell:
    subject = finance.short(row["subject"])
    return Cell(subject, f"{row['subject']} ({row['outcome']})", frame.address("outcomes", id=row["outcome"]))


def _evidence(row: Row) -> Cell:
    count = len(row["evidence"])
    pieces = f"{count} piece{'' if count == 1 else 's'}" if count else "none"
    return Cell(row["attestor"] or row["method"], ", ".join(row["evidence"]), below=f"{row['method']}, {pieces}")
