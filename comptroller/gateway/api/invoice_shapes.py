"""What an invoice looks like at `/api`: amounts are exact decimals in texts, in the invoice's own currency."""

from pydantic import JsonValue

from comptroller.gateway.api.shapes import Costs, Moment, Money, Told
from comptroller.metering.invoice import Kind, Status


class TotalsTold(Told):
    """How the lines come to what is due."""

    subtotal: Money
    discount: Money
    net: Money
    tax: Money
    total: Money
    credits: Money
    due: Money


class InvoiceRow(Told):
    """An invoice, and how it stands."""

    id: str
    number: str
    tenant: str
    customer: str
    contract: str
    version: str
    period: str
    first: str
    last: str
    currency: str
    issued: str
    due_on: str
    status: Status
    totals: TotalsTold
    paid: Money
    open: Money


class InvoicePage(Told):
    """Invoices, and how many there are in all; `next` is the number to go on after."""

    invoices: list[InvoiceRow]
    total: int
    next: str | None


class ItemTold(Told):
    """One outcome on a line."""

    outcome: str
    run: str
    subject: str
    method: str
    verified: Moment
    evidence: list[str]
    fee: Money
    amount: Money
    discount: Money
    tax: Money


class LineTold(Told):
    """One line, with the outcomes behind it."""

    kind: Kind
    title: str
    about: str
    quantity: str
    unit: str
    amount: Money
    discount: Money
    tax: Money
    type: str
    period: str
    price: str
    outcomes: list[ItemTold]


class ServiceCredit(Told):
    """A credit that is due for service below what was promised."""

    id: str
    amount: Money
    because: str


class HeldBack(Told):
    """Disputed outcomes that are not on it."""

    outcomes: int
    amount: Money


class PaymentTold(Told):
    """Money that came in."""

    reference: str
    at: Moment
    amount: Money


class CreditTold(Told):
    """What was given back, its tax among it."""

    number: str
    invoice: str
    at: Moment
    net: Money
    tax: Money
    total: Money
    because: str
    outcome: str


class NoteTold(CreditTold):
    """A credit note by itself."""

    currency: str


class InvoiceTold(InvoiceRow):
    """All that an invoice says."""

    buyer: dict[str, JsonValue]
    seller: dict[str, JsonValue]
    lines: list[LineTold]
    discounts: Costs
    tax: dict[str, str]
    credits: Costs
    service_credits: list[ServiceCredit]
    held_back: HeldBack
    failed: int
    digest: str
    payments: list[PaymentTold]
    credit_notes: list[CreditTold]
