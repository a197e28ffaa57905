"""What a period comes to, as finance looks at it: lines with our own cost, and the checks before closing."""

from typing import Literal

from comptroller.gateway.api.invoice_shapes import CreditTold, InvoiceRow, PaymentTold, TotalsTold
from comptroller.gateway.api.shapes import Moment, Money, Told
from comptroller.metering.invoice import Kind


class CheckTold(Told):
    """One question before closing. A `warning` may be meant so; with a `fault` nobody should close."""

    id: Literal["evidence", "postings", "disputed", "twice", "undecided", "usage", "unpriced", "balance"]
    level: Literal["ok", "warning", "fault"]
    message: str
    count: int
    amount: Money | None
    examples: list[str]


class LineAccount(Told):
    """A line without its outcomes. Cost and margin are ours alone; null where it has no outcomes, or no rate."""

    line: int
    kind: Kind
    title: str
    about: str
    quantity: str
    unit: str
    amount: Money
    discount: Money
    net: Money
    tax: Money
    type: str
    period: str
    price: str
    outcomes: int
    cost: Money | None
    margin: Money | None


class Economy(Told):
    """What the period's work cost us, model calls of failed attempts included, and what is left of the net amount."""

    cost: Money | None
    margin: Money | None


class InvoiceAccount(InvoiceRow):
    """An invoice as finance looks at it; its outcomes are asked for a page at a time."""

    lines: list[LineAccount]
    economy: Economy
    outcomes: int
    held_back: int
    held_back_amount: Money
    failed: int
    digest: str
    payments: list[PaymentTold]
    credit_notes: list[CreditTold]
    checks: list[CheckTold]


class DraftRow(Told):
    """What a period without an invoice would come to now."""

    customer: str
    contract: str
    period: str
    first: str
    last: str
    over: bool
    closes: Moment
    currency: str
    totals: TotalsTold
    outcomes: int
    held_back: int
    held_back_amount: Money
    failed: int
    economy: Economy


class DraftList(Told):
    """Open periods, a customer's oldest first; `next` is the customer to go on after."""

    drafts: list[DraftRow]
    next: str | None


class DraftTold(DraftRow):
    """One with its lines and the checks before it is closed."""

    lines: list[LineAccount]
    checks: list[CheckTold]


class BilledRow(Told):
    """One outcome on an invoice or a draft: what shows it, what it cost the customer and us, how it stands now."""

    outcome: str
    line: int
    type: str
    run: str
    workflow: str
    subject: str
    state: str
    method: str
    attestor: str
    verified: Moment
    evidence: list[str]
    fee: Money
    amount: Money
    discount: Money
    tax: Money
    reversed: Money
    cost: Money | None
    margin: Money | None


class BilledPage(Told):
    """Outcomes in the order of the lines; `next` is the outcome to go on after."""

    currency: str
    total: int
    outcomes: list[BilledRow]
    next: str | None


class NoteRow(CreditTold):
    """A credit note, of whom and of what."""

    customer: str
    currency: str
    period: str


class NotePage(Told):
    """Credit notes, the latest first; `next` is the number to go on after."""

    credit_notes: list[NoteRow]
    next: str | None
