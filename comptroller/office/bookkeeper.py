"""The bookkeeper: posts what outcomes and invoices do to the books, and gives out credit notes.

What an invoice or an event entails (transactions, the outcomes' own events, credits that are burnt) is decided by its
fact and done after it; a bookkeeper that starts again does what one before it left undone, and nothing twice.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from comptroller.core.currencies import minor_places
from comptroller.core.errors import StoreError
from comptroller.core.money import NANOS
from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.metering import postings
from comptroller.metering.contracts import ContractBook
from comptroller.metering.invoice import Credit, Invoice, Payment
from comptroller.metering.periods import period_at, period_named
from comptroller.metering.postings import Share
from comptroller.office.invoices import Invoices, Settled
from comptroller.office.ledger import Accounts
from comptroller.office.outcomes import Registry
from comptroller.office.work import Records
from comptroller.wrapper.desk import Desk

LOCK = "office.lock"
PATIENCE_S = 30


class _Taken(StoreError):
    """Somebody else is at work on the books."""


class Bookkeeper:
    """Joins outcomes, contracts, invoices and the general ledger of one desk. Used by one thread at a time."""

    def __init__(self, desk: Desk, registry: Registry, contracts: ContractBook, records: Records | None = None) -> None:
        assert not registry.outcomes, "a bookkeeper hears every event from the first"
        self.desk, self.registry, self.contracts = desk, registry, contracts
        self.accounts, self.invoices = Accounts(desk), Invoices(desk)
        self.records = records or Records(None, {})
        registry.listeners.append(self._heard)
        with self.alone():
            pass

    # -- being the only one

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One bookkeeper at a time, brought up to date: numbers are given out without a gap."""
        with _locked(self.desk):
            self.catch_up()
            yield

    def look(self) -> None:
        """Catch up to read on; while another process is at work on these books, they stay as they were before it."""
        with contextlib.suppress(_Taken), _locked(self.desk, patience_s=0):
            self.catch_up()

    def catch_up(self) -> None:
        """Take in what happened meanwhile, and do what it entails and nobody did."""
        self.invoices.catch_up()
        self.accounts.catch_up()
        self.registry.catch_up()
        known = self.accounts.txns
        self.follow(
            [
                invoice
                for invoice in self.invoices.invoices.values()
                if postings.txn_id(invoice.number, "finalised") not in known
            ]
        )
        self.settle()
        self._mend()

    # -- outcomes

    def _heard(self, before: Outcome | None, after: Outcome, event: OutcomeEvent) -> None:
        """An event of an outcome counted: post what it does, with a credit note where it was invoiced."""
        if before is None or after.fee is None:
            return
        share = self.invoices.shares.get(after.key)
        if event.type == "invoice":
            if share is not None and after.invoice == share.invoice and before.reversed_nanos > share.before:
                self._credit_raced(before, share)
            return
        share = share if share is not None and before.invoice == share.invoice else None
        note = None
        if share is not None and after.reversed_nanos > before.reversed_nanos:
            note = self._credited(before, after, event, share)
        period = self._period(after.tenant, after.customer, event.at)
        for txn in postings.for_outcome(before, after, event, period, share, note, after.weights):
            self.accounts.post(txn, durable=False)  # lost with the power, it follows from its event once more
        if note is not None and note.number:
            self.apply(note)

    def _credited(self, before: Outcome, after: Outcome, event: OutcomeEvent, share: Share) -> Credit:
        known = self.invoices.credits.get(event.id)
        if known is not None:
            return known
        then, now = share.part(before.reversed_nanos), share.part(after.reversed_nanos)
        invoice = self.invoices.find(share.invoice)
        assert invoice is not None, "a share is of an invoice"
        given = [note for note in invoice.credits if note.outcome == after.key]  # by hand too: no fee goes back twice
        net = min(now.net - then.net, max(share.net - sum(note.net for note in given), 0))
        tax = min(now.tax - then.tax, max(share.tax - sum(note.tax for note in given), 0))
        net, tax = _at_most(invoice, net, tax)
        said = str(event.data.get("because") or after.because)
        if not net and not tax and now.net > then.net:  # all of it was given back by hand before
            return Credit("", event.id, event.at, invoice.number, 0, 0, said, after.key, after.type)
        return self.note(invoice, event.id, event.at, net, tax, said, after.key, after.type)

    def note(
        self,
        invoice: Invoice,
        cause: str,
        at: int,
        net: int,
        tax: int,
        because: str,
        outcome: str = "",
        type: str = "",
        by: str = "",
    ) -> Credit:
        """Give out a credit note. Its number counts on in a series of its own."""
        with _locked(self.desk):
            self.invoices.catch_up()
            if cause in self.invoices.credits:
                return self.invoices.credits[cause]
            number = self.invoices.next_number(f"CN-{self._year(invoice, at)}-")
            credit = Credit(number, cause, at, invoice.number, net, tax, because, outcome, type)
            self.invoices.tell("credited", f"{cause}:credited", self.desk.clock.now_ns(),
                               {"invoice": invoice.id, "credit": plain(credit), "by": by})  # fmt: skip
            return credit

    def apply(self, credit: Credit) -> None:
        """A credit note pays what is still open of its invoice; the rest stays with the customer."""
        invoice = self.invoices.find(credit.invoice)
        assert invoice is not None, "a credit note is of an invoice"
        taken = self.invoices.applied.get(credit.number, 0)
        recovered = self.invoices.recovered.get(credit.number, 0)
        amounts = [(f"credit:{credit.number}", taken + recovered), (postings.RECEIVABLE, -taken),
                   (postings.UNCOLLECTIBLE, -recovered)]  # fmt: skip
        self.post(credit.number, "applied", credit.at, invoice, amounts, {"note": credit.number})

    # -- what happens to an invoice once it is out

    def settle(self) -> None:
        """Post what payments, credit notes by hand, and ends of invoices entail, as their facts decided it."""
        told = self.invoices.settled
        while told:
            self._settle(told[0])
            del told[0]

    def _settle(self, told: Settled) -> None:
        invoice, what = told.invoice, told.what
        about = {"invoice": invoice.number}
        if isinstance(what, Payment):
            self.accounts.post(
                postings.for_payment(what.id, what.at, invoice.period, invoice.number, what.nanos, invoice.open,
                                     invoice.currency, invoice.tenant, invoice.customer)
            )  # fmt: skip
        elif isinstance(what, Credit) and (not what.outcome or what.cause.startswith(by_hand(invoice))):
            amounts = [(postings.DISCOUNT, what.net), (postings.TAX, what.tax), (f"credit:{what.number}", -what.total)]
            self.post(what.cause, "credited", what.at, invoice, amounts, {**about, "note": what.number})
            self.apply(what)
        elif told.event == "uncollectible":
            amounts = [(postings.UNCOLLECTIBLE, invoice.open), (postings.RECEIVABLE, -invoice.open)]
            self.post(invoice.number, "uncollectible", told.at, invoice, amounts, about)
        elif told.event == "voided":
            self._take_back(told.at, invoice)

    def _take_back(self, at: int, invoice: Invoice) -> None:
        for kind in ("finalised", "burn"):
            known = self.accounts.txns.get(postings.txn_id(invoice.number, kind))
            if known is not None:
                amounts = [(posting.account, -posting.nanos) for posting in known.postings]
                cause = f"{invoice.number}:{kind}"
                self.post(cause, "voided", at, invoice, amounts, {"invoice": invoice.number}, reverses=known.id)

    # -- invoices

    def follow(self, invoices: Sequence[Invoice]) -> None:
        """What finalised invoices entail. Their own transaction comes last: where it is, nothing is left to do."""
        if not invoices:
            return
        self.registry.tell_all(
            _billed(item.outcome, invoice.number, invoice.at, "", self._taken_back(item.outcome))
            for invoice in invoices
            for line in invoice.lines
            for item in line.items
        )
        for invoice in invoices:
            self._credits(invoice)
            self._costs(invoice)
            about = {"invoice": invoice.number}
            self.post(
                invoice.number, "finalised", invoice.at, invoice, _finalised(invoice), about, invoice is invoices[-1]
            )

    def _taken_back(self, key: str) -> str:
        """The invoice that an outcome was on before, where that one was taken back."""
        outcome = self.registry.outcomes.get(key)
        return outcome.invoice if outcome is not None else ""

    def _credits(self, invoice: Invoice) -> None:
        """Service credits that are due with an invoice, and the credits that pay it."""
        about = {"invoice": invoice.number}
        for id, nanos, _ in invoice.sla:
            amounts = [(postings.SLA, nanos), (f"credit:sla-{id}-{invoice.period}", -nanos)]
            cause = f"{invoice.id}:{id}"  # an invoice drawn anew has the same: the credit is due once
            self.post(cause, "sla", invoice.at, invoice, amounts, about, durable=False)
        if invoice.burnt:
            burnt = postings.for_burn(invoice.number, invoice.burnt, invoice.at, invoice.period, invoice.currency,
                                      invoice.tenant, invoice.customer)  # fmt: skip
            self.accounts.post(burnt, durable=False)

    def _mend(self) -> None:
        """Outcomes that changed while they were being invoiced, so that the invoice did not count for them.

        What was reversed then is credited; what is owed after all is told once more that it was invoiced.
        """
        for key, share in list(self.invoices.shares.items()):
            outcome = self.registry.outcomes.get(key)
            if outcome is None or outcome.invoice:
                continue
            if outcome.reversed_nanos > share.before:
                self._credit_raced(outcome, share)
            if outcome.state == "verified":
                told = len(self.registry.events(key))
                self.registry.tell(_billed(key, share.invoice, self.desk.clock.now_ns(), f":{told}"))

    def _credit_raced(self, outcome: Outcome, share: Share) -> None:
        """A credit note for what left the unbilled fees on its own before the invoice took it out of them."""
        invoice = self.invoices.find(share.invoice)
        assert invoice is not None, "a share is of an invoice"
        cause = f"{outcome.key}:raced:{share.invoice}:{outcome.reversed_nanos}"
        raced = f"{outcome.key}:raced:{share.invoice}:"
        told = [note for note in invoice.credits if note.cause.startswith(raced) and note.cause != cause]
        then = share.part(max([share.before, *(int(note.cause.rpartition(":")[2]) for note in told)]))
        now = share.part(outcome.reversed_nanos)
        at = self.desk.clock.now_ns()
        net, tax = now.net - then.net, now.tax - then.tax
        credit = self.note(invoice, cause, at, net, tax, outcome.because, outcome.key, outcome.type)
        amounts = postings.given_back(then, now, postings.UNBILLED, credit.number)
        self.post(cause, "reversed", at, invoice, amounts, {"outcome": outcome.key, "invoice": share.invoice})
        self.apply(credit)

    def _costs(self, invoice: Invoice) -> None:
        """What providers are owed for the period's calls, as far as it is not on the books yet."""
        contract = self.contracts.at(invoice.customer, self._day(invoice.first, invoice), invoice.tenant)
        if contract is None:
            return
        period = period_named(contract.calendar, invoice.period)
        known = self.accounts.of_customer(invoice.customer, invoice.tenant)
        rows: dict[str, list[tuple[str, str, str, int]]] = {}
        for provider, agent, run, currency, nanos in self.records.costs(
            invoice.tenant, invoice.customer, period.start, period.end
        ):
            left = nanos - known.get((f"cost:{provider}:{agent}:{run}", currency), 0)
            if left:
                rows.setdefault(currency, []).append((provider, agent, run, left))
        for currency, costs in rows.items():
            cause = f"{invoice.number}:cost:{currency}"
            txn = postings.for_cost(
                cause, costs, invoice.at, invoice.period, currency, invoice.tenant, invoice.customer
            )
            self.accounts.post(txn, durable=False)

    # -- what all share

    def post(self, cause: str, kind: str, at: int, invoice: Invoice, amounts: Iterable[tuple[str, int]],
              about: Mapping[str, str], durable: bool = True, reverses: str = "") -> None:  # fmt: skip
        txn = postings.entry(cause, kind, at, invoice.period, invoice.currency, amounts, tenant=invoice.tenant,
                             customer=invoice.customer, about=about, reverses=reverses)  # fmt: skip
        self.accounts.post(txn, durable)

    def _period(self, tenant: str, customer: str, at: int) -> str:
        contract = self.contracts.at(customer, at, tenant) or next(iter(self.contracts.of(customer, tenant)), None)
        return period_at(contract.calendar, at).label if contract else ""

    def _year(self, invoice: Invoice, at: int) -> str:
        label = self._period(invoice.tenant, invoice.customer, at) or invoice.issued
        return label[:4]

    def _day(self, day: str, invoice: Invoice) -> int:
        versions = self.contracts.of(invoice.customer, invoice.tenant)
        if not versions:
            return 0
        period = period_named(versions[-1].calendar, invoice.period)
        return max(period.start, versions[0].start)


def _billed(outcome: str, number: str, at: int, again: str, instead: str = "") -> OutcomeEvent:
    data: dict[str, object] = {"invoice": number, **({"instead": instead} if instead else {})}
    return OutcomeEvent(f"{outcome}:invoice:{number}{again}", outcome, "invoice", at, data=data)


def by_hand(invoice: Invoice) -> str:
    """How the causes of credit notes that people gave begin; those of a reversal are its event's."""
    return f"{invoice.number}:credit:"


def _at_most(invoice: Invoice, net: int, tax: int) -> tuple[int, int]:
    """What an outcome gives back of an invoice, less what was given back before: never more than there was."""
    net_left = invoice.totals.net - sum(credit.net for credit in invoice.credits)
    tax_left = invoice.totals.tax - sum(credit.tax for credit in invoice.credits)
    return min(net, max(net_left, 0)), min(tax, max(tax_left, 0))


def _finalised(invoice: Invoice) -> list[tuple[str, int]]:
    """What an invoice does to the books: it is owed, fees are no longer unbilled, tax is due to the state."""
    total = invoice.totals.total
    owed = postings.RECEIVABLE if total >= 0 else f"credit:{invoice.number}"
    amounts = [(owed, total), (postings.TAX, -invoice.totals.tax), (postings.DISCOUNT, invoice.totals.discount)]
    for line in invoice.lines:
        if line.kind == "outcome":
            amounts += [(postings.UNBILLED, -line.exact), (postings.ROUNDING, line.exact - line.gross)]
        else:
            amounts += [(account, -nanos) for account, nanos in line.credits]
    return amounts


def unit_of(invoice: Invoice) -> int:
    return NANOS // int(10 ** minor_places(invoice.currency))


def plain(value: object) -> dict[str, object]:
    told: dict[str, object] = msgspec.to_builtins(value)
    return told


@contextmanager
def _locked(desk: Desk, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the office's lock; a ledger in memory needs none."""
    place = Path(desk.settings.ledger)
    if getattr(desk.ledger, "facts", None) is not None or not place.is_dir():
        yield
        return
    lock = _LOCKS.setdefault(str(place.absolute()), FileLock(place / LOCK))
    try:
        lock.acquire(timeout=patience_s)
    except Timeout:
        raise _Taken(
            f"{place / LOCK}: another process has been at work on these books for {patience_s} s. "
            "Let it end, then try again."
        ) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.release()


_LOCKS: dict[str, FileLock] = {}  # a lock held twice by one process counts as one
