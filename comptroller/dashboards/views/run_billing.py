"""What a run achieved and who pays: outcomes claimed in it, where they stand, what they cost and bring."""

from decimal import Decimal
from typing import Any

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table, status
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.views.run_look import Looked

HEADS = (
    Head("type", "Outcome"), Head("state", "State"), Head("subject", "About", wide=True), Head("fee", "Fee", True),
    Head("cost", "Our cost", True, inner=True), Head("invoice", "Invoice"), Head("outcome", "Id"),
)  # fmt: skip


def draw(shown: Looked) -> None:
    """The tab."""
    told = frame.source().get("/api/outcomes", run=shown.id, limit=200)
    if not told["outcomes"]:
        frame.empty(
            "No outcome was claimed",
            "Nothing that happened in this run is billed as a success.",
            tag("span", "An agent claims one with ", tag("code", "run.claim(type, subject, evidence)"), "."),
        )
        return
    table.show(Table(HEADS, [_row(each) for each in told["outcomes"]], "Outcomes of this run"), key="outcomes")


def _row(one: dict[str, Any]) -> list[Cell]:
    viewer, invoice = frame.viewer(), one.get("invoice") or ""
    fee = Decimal(one["fee"]) if one.get("fee") else None
    cost = Decimal(one["cost"]) if one.get("cost") else None
    return [
        Cell(one["type"]),
        status(one["state"]),
        Cell(one["subject"]),
        Cell(viewer.money(fee, one.get("currency") or ""), one.get("fee") or ""),
        Cell(viewer.money(cost, one.get("cost_currency") or ""), one.get("cost") or ""),
        Cell(invoice or "–", link=frame.address("invoices", inv=invoice) if invoice else ""),
        Cell(f"…{one['outcome'][-8:]}", one["outcome"], frame.address("outcomes", id=one["outcome"]), code=True),
    ]
