"""Invoices: the fold of their facts. What was finalised never changes; payments and credit notes come on top."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from comptroller.core.currencies import minor_places
from comptroller.core.facts import INVOICE, Fact
from comptroller.core.money import NANOS
from comptroller.metering.invoice import Credit, Invoice, Line, Payment
from comptroller.metering.postings import Share
from comptroller.office.feed import feed_of
from comptroller.wrapper.desk import Desk

_ITEM = ("outcome", "run", "subject", "method", "verified_at", "evidence", "fee", "gross", "discount", "tax", "before")


@dataclass(frozen=True, slots=True)
class Settled:
    """A payment, a credit note, or an end of an invoice, as the invoice stood before it."""

    event: str
    at: int
    invoice: Invoice
    what: Payment | Credit | None = None


class Invoices:
    """All invoices and credit notes of a ledger."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._feed = feed_of(desk, INVOICE)
        self._start()

    def _start(self) -> None:
        self.invoices: dict[str, Invoice] = {}
        self.shares: dict[str, Share] = {}  # by outcome: its part of the invoice it is on
        self.credits: dict[str, Credit] = {}  # by cause
        self.applied: dict[str, int] = {}  # by credit note: how much of it paid its own invoice
        self.given_up: dict[str, int] = {}  # by invoice: what was open when it was given up, less what was credited
        self.recovered: dict[str, int] = {}  # by credit note: how much of it was given up before
        self.settled: list[Settled] = []  # what happened to invoices and is not known to be on the books yet
        self._by_customer: dict[tuple[str, str], list[str]] = {}
        self._counts: dict[str, int] = {}  # numbers given out, by series
        self._facts: set[str] = set()

    def catch_up(self) -> None:
        """Take in what happened meanwhile."""
        if not self._feed.intact():
            self._feed.restart()
            self._start()
        for fact in self._feed.read():
            self.apply(fact)

    def tell(self, event: str, id: str, at: int, data: dict[str, object], durable: bool = True) -> None:
        """Put an event of an invoice on record; told again (same id) it changes nothing."""
        if id in self._facts:
            return
        fact = Fact(INVOICE, id, at, data={"event": event, **data})
        if durable:
            self._desk.ledger.sync(fact)
        else:
            self._desk.ledger.record(fact)
        self.apply(fact)

    def apply(self, fact: Fact) -> None:
        """Fold one fact; one that is known, or does not fit, changes nothing."""
        if fact.id in self._facts:
            return
        self._facts.add(fact.id)
        data = cast(dict[str, Any], fact.data)
        if data.get("event") == "finalised":
            self._finalised(decode(data["document"]))
            return
        known = self.invoices.get(str(data.get("invoice")))
        if known is not None:
            self._later(known, str(data.get("event")), data, fact.at)

    def of(self, customer: str, tenant: str = "default") -> Iterator[Invoice]:
        """A customer's invoices, the oldest first."""
        return (self.invoices[id] for id in self._by_customer.get((tenant, customer), ()))

    def find(self, named: str) -> Invoice | None:
        """The invoice of an id, or of a number."""
        known = self.invoices.get(named)
        if known is not None:
            return known
        return next((invoice for invoice in self.invoices.values() if invoice.number == named), None)

    def lines(self, id: str) -> tuple[Line, ...]:
        """The lines of an invoice."""
        found = self.find(id)
        return found.lines if found else ()

    def next_number(self, series: str) -> str:
        """The number after the last one given out in a series, like `INV-2026-`: without a gap."""
        return f"{series}{self._counts.get(series, 0) + 1:04}"

    def _finalised(self, invoice: Invoice) -> None:
        known = self.invoices.get(invoice.id)
        if known is not None and known.state != "void":
            return
        if known is not None:  # the one that was taken back stays to be looked at, under its number
            self.invoices[known.number] = known
        self.invoices[invoice.id] = invoice
        self._by_customer.setdefault((invoice.tenant, invoice.customer), []).append(
            invoice.id if known is None else known.number
        )
        self._count(invoice.number)
        unit = NANOS // int(10 ** minor_places(invoice.currency))
        for line in invoice.lines:
            for item in line.items:
                self.shares[item.outcome] = Share(
                    invoice.number, item.fee, item.gross, item.discount, item.tax, item.before, unit
                )

    def _later(self, known: Invoice, event: str, data: dict[str, Any], at: int) -> None:
        what: Payment | Credit | None = None
        if event == "paid":
            what = msgspec.convert(data["payment"], Payment)
            self.invoices[known.id] = replace(known, payments=(*known.payments, what))
        elif event == "credited":
            what = msgspec.convert(data["credit"], Credit)
            self._credited(known, what)
        elif event == "uncollectible" and known.state == "finalised":
            self.given_up[known.number] = known.open
            self.invoices[known.id] = replace(known, state="uncollectible")
        elif event == "voided" and known.state == "finalised":
            self._voided(known)
        else:
            return
        self.settled.append(Settled(event, at, known, what))

    def _credited(self, known: Invoice, credit: Credit) -> None:
        """Take a credit note in: it pays what is open, or makes good what was given up."""
        applied = min(known.open, credit.total)
        recovered = min(self.given_up.get(known.number, 0), credit.total - applied)
        self.credits[credit.cause] = credit
        self.applied[credit.number] = applied
        if recovered:
            self.recovered[credit.number] = recovered
            self.given_up[known.number] -= recovered
        self._count(credit.number)
        self.invoices[known.id] = replace(known, credits=(*known.credits, credit), applied=known.applied + applied)

    def _voided(self, known: Invoice) -> None:
        self.invoices[known.id] = replace(known, state="void")
        for line in known.lines:
            for item in line.items:
                self.shares.pop(item.outcome, None)

    def _count(self, number: str) -> None:
        series, _, count = number.rpartition("-")
        if count.isdigit():
            self._counts[f"{series}-"] = max(self._counts.get(f"{series}-", 0), int(count))


def encode(invoice: Invoice) -> dict[str, Any]:
    """A finalised invoice as its fact holds it: items are rows, as there may be many."""
    told: dict[str, Any] = msgspec.to_builtins(invoice)
    for said, line in zip(told["lines"], invoice.lines, strict=True):
        said["items"] = [[getattr(item, name) for name in _ITEM] for item in line.items]
    for name in ("state", "payments", "credits", "applied"):
        told.pop(name)
    return told


def decode(told: dict[str, Any]) -> Invoice:
    """An invoice from its fact."""
    lines = [{**line, "items": [dict(zip(_ITEM, row, strict=True)) for row in line["items"]]} for line in told["lines"]]
    return msgspec.convert({**told, "lines": lines, "state": "finalised"}, Invoice)


def digest_of(told: dict[str, Any]) -> str:
    """What an invoice says, as one number: printed on it, and the same for whoever recounts it."""
    return hashlib.sha256(msgspec.json.encode({**told, "digest": ""}, order="sorted")).hexdigest()


def digest(invoice: Invoice) -> str:
    """The digest of an invoice that is at hand."""
    return digest_of(encode(invoice))
