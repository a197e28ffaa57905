"""An invoice: its lines, what each drills to, and what its events make of it; numbers in nanos of one currency."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from comptroller.core.money import largest_remainder

Kind = Literal["outcome", "delta", "seat", "overage", "token", "premium", "usage", "minimum"]
Status = Literal["gathering", "draft", "finalised", "part_paid", "paid", "overdue", "uncollectible", "void"]


@dataclass(frozen=True, slots=True)
class Item:
    """One outcome on a line: what it cost, and its parts of the line, the discount and the tax."""

    outcome: str
    run: str
    subject: str
    method: str
    verified_at: int
    evidence: tuple[str, ...]
    fee: int
    gross: int = 0
    discount: int = 0
    tax: int = 0
    before: int = 0  # of the fee, reversed before it was invoiced


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `gross` is rounded to the currency's smallest unit, `exact` is what it was before."""

    kind: Kind
    title: str
    about: str
    exact: int
    gross: int
    quantity: str = ""  # decimal
    unit: str = ""  # price of one as a decimal, or a percentage such as `15 %`
    discount: int = 0
    tax: int = 0
    type: str = ""  # of outcomes
    period: str = ""  # it belongs to, where that is not the invoice's own
    price: str = ""  # version
    credits: tuple[tuple[str, int], ...] = ()  # accounts that what is not unbilled goes to; together `gross`
    items: tuple[Item, ...] = ()

    @property
    def net(self) -> int:
        return self.gross - self.discount


@dataclass(frozen=True, slots=True)
class Totals:
    """How the lines come to what is due."""

    subtotal: int
    discount: int
    tax: int
    credits: int = 0  # burnt or applied

    @property
    def net(self) -> int:
        return self.subtotal - self.discount

    @property
    def total(self) -> int:
        return self.net + self.tax

    @property
    def due(self) -> int:
        return self.total - self.credits


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that came in for an invoice."""

    id: str
    at: int
    nanos: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class Credit:
    """A credit note: what was given back of an invoice, its tax among it."""

    number: str
    cause: str
    at: int
    invoice: str
    net: int
    tax: int
    because: str = ""
    outcome: str = ""
    type: str = ""

    @property
    def total(self) -> int:
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice as it stands."""

    id: str
    tenant: str
    customer: str
    contract: str
    version: str
    period: str
    first: str  # days of the period, both included
    last: str
    currency: str
    lines: tuple[Line, ...]
    totals: Totals
    number: str = ""
    issued: str = ""  # day
    due: str = ""
    due_at: int = 0
    at: int = 0  # finalised, ns since 1970
    buyer: dict[str, object] = field(default_factory=dict, hash=False)
    seller: dict[str, object] = field(default_factory=dict, hash=False)
    tax: dict[str, str] = field(default_factory=dict, hash=False)  # name, percent, note
    discounts: tuple[tuple[str, int], ...] = ()
    burnt: dict[str, int] = field(default_factory=dict, hash=False)  # credits by name
    sla: tuple[tuple[str, int, str], ...] = ()  # credits due: id, nanos, why
    held: int = 0  # disputed outcomes that are not on it
    held_nanos: int = 0
    failed: int = 0  # claims that came to nothing
    spent: int = 0  # what its model calls had cost when it was drawn up: what comes later is a line of the next
    runs: int = 0
    late: tuple[tuple[str, int], ...] = ()  # by period: what model calls cost that came after its invoice
    digest: str = ""
    state: Literal["draft", "finalised", "void", "uncollectible"] = "draft"
    payments: tuple[Payment, ...] = ()
    credits: tuple[Credit, ...] = ()
    applied: int = 0  # of credit notes, against what was open

    @property
    def outcome_count(self) -> int:
        return sum(len(line.items) for line in self.lines)

    @property
    def paid(self) -> int:
        return sum(payment.nanos for payment in self.payments)

    @property
    def open(self) -> int:
        """What is still owed of it."""
        if self.state != "finalised":
            return 0
        return max(self.totals.due - self.applied - self.paid, 0)

    def status(self, now_ns: int) -> Status:
        """As people say it, which depends on the day."""
        if self.state != "finalised":
            return self.state
        if not self.open:
            return "paid"
        if self.due_at and now_ns >= self.due_at:
            return "overdue"
        return "part_paid" if self.paid else "finalised"


def spread(total: int, weights: Sequence[int], unit: int = 1) -> list[int]:
    """Split nanos by weights into parts of whole units that sum to it exactly; weights may be below zero."""
    whole = sum(weights)
    if not whole or not total:
        return _level(total, len(weights))
    signed = [-weight for weight in weights] if whole < 0 else list(weights)
    units, rest = divmod(total, unit)
    parts = [part * unit for part in largest_remainder(units, signed)]
    if rest:  # only where the total was not rounded
        parts[0] += rest
    return parts


def sums(lines: Iterable[Line], credits: int = 0) -> Totals:
    """The totals of lines."""
    known = list(lines)
    return Totals(
        sum(line.gross for line in known),
        sum(line.discount for line in known),
        sum(line.tax for line in known),
        credits,
    )


def _level(total: int, count: int) -> list[int]:
    parts = [0] * count
    if count:
        parts[0] = total
    return parts
