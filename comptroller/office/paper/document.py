"""An invoice as JSON: amounts as exact decimals in texts, times in ISO 8601, each line with the outcomes behind it."""

from datetime import UTC, datetime
from typing import Any

from comptroller.core.money import decimal_text
from comptroller.metering.invoice import Credit, Invoice, Item, Line

_PLAIN = ("id", "number", "tenant", "customer", "contract", "version", "period", "first", "last", "currency", "issued")


def summary(invoice: Invoice, now_ns: int) -> dict[str, Any]:
    """What a list tells of an invoice."""
    totals = invoice.totals
    return {
        **{name: getattr(invoice, name) for name in _PLAIN},
        "due_on": invoice.due,
        "status": invoice.status(now_ns),
        "totals": {
            name: decimal_text(getattr(totals, name))
            for name in ("subtotal", "discount", "net", "tax", "total", "credits", "due")
        },
        "paid": decimal_text(invoice.paid),
        "open": decimal_text(invoice.open),
    }


def told(invoice: Invoice, now_ns: int) -> dict[str, Any]:
    """All that an invoice says, and how it stands."""
    return {
        **summary(invoice, now_ns),
        "buyer": invoice.buyer,
        "seller": invoice.seller,
        "lines": [told_line(line) for line in invoice.lines],
        "discounts": {name: decimal_text(nanos) for name, nanos in invoice.discounts},
        "tax": invoice.tax,
        "credits": {name: decimal_text(nanos) for name, nanos in invoice.burnt.items()},
        "service_credits": [
            {"id": id, "amount": decimal_text(nanos), "because": why} for id, nanos, why in invoice.sla
        ],
        "held_back": {"outcomes": invoice.held, "amount": decimal_text(invoice.held_nanos)},
        "failed": invoice.failed,
        "digest": invoice.digest,
        "payments": [
            {"reference": one.id, "at": _moment(one.at), "amount": decimal_text(one.nanos)} for one in invoice.payments
        ],
        "credit_notes": [credit(note) for note in invoice.credits],
    }


def credit(note: Credit) -> dict[str, Any]:
    """All that a credit note says."""
    return {
        "number": note.number,
        "invoice": note.invoice,
        "at": _moment(note.at),
        "net": decimal_text(note.net),
        "tax": decimal_text(note.tax),
        "total": decimal_text(note.total),
        "because": note.because,
        "outcome": note.outcome,
    }


def told_line(line: Line) -> dict[str, Any]:
    """A line with its outcomes."""
    return {
        "kind": line.kind,
        "title": line.title,
        "about": line.about,
        "quantity": line.quantity,
        "unit": line.unit,
        "amount": decimal_text(line.gross),
        "discount": decimal_text(line.discount),
        "tax": decimal_text(line.tax),
        "type": line.type,
        "period": line.period,
        "price": line.price,
        "outcomes": [told_item(item) for item in line.items],
    }


def told_item(item: Item) -> dict[str, Any]:
    """An outcome on a line."""
    return {
        "outcome": item.outcome,
        "run": item.run,
        "subject": item.subject,
        "method": item.method,
        "verified": _moment(item.verified_at),
        "evidence": list(item.evidence),
        "fee": decimal_text(item.fee),
        "amount": decimal_text(item.gross),
        "discount": decimal_text(item.discount),
        "tax": decimal_text(item.tax),
    }


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
