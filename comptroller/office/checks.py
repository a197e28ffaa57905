"""Checks before a period is closed: what would make its invoice wrong or incomplete, each as data."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

from comptroller.core.money import decimal_text
from comptroller.core.outcome import Outcome
from comptroller.metering import postings
from comptroller.metering.invoice import Invoice, Item
from comptroller.metering.periods import Period
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.ledger import off_balance
from comptroller.office.waiting import waiting
from comptroller.office.work import Answers

Level = Literal["ok", "warning", "fault"]
SHOWN = 20
_OPEN = ("claimed", "pending")


@dataclass(frozen=True, slots=True)
class Check:
    """One question, and its answer. A warning may be meant so; with a fault nobody should close."""

    id: str
    level: Level
    message: str
    count: int = 0  # of what it is about
    amount: int | None = None  # nanos of it
    examples: tuple[str, ...] = ()  # ids of outcomes, models or places of usage


@dataclass(frozen=True, slots=True)
class Papers:
    """What is looked at: an invoice or its draft, and what is known around it."""

    keeper: Bookkeeper
    books: Answers
    invoice: Invoice
    period: Period

    @property
    def items(self) -> Iterator[Item]:
        return (item for line in self.invoice.lines for item in line.items)

    @property
    def outcomes(self) -> Iterator[Outcome]:
        """All outcomes of its customer."""
        who = self.invoice.tenant, self.invoice.customer
        return (one for one in self.keeper.registry.outcomes.values() if (one.tenant, one.customer) == who)


def checks(papers: Papers) -> list[Check]:
    """All of them, in the order people ask."""
    return [ask(papers) for ask in _ALL]


def _evidence(papers: Papers) -> Check:
    bare = [item.outcome for item in papers.items if not item.evidence]
    if not bare:
        return Check("evidence", "ok", "Every outcome on it has evidence.", papers.invoice.outcome_count)
    return Check("evidence", "fault", f"{_count(bare)} on it without evidence.", len(bare), None, _some(bare))


def _posted(papers: Papers) -> Check:
    invoice, accounts = papers.invoice, papers.keeper.accounts
    lines = sum(line.exact for line in invoice.lines if line.kind == "outcome")
    if invoice.number:
        txn = accounts.txns.get(postings.txn_id(invoice.number, "finalised"))
        moves = txn.postings if txn is not None else ()
        posted = -sum(one.nanos for one in moves if one.account == postings.UNBILLED)
    else:
        lines = sum(_unbilled(papers, one) for one in papers.outcomes)
        mine = accounts.of_customer(invoice.customer, invoice.tenant)
        posted = mine.get((postings.UNBILLED, invoice.currency), 0)
    off = lines - posted
    if not off:
        return Check("postings", "ok", "What its outcomes come to is what the books say.", amount=posted)
    said = f"The outcomes come to {decimal_text(lines)} {invoice.currency}, the books say {decimal_text(posted)}."
    return Check("postings", "fault", said, 1, off)


def _unbilled(papers: Papers, one: Outcome) -> int:
    """What the books have of an outcome that is on no invoice."""
    if not one.verified_at or one.fee is None or one.key in papers.keeper.invoices.shares:
        return 0
    return one.fee.nanos - one.reversed_nanos if one.fee.currency == papers.invoice.currency else 0


def _disputed(papers: Papers) -> Check:
    known, closed = papers.keeper.registry.outcomes, bool(papers.invoice.number)
    wrong = [one.outcome for one in papers.items if known[one.outcome].state.startswith("disputed")]
    if wrong:
        told = f"{_count(wrong)} in dispute {'since it was closed' if closed else 'on it'}."
        return Check("disputed", "warning" if closed else "fault", told, len(wrong), None, _some(wrong))
    held, nanos = papers.invoice.held, papers.invoice.held_nanos
    return Check("disputed", "ok", "Outcomes in dispute are held back." if held else "None is in dispute.", held, nanos)


def _twice(papers: Papers) -> Check:
    shares, number = papers.keeper.invoices.shares, papers.invoice.number
    counts = Counter(item.outcome for item in papers.items)
    twice = [key for key, count in counts.items() if count > 1]
    twice += [key for key in counts if key in shares and shares[key].invoice != number]
    if not twice:
        return Check("twice", "ok", "Nothing on it is billed twice.")
    return Check("twice", "fault", f"{_count(twice)} billed twice.", len(twice), None, _some(twice))


def _undecided(papers: Papers) -> Check:
    late = [one.key for one in papers.outcomes if one.state in _OPEN and one.claimed_at in papers.period]
    if not late:
        return Check("undecided", "ok", "Every claim of the period is decided.")
    said = f"{_count(late)} not decided yet. Closed now, they are billed in the period they are verified in."
    return Check("undecided", "warning", said, len(late), None, _some(late))


def _waiting(papers: Papers) -> Check:
    keeper, invoice = papers.keeper, papers.invoice
    known = waiting(papers.books, keeper.contracts, list(keeper.invoices.invoices.values()), keeper.desk.clock.now_ns())
    mine = [one for one in known if (one.tenant, one.customer) == (invoice.tenant, invoice.customer)]
    if not mine:
        return Check("usage", "ok", "No usage waits.")
    said = f"Usage waits and would not be billed: {mine[0].message}"
    return Check("usage", "warning", said, sum(one.events for one in mine), None, _some(one.place for one in mine))


def _unpriced(papers: Papers) -> Check:
    invoice, period = papers.invoice, papers.period
    found = papers.books.rows("unpriced_calls", tenant=invoice.tenant, customer=invoice.customer,
                              since=period.start, until=period.end)[0]  # fmt: skip
    calls, models = int(str(found["calls"])), cast(list[str], found["models"])
    if not calls:
        return Check("unpriced", "ok", "The cost of every call is known.")
    said = f"Nobody knows the cost of {calls} call{'' if calls == 1 else 's'}: margins look better than they are."
    return Check("unpriced", "warning", said, calls, None, _some(models))


def _balance(papers: Papers) -> Check:
    invoice = papers.invoice
    off = off_balance(papers.keeper.accounts.of_customer(invoice.customer, invoice.tenant).items())
    if not off:
        return Check("balance", "ok", "The customer's accounts sum to zero.")
    unit, nanos = next(iter(off.items()))
    return Check("balance", "fault", f"The customer's accounts are off by {decimal_text(nanos)} {unit}.", 1, nanos)


_ALL: tuple[Callable[[Papers], Check], ...] = (
    _evidence, _posted, _disputed, _twice, _undecided, _waiting, _unpriced, _balance,
)  # fmt: skip


def _count(keys: list[str]) -> str:
    return f"{len(keys)} outcome{' is' if len(keys) == 1 else 's are'}"


def _some(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in found if one))[:SHOWN]
