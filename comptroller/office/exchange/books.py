"""The books as sheets: invoices, their lines, outcomes, their events, and the general ledger's journal."""

from collections.abc import Iterable, Iterator

from comptroller.core.books import Txn
from comptroller.core.outcome import WHOLE, Outcome, OutcomeEvent
from comptroller.metering.invoice import Invoice, Line
from comptroller.office.exchange.sheet import Cell, Sheet


def invoices(found: Iterable[Invoice], now_ns: int) -> Sheet:
    """One row for each invoice."""
    columns = (
        "number invoice tenant customer contract version period first:day last:day currency status issued:day due:day "
        "subtotal:money discount:money tax:money total:money credits:money paid:money open:money digest"
    )
    return Sheet.of(columns, (_invoice(invoice, now_ns) for invoice in found))


def lines(found: Iterable[Invoice]) -> Sheet:
    """One row for each line of an invoice."""
    columns = (
        "number line:whole kind title about type period quantity unit currency exact:money gross:money discount:money "
        "net:money tax:money price outcomes:whole"
    )
    rows = ((invoice, number, line) for invoice in found for number, line in enumerate(invoice.lines, 1))
    return Sheet.of(columns, (_line(*row) for row in rows))


def items(found: Iterable[Invoice]) -> Sheet:
    """One row for each outcome on an invoice: what the lines drill to."""
    columns = (
        "number line:whole outcome run subject method verified_at:moment evidence currency fee:money gross:money "
        "discount:money tax:money"
    )
    return Sheet.of(columns, _items(found))


def outcomes(found: Iterable[Outcome]) -> Sheet:
    """One row for each outcome as it stands."""
    columns = (
        "outcome tenant customer type subject state run workflow agents claimed_at:moment verified_at:moment "
        "billed_at:moment degree:number method attestor contract price currency fee:money reversed:money invoice "
        "attempts:whole duplicate_of because evidence"
    )
    return Sheet.of(columns, (_outcome(outcome) for outcome in found))


def events(found: Iterable[tuple[OutcomeEvent, str]]) -> Sheet:
    """One row for each event of an outcome, with why it was ignored where it was."""
    columns = "event outcome type at:moment actor attestor method evidence ignored"
    rows = (
        (event.id, event.outcome, event.type, event.at, event.actor, event.attestor, event.method,
         " ".join(event.evidence), why)
        for event, why in found
    )  # fmt: skip
    return Sheet.of(columns, rows)


def ledger(found: Iterable[Txn]) -> Sheet:
    """The general ledger's journal: one row for each posting, debit and credit apart, both without a sign."""
    columns = (
        "entry posting:whole at:moment period kind account currency debit:money credit:money tenant customer cause "
        "reverses invoice outcome run"
    )
    return Sheet.of(columns, (row for txn in found for row in _postings(txn)))


def _invoice(invoice: Invoice, now_ns: int) -> tuple[Cell, ...]:
    totals = invoice.totals
    return (
        invoice.number,
        invoice.id,
        invoice.tenant,
        invoice.customer,
        invoice.contract,
        invoice.version,
        invoice.period,
        invoice.first,
        invoice.last,
        invoice.currency,
        invoice.status(now_ns),
        invoice.issued,
        invoice.due,
        totals.subtotal,
        totals.discount,
        totals.tax,
        totals.total,
        totals.credits,
        invoice.paid,
        invoice.open,
        invoice.digest,
    )


def _line(invoice: Invoice, number: int, line: Line) -> tuple[Cell, ...]:
    return (
        invoice.number,
        number,
        line.kind,
        line.title,
        line.about,
        line.type,
        line.period or invoice.period,
        line.quantity,
        line.unit,
        invoice.currency,
        line.exact,
        line.gross,
        line.discount,
        line.net,
        line.tax,
        line.price,
        len(line.items),
    )


def _items(found: Iterable[Invoice]) -> Iterator[tuple[Cell, ...]]:
    for invoice in found:
        for number, line in enumerate(invoice.lines, 1):
            for item in line.items:
                yield (
                    invoice.number,
                    number,
                    item.outcome,
                    item.run,
                    item.subject,
                    item.method,
                    item.verified_at,
                    " ".join(item.evidence),
                    invoice.currency,
                    item.fee,
                    item.gross,
                    item.discount,
                    item.tax,
                )


def _outcome(outcome: Outcome) -> tuple[Cell, ...]:
    fee = outcome.fee
    return (
        outcome.key,
        outcome.tenant,
        outcome.customer,
        outcome.type,
        outcome.subject,
        outcome.state,
        outcome.run,
        outcome.workflow,
        " ".join(outcome.agents),
        outcome.claimed_at,
        outcome.verified_at or None,
        outcome.billed_at or None,
        _share(outcome.degree),
        outcome.method,
        outcome.attestor,
        outcome.contract,
        outcome.price,
        fee.currency if fee else None,
        fee.nanos if fee else None,
        outcome.reversed_nanos if fee else None,
        outcome.invoice,
        outcome.attempts,
        outcome.duplicate_of,
        outcome.because,
        " ".join(outcome.evidence),
    )


def _postings(txn: Txn) -> Iterator[tuple[Cell, ...]]:
    about = txn.about
    for number, posting in enumerate(txn.postings, 1):
        yield (
            txn.id,
            number,
            txn.at,
            txn.period,
            txn.kind,
            posting.account,
            posting.currency,
            posting.nanos if posting.nanos > 0 else None,
            -posting.nanos if posting.nanos < 0 else None,
            txn.tenant,
            txn.customer,
            txn.cause,
            txn.reverses,
            about.get("invoice", ""),
            about.get("outcome", ""),
            about.get("run", ""),
        )


def _share(degree: int) -> str:
    whole, rest = divmod(degree, WHOLE)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") if rest else str(whole)
