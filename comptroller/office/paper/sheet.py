"""The sheet: everything an invoice or a credit note says, in words, before it is drawn in any form."""

from datetime import UTC, datetime
from typing import Any

from comptroller.core.clock import Clock
from comptroller.metering.invoice import Credit, Invoice, Item, Line
from comptroller.metering.periods import day_of
from comptroller.office.paper import figures
from comptroller.office.paper.figures import money

_METHODS = {
    "deterministic": "checked",
    "customer": "customer confirmed",
    "human": "reviewed by a person",
    "third_party": "third party",
    "judge": "model judge",
    "silence": "not contested",
}
_STATUS = {"draft": "Draft", "paid": "Paid", "void": "Void", "overdue": "Overdue", "part_paid": "Part paid"}


def invoice_sheet(invoice: Invoice, clock: Clock) -> dict[str, Any]:
    """An invoice in words."""
    said = invoice.currency
    due = invoice.totals.due - invoice.applied - invoice.paid
    return {
        "title": "Invoice" if invoice.number else "Draft invoice",
        "number": invoice.number or invoice.id,
        "status": _STATUS.get(invoice.status(clock.now_ns()), ""),
        "date": _date(invoice.issued or invoice.last),
        "currency": said,
        "seller": _party(invoice.seller),
        "buyer": _party(invoice.buyer),
        "facts": [
            {"name": name, "value": value}
            for name, value in (
                ("Period", figures.days(invoice.first, invoice.last)),
                ("Issued", figures.day(invoice.issued)),
                ("Due", figures.day(invoice.due)),
            )
            if value
        ],
        "lines": [_line(line, said) for line in invoice.lines],
        "totals": _totals(invoice),
        "due": {"name": "Amount due" if due or not invoice.paid else "Paid in full", "value": money(max(due, 0), said)},
        "promise": _promise(invoice),
        "notes": _notes(invoice),
        "digest": invoice.digest,
        "verify": "comptroller audit verify PACK" if invoice.number else "",
        "outcomes": [_item(item, line, said) for line, item in _items(invoice)],
    }


def credit_sheet(invoice: Invoice, credit: Credit) -> dict[str, Any]:
    """A credit note in words."""
    said = invoice.currency
    line = {"title": "Credit", "about": credit.because, "quantity": "", "unit": "", "amount": money(credit.net, said)}
    if credit.outcome:
        line |= {"title": f"Credit for {credit.type}", "about": f"{credit.because}; outcome {credit.outcome}"}
    totals = [{"name": "Subtotal", "value": money(credit.net, said)}]
    totals.append({"name": _tax_name(invoice), "value": money(credit.tax, said)})
    return {
        "title": "Credit note",
        "number": credit.number,
        "status": "",
        "date": _date(day_of("UTC", credit.at).isoformat()),
        "currency": said,
        "seller": _party(invoice.seller),
        "buyer": _party(invoice.buyer),
        "facts": [
            {"name": "For invoice", "value": invoice.number},
            {"name": "Issued", "value": figures.day(day_of("UTC", credit.at).isoformat())},
        ],
        "lines": [line],
        "totals": totals,
        "due": {"name": "Credited", "value": money(credit.total, said)},
        "promise": "",
        "notes": [],
        "digest": "",
        "verify": "",
        "outcomes": [],
    }


def _date(day: str) -> list[int]:
    return [int(part) for part in day.split("-")]


def _party(known: dict[str, object]) -> dict[str, object]:
    address = known.get("address")
    return {
        "name": str(known.get("name", "")),
        "address": [str(line) for line in address] if isinstance(address, (list, tuple)) else [],
        "tax_id": str(known.get("tax_id", "")),
    }


def _line(line: Line, currency: str) -> dict[str, str]:
    return {
        "title": line.title,
        "about": line.about,
        "quantity": figures.quantity(line.quantity),
        "unit": figures.unit(line.unit, currency),
        "amount": money(line.gross, currency),
    }


def _totals(invoice: Invoice) -> list[dict[str, str]]:
    said, totals = invoice.currency, invoice.totals
    rows = [("Subtotal", totals.subtotal)]
    rows += [(name, -nanos) for name, nanos in invoice.discounts]
    rows.append((_tax_name(invoice), totals.tax))
    if invoice.burnt or invoice.paid or invoice.applied:
        rows.append(("Total", totals.total))
    rows += [(_credit_name(name), -nanos) for name, nanos in invoice.burnt.items()]
    rows += [(f"Credit note {credit.number}", -credit.total) for credit in invoice.credits] if invoice.applied else []
    rows += [("Paid", -invoice.paid)] if invoice.paid else []
    return [{"name": name, "value": money(nanos, said)} for name, nanos in rows]


def _tax_name(invoice: Invoice) -> str:
    tax = invoice.tax
    note = f", {tax['note']}" if tax.get("note") else ""
    return f"{tax.get('name') or 'Tax'} ({tax.get('percent', '0')}%{note})"


def _credit_name(name: str) -> str:
    if name.startswith("payment:"):
        return f"Paid too much before ({name.removeprefix('payment:')})"
    return "Service credit" if name.startswith("sla-") else f"Credit {name}"


def _promise(invoice: Invoice) -> str:
    items = _items(invoice)
    return "Every outcome on this invoice has evidence." if items and all(item.evidence for _, item in items) else ""


def _notes(invoice: Invoice) -> list[str]:
    notes = []
    if invoice.outcome_count:
        notes.append("The next pages list each outcome, how it was verified and its run.")
    if invoice.held:
        what = "outcome is" if invoice.held == 1 else "outcomes are"
        notes.append(f"{invoice.held} disputed {what} held back: {money(invoice.held_nanos, invoice.currency)}.")
    if invoice.failed:
        what = "claim that failed was" if invoice.failed == 1 else "claims that failed were"
        notes.append(f"{invoice.failed} {what} not billed.")
    notes += [f"Service credit {id}: {why}." for id, _, why in invoice.sla]
    return notes


def _items(invoice: Invoice) -> list[tuple[Line, Item]]:
    return [(line, item) for line in invoice.lines for item in line.items]


def _item(item: Item, line: Line, currency: str) -> dict[str, str]:
    at = datetime.fromtimestamp(item.verified_at // 1_000_000_000, UTC)
    return {
        "outcome": item.outcome,
        "title": line.title,
        "verified": f"{at.day} {at:%b %H:%M}",
        "method": _METHODS.get(item.method, item.method),
        "evidence": ", ".join(digest[:12] for digest in item.evidence) or "none",
        "run": item.run[:20],
        "amount": money(item.gross, currency),
    }
