"""FOCUS: what was billed in the columns of the FinOps Open Cost and Usage Specification, 1.2 and 1.4.

A row for each line of an invoice, one for its tax, one for each credit that paid for it, and two for each credit note:
the BilledCost of an invoice's rows sums to what is due of it, those of a credit note to what it gives back.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from comptroller.core.money import decimal_text
from comptroller.metering.invoice import Credit, Invoice, Line
from comptroller.office.exchange.sheet import SECOND, Cell, Sheet

Version = Literal["1.2", "1.4"]
CATEGORY = "AI and Machine Learning"
_SERVICES = {
    "outcome": ("Agent outcomes", "Outcomes"),
    "delta": ("Agent outcomes", "Outcomes"),
    "seat": ("Agent seats", "Seats"),
    "overage": ("Agent seats", "Units"),
    "token": ("Model usage", "Requests"),
    "premium": ("Agent orchestration", "Runs"),
    "usage": ("Metered usage", "Units"),
    "minimum": ("Minimum commitment", "Commitments"),
}
_SHARED = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodStart",
    "BillingPeriodEnd", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodStart",
    "ChargePeriodEnd", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity",
    "PricingUnit", "ServiceCategory", "ServiceName", "ServiceSubcategory",
)  # fmt: skip
COLUMNS: dict[Version, tuple[str, ...]] = {
    "1.2": (*_SHARED, "ProviderName", "PublisherName", "ChargeFrequency", "CommitmentDiscountStatus", "InvoiceId"),
    "1.4": (*_SHARED, "HostProviderName", "ServiceProviderName", "ChargeFrequency", "InvoiceDetailId", "InvoiceId"),
}
DETAIL = (
    "BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
    "ChargeCategory", "InvoiceDetailCreated", "InvoiceDetailDescription", "InvoiceDetailGrain", "InvoiceDetailId",
    "InvoiceDetailLastUpdated", "InvoiceId", "InvoiceIssueDate", "InvoiceIssueStatus", "InvoiceIssuerName",
    "PaymentCurrency", "PaymentDueDate", "PaymentTerms", "ReferenceInvoiceId",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Charge:
    """One row's worth: which part of an invoice, and what it comes to."""

    id: str  # within the invoice, the same in both data sets
    category: str
    description: str
    billed: int
    listed: int
    line: Line | None = None
    note: Credit | None = None


def charges(invoice: Invoice) -> Iterator[Charge]:
    """The rows of an invoice and of its credit notes."""
    for number, line in enumerate(invoice.lines, 1):
        yield Charge(f"{number}", _category(line), line.title, line.net, line.gross, line)
        if line.tax:
            listed = line.tax * line.gross // line.net if line.net else line.tax
            yield Charge(f"{number}-tax", "Tax", f"{_tax(invoice)} on {line.title}", line.tax, listed, line)
    for name, nanos in sorted(invoice.burnt.items()):
        yield Charge(f"credit-{name}", "Credit", f"Paid with credit {name}", -nanos, -nanos)
    for note in invoice.credits:
        said = f"Credit note {note.number}" + (f": {note.because}" if note.because else "")
        yield Charge("1", "Credit", said, -note.net, -note.net, note=note)
        if note.tax:
            said = f"{_tax(invoice)} on credit note {note.number}"
            yield Charge("1-tax", "Tax", said, -note.tax, -note.tax, note=note)


def costs(found: Iterable[Invoice], version: Version, zone_of: "Zones") -> Sheet:
    """Cost and Usage."""
    names = COLUMNS[version]
    rows = [_cost(invoice, charge, zone_of(invoice)) for invoice in found for charge in charges(invoice)]
    return Sheet.of(" ".join(names), ([row[name] for name in names] for row in rows))


def detail(found: Iterable[Invoice], zone_of: "Zones") -> Sheet:
    """Invoice Detail, as of 1.4."""
    rows = [_detail(invoice, charge, zone_of(invoice)) for invoice in found for charge in charges(invoice)]
    return Sheet.of(" ".join(DETAIL), ([row[name] for name in DETAIL] for row in rows if row["BilledCost"] != "0.0"))


class Zones:
    """In which zone the days of an invoice are; UTC for a contract nobody has any more."""

    def __init__(self, zones: dict[str, str]) -> None:
        self._zones = zones  # by contract

    def __call__(self, invoice: Invoice) -> str:
        return self._zones.get(invoice.contract, "UTC")


def _cost(invoice: Invoice, charge: Charge, zone: str) -> dict[str, Cell]:
    seller, line = _name(invoice.seller, invoice.tenant), charge.line
    start, end = _span(invoice, zone)
    service, unit = _SERVICES[line.kind] if line else ("Credits", "Credits")
    priced = charge.category in ("Usage", "Purchase")
    return {
        "BilledCost": _amount(charge.billed),
        "EffectiveCost": _amount(charge.billed),
        "ContractedCost": _amount(charge.billed),
        "ListCost": _amount(charge.listed),
        "BillingAccountId": f"{invoice.tenant}/{invoice.customer}",
        "BillingAccountName": _name(invoice.buyer, invoice.customer),
        "BillingCurrency": invoice.currency,
        "BillingPeriodStart": start,
        "BillingPeriodEnd": end,
        "ChargePeriodStart": start,
        "ChargePeriodEnd": end,
        "ChargeCategory": charge.category,
        "ChargeClass": "Correction" if charge.note or (line and line.kind == "delta" and line.period) else None,
        "ChargeDescription": charge.description,
        "ChargeFrequency": "Recurring" if line and line.kind == "seat" else "One-Time" if not priced else "Usage-Based",
        "CommitmentDiscountStatus": None,
        "InvoiceDetailId": charge.id,
        "InvoiceId": charge.note.number if charge.note else invoice.number,
        "InvoiceIssuerName": seller,
        "HostProviderName": seller,
        "ServiceProviderName": seller,
        "ProviderName": seller,
        "PublisherName": seller,
        "PricingQuantity": _quantity(line) if line and priced else None,
        "PricingUnit": unit if priced else None,
        "ServiceCategory": CATEGORY,
        "ServiceName": service,
        "ServiceSubcategory": "Generative AI" if line and line.kind in ("token", "premium") else "AI Platforms",
    }


def _detail(invoice: Invoice, charge: Charge, zone: str) -> dict[str, Cell]:
    start, end = _span(invoice, zone)
    note = charge.note
    at = note.at if note else invoice.at
    line = charge.line
    grain = {"ServiceName": _SERVICES[line.kind][0], "ChargeDescription": line.title} if line else {}
    days = (date.fromisoformat(invoice.due) - date.fromisoformat(invoice.issued)).days if invoice.due else 0
    return {
        "BilledCost": _amount(charge.billed),
        "BillingAccountId": f"{invoice.tenant}/{invoice.customer}",
        "BillingCurrency": invoice.currency,
        "BillingPeriodEnd": end,
        "BillingPeriodStart": start,
        "ChargeCategory": charge.category,
        "InvoiceDetailCreated": _instant(at),
        "InvoiceDetailDescription": charge.description,
        "InvoiceDetailGrain": json.dumps(grain, sort_keys=True) if grain else None,
        "InvoiceDetailId": charge.id,
        "InvoiceDetailLastUpdated": _instant(at),
        "InvoiceId": note.number if note else invoice.number,
        "InvoiceIssueDate": _instant(at),
        "InvoiceIssueStatus": "Issued",
        "InvoiceIssuerName": _name(invoice.seller, invoice.tenant),
        "PaymentCurrency": invoice.currency,
        "PaymentDueDate": _midnight(invoice.due, zone, 1) if invoice.due and not note else None,
        "PaymentTerms": f"Net {days}",
        "ReferenceInvoiceId": invoice.number,
    }


def _category(line: Line) -> str:
    """A true-up is no use of anything."""
    return "Adjustment" if line.kind == "minimum" else "Usage"


def _quantity(line: Line) -> str:
    return _decimal(line.quantity) if line.quantity else "1.0"


def _tax(invoice: Invoice) -> str:
    return " ".join(filter(None, (invoice.tax.get("name") or "Tax", _percent(invoice.tax.get("percent", "")))))


def _percent(text: str) -> str:
    return f"{text} %" if text else ""


def _name(known: dict[str, object], otherwise: str) -> str:
    return str(known.get("name") or otherwise)


def _amount(nanos: int) -> str:
    return decimal_text(nanos, 1)  # the validator takes `40` for a whole number and wants a decimal


def _decimal(text: str) -> str:
    return text if "." in text else f"{text}.0"


def _span(invoice: Invoice, zone: str) -> tuple[str, str]:
    return _midnight(invoice.first, zone), _midnight(invoice.last, zone, 1)


def _midnight(day: str, zone: str, more: int = 0) -> str:
    """The beginning of a day (or of one later) where the contract is, in UTC."""
    on = date.fromisoformat(day) + timedelta(days=more)
    return f"{datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(zone)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _instant(at: int) -> str:
    return f"{datetime.fromtimestamp(at // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"


def total(found: Sequence[Charge]) -> int:
    """What rows come to."""
    return sum(charge.billed for charge in found)
