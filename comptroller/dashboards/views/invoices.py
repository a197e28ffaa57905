"""Invoices: what we bill, what is owed, and which periods can be closed."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table, status
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.views import finance, invoice_one
from comptroller.dashboards.views.finance import added, day, margin, money, month, sums

STATUSES = {
    "finalised": "Finalised", "part_paid": "Part paid", "overdue": "Overdue", "paid": "Paid", "void": "Void",
    "uncollectible": "Uncollectible",
}  # fmt: skip
MOST = 1000  # invoices and open periods that are summed
EXPORTED = (
    "number", "customer", "contract", "period", "first", "last", "issued", "due_on", "status", "currency", "net", "tax",
    "total", "credits", "due", "paid", "open",
)  # fmt: skip
NOTHING = (
    "No invoice yet",
    "An invoice is made when a period is over and somebody closes it. Open periods stand above.",
    tag("span", "Without a contract nothing is billed: write one, see docs/contracts.md, and name its file under ",
        tag("code", "contracts"), ". ", tag("code", "comptroller books close"), " closes what is over."),
)  # fmt: skip
OPEN_HEADS = (
    Head("customer", "Customer"), Head("period", "Period"), Head("state", "State"), Head("closes", "Closes", wide=True),
    Head("outcomes", "Outcomes", True), Head("net", "Before tax", True), Head("total", "Total", True),
    Head("cost", "Our cost", True, inner=True), Head("margin", "Margin", True, inner=True),
)  # fmt: skip


def page() -> None:
    """The page."""
    number, customer, period = finance.said("inv"), finance.said("customer"), finance.said("period")
    if number:
        invoice_one.invoice(number)
    elif customer and period:
        invoice_one.draft(customer, period)
    else:
        _all(customer)


def _all(customer: str) -> None:
    frame.heading("Invoices", "What is billed and owed, and what open periods come to so far")
    drafts = frame.source().get("/api/drafts", customer=customer or None, limit=MOST)["drafts"]
    frame.figures(_figures(drafts, customer))
    if drafts:
        _open_periods(drafts)
    frame.section("Invoices")
    listing.show(invoices())


def _figures(drafts: list[Row], customer: str) -> list[Figure]:
    source, whose = frame.source(), {"customer": customer} if customer else {}
    viewer = frame.viewer()
    owed = source.get("/api/balance", **whose)["accounts"]
    late = source.get("/api/invoices", status="overdue", limit=MOST, **whose)
    over = [row for row in drafts if row["over"]]
    return [
        _summed("Owed", added((r["balance"], r["currency"]) for r in owed if r["account"] == "receivable"),
                "by all customers" if not customer else f"by {customer}", frame.address("invoices", sort="-open")),
        _summed("Overdue", added((r["open"], r["currency"]) for r in late["invoices"]),
                f"{viewer.count(late['total'])} invoices", frame.address("invoices", status="overdue"),
                "failed" if late["total"] else "plain"),
        _summed("Not billed yet", added((r["totals"]["net"], r["currency"]) for r in drafts),
                "open periods, before tax"),
        _summed("Held back", added((r["held_back_amount"], r["currency"]) for r in drafts),
                f"{viewer.count(sum(r['held_back'] for r in drafts))} in dispute",
                frame.address("outcomes", state="disputed,disputed_unbilled", customer=customer)),
        Figure("Periods to close", viewer.count(len(over)), note="they are over" if over else "none is over",
               tone="asked" if over else "plain"),
    ]  # fmt: skip


def _summed(name: str, amounts: Mapping[str, Decimal], note: str, to: str = "", tone: str = "plain") -> Figure:
    shown, exact = sums(amounts)
    return Figure(name, shown, exact, note, tone, to)


def _open_periods(drafts: list[Row]) -> None:
    frame.section("Open periods", "What each would come to if it were closed now. Nothing is written by looking.")
    table.show(Table(OPEN_HEADS, [_draft(row) for row in drafts], "Open periods"), key="drafts")


def _draft(row: Row) -> list[Cell]:
    unit, totals = row["currency"], row["totals"]
    to = frame.address("invoices", customer=row["customer"], period=row["period"])
    held = f"{frame.viewer().count(row['held_back'])} held back" if row["held_back"] else ""
    return [
        Cell(row["customer"], link=to),
        Cell(month(row["period"]), f"{row['first']} to {row['last']}"),
        status("draft"),
        Cell("over: it can be closed" if row["over"] else f"runs until {day(row['last'])}"),
        Cell(frame.viewer().count(row["outcomes"]), below=held),
        money(totals["net"], unit),
        money(totals["total"], unit),
        money(row["economy"]["cost"], unit),
        margin(row["economy"]["margin"], totals["net"]),
    ]


def invoices() -> Listing:
    """The list of invoices."""
    known = frame.source().get("/api/contracts")["contracts"]
    return Listing(
        "Invoices",
        columns(),
        _find,
        [
            Filter("search", "Search", "search", hint="Number or customer"),
            Filter("status", "State", "one", tuple(STATUSES), STATUSES),
            Filter("customer", "Customer", "one", sorted({row["customer"] for row in known})),
        ],
        sort="-issued",
        exports=EXPORTED,
        nothing=NOTHING,
    )


def _find(wanted: Wanted) -> Found:
    found = finance.pages("/api/invoices", "invoices", wanted)
    return Found([{**row, **row["totals"]} for row in found.rows], found.total)


def columns() -> list[Column]:
    """The columns of a list of invoices."""
    return [
        Column("number", "Invoice", lambda row: Cell(row["number"], link=frame.address("invoices", inv=row["number"]))),
        Column("status", "State", lambda row: status(row["status"])),
        Column("customer", "Customer", lambda row: Cell(row["customer"]), sorts=True),
        Column("period", "Period", lambda row: Cell(month(row["period"]), f"{row['first']} to {row['last']}")),
        Column("issued", "Issued", lambda row: Cell(day(row["issued"])), sorts=True),
        Column("due", "Due on", lambda row: Cell(day(row["due_on"])), sorts=True),
        Column("net", "Before tax", _amount("net"), right=True),
        Column("total", "Total", _amount("total"), right=True, sorts=True),
        Column("paid", "Paid", _amount("paid"), right=True),
        Column("open", "Still owed", _amount("open"), right=True, sorts=True),
    ]


def _amount(name: str) -> Any:
    return lambda row: money(row[name], row["currency"])
