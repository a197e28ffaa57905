"""Postings: what an outcome's event, an invoice, a payment, a grant or a cost does to the books.

Accounts: of a customer `unbilled`, `receivable`, `credit:{grant or note}`, `deferred`, `tax`; ours
`revenue:{outcome|seat|token|premium|...}:{agent}`, `contra:{clawback|sla|discount}`, `breakage`, `rounding`,
`cost:{provider}:{agent}:{run}`, `payable:{provider}`, `cash`. Debit is positive.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from comptroller.core.books import Posting, Txn
from comptroller.core.money import largest_remainder
from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.metering.invoice import Credit

UNBILLED, RECEIVABLE, DEFERRED, TAX = "unbilled", "receivable", "deferred", "tax"
CASH, ROUNDING, BREAKAGE = "cash", "rounding", "breakage"
DISCOUNT, CLAWBACK, SLA, UNCOLLECTIBLE = "contra:discount", "contra:clawback", "contra:sla", "contra:uncollectible"


@dataclass(frozen=True, slots=True)
class Share:
    """What one outcome is of an invoice, in nanos: its fee, and its part of the rounded line, discount and tax.

    The parts of all outcomes of a line sum to the line, so that whatever is credited comes out even.
    """

    invoice: str  # its number
    fee: int  # still owed when it was invoiced
    gross: int
    discount: int
    tax: int
    before: int = 0  # reversed before it was invoiced
    unit: int = 1  # nanos of the currency's smallest unit

    @property
    def net(self) -> int:
        return self.gross - self.discount

    def part(self, reversed_nanos: int) -> "Share":
        """What goes back of it once so much of the fee is reversed, counted from the outcome's first day."""
        back = min(reversed_nanos - self.before, self.fee)
        gross, discount, tax = (self._part(whole, back) for whole in (self.gross, self.discount, self.tax))
        return Share(self.invoice, back, gross, discount, tax, self.before, self.unit)

    def _part(self, whole: int, back: int) -> int:
        if back >= self.fee:
            return whole
        units = abs(whole) // self.unit * back
        return ((units + self.fee // 2) // self.fee) * self.unit * (1 if whole >= 0 else -1)


def txn_id(cause: str, kind: str) -> str:
    """The id of what one cause does: the same whoever works it out, however often."""
    return hashlib.sha256(f"{len(cause)}:{cause}{kind}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def entry(
    cause: str,
    kind: str,
    at: int,
    period: str,
    currency: str,
    amounts: Iterable[tuple[str, int]],
    *,
    tenant: str = "",
    customer: str = "",
    reverses: str = "",
    about: Mapping[str, str] | None = None,
) -> Txn | None:
    """A transaction from accounts and nanos, those of one account summed; None where nothing moves."""
    sums: dict[str, int] = {}
    for account, nanos in amounts:
        sums[account] = sums.get(account, 0) + nanos
    postings = tuple(Posting(account, currency, nanos) for account, nanos in sums.items() if nanos)
    if not postings:
        return None
    known = dict(about or {})
    return Txn(txn_id(cause, kind), cause, kind, at, period, postings, tenant, customer, reverses, known)


def for_outcome(
    before: Outcome | None,
    after: Outcome,
    event: OutcomeEvent,
    period: str,
    share: Share | None = None,
    note: Credit | None = None,
    agents: Sequence[tuple[str, int]] = (),
) -> list[Txn]:
    """What an event of an outcome does to the books. `share` is its part of the invoice it is on, `note` the credit
    note that takes from it, `agents` those who earned the fee with their weights.
    """
    if before is None or after.fee is None:
        return []
    back = after.reversed_nanos - before.reversed_nanos
    moves: list[tuple[str, list[tuple[str, int]]]] = []
    if after.state == "verified" and before.state in ("claimed", "pending"):
        moves.append(("verified", [(UNBILLED, after.fee.nanos), (DEFERRED, -after.fee.nanos)]))
    elif after.state == "final" and before.state != "final":
        moves.append(("final", _recognised(after, agents)))
    elif back > 0 and share is None:
        final = before.state == "final"  # its invoice was taken back
        moves.append(("reversed", [(CLAWBACK if final else DEFERRED, back), (UNBILLED, -back)]))
    elif back > 0 and share is not None:
        moves.append(_reversed(before, after, share, note))
    made = (
        entry(
            event.id,
            kind,
            event.at,
            period,
            after.fee.currency,
            amounts,
            tenant=after.tenant,
            customer=after.customer,
            reverses=_reverses(after, share) if kind in ("reversed", "clawed_back") else "",
            about=_about(after, share, note.number if note else ""),
        )
        for kind, amounts in moves
    )
    return [txn for txn in made if txn is not None]


def split(total: int, agents: Sequence[tuple[str, int]], performers: Sequence[str]) -> list[tuple[str, int]]:
    """A fee over the agents by their weights, or equally; leftovers by largest remainder, ties by name."""
    known = sorted(agents) if any(weight > 0 for _, weight in agents) else [(name, 1) for name in sorted(performers)]
    if not known:
        return [("", total)]
    parts = largest_remainder(total, [weight for _, weight in known])
    return [(name, part) for (name, _), part in zip(known, parts, strict=True)]


def for_payment(
    payment: str,
    at: int,
    period: str,
    invoice: str,
    nanos: int,
    open_nanos: int,
    currency: str,
    tenant: str,
    customer: str,
) -> Txn | None:
    """Cash against what is open of an invoice; what is paid beyond it stays the customer's."""
    taken = min(nanos, open_nanos)
    amounts = [(CASH, nanos), (RECEIVABLE, -taken), (f"credit:payment:{payment}", taken - nanos)]
    about = {"invoice": invoice}
    return entry(
        f"{invoice}:{payment}", "payment", at, period, currency, amounts, tenant=tenant, customer=customer, about=about
    )


def for_grant(
    grant: str, at: int, period: str, nanos: int, paid: int, currency: str, tenant: str, customer: str
) -> Txn | None:
    """Credit given in advance: what was paid for it is cash, what was not is a discount."""
    amounts = [(CASH, paid), (DISCOUNT, nanos - paid), (f"credit:{grant}", -nanos)]
    cause = f"{tenant}:{customer}:{grant}"
    return entry(
        cause, "grant", at, period, currency, amounts, tenant=tenant, customer=customer, about={"grant": grant}
    )


def for_expiry(
    grant: str, at: int, period: str, left: int, nanos: int, paid: int, currency: str, tenant: str, customer: str
) -> Txn | None:
    """What was left of a grant: the part that was paid for is ours, for the rest the discount comes back."""
    kept = left * paid // nanos if nanos else 0
    amounts = [(f"credit:{grant}", left), (BREAKAGE, -kept), (DISCOUNT, kept - left)]
    cause = f"{tenant}:{customer}:{grant}"
    return entry(
        cause, "expiry", at, period, currency, amounts, tenant=tenant, customer=customer, about={"grant": grant}
    )


def for_burn(
    invoice: str, burnt: Mapping[str, int], at: int, period: str, currency: str, tenant: str, customer: str
) -> Txn | None:
    """Credits that pay an invoice, by their names."""
    amounts = [(f"credit:{name}", nanos) for name, nanos in burnt.items()]
    amounts.append((RECEIVABLE, -sum(burnt.values())))
    return entry(
        invoice, "burn", at, period, currency, amounts, tenant=tenant, customer=customer, about={"invoice": invoice}
    )


def for_cost(
    cause: str,
    costs: Iterable[tuple[str, str, str, int]],
    at: int,
    period: str,
    currency: str,
    tenant: str,
    customer: str,
) -> Txn | None:
    """What providers are owed: rows of provider, agent, run and nanos."""
    amounts: list[tuple[str, int]] = []
    for provider, agent, run, nanos in costs:
        amounts += [(f"cost:{provider}:{agent}:{run}", nanos), (f"payable:{provider}", -nanos)]
    return entry(cause, "cost", at, period, currency, amounts, tenant=tenant, customer=customer)


def _recognised(after: Outcome, agents: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The dispute window is over: what is left of the fee is earned, by whoever earned it."""
    assert after.fee is not None
    left = after.fee.nanos - after.reversed_nanos
    earned = [(f"revenue:outcome:{name}", -part) for name, part in split(left, agents, after.agents)]
    return [(DEFERRED, left), *earned]


def given_back(then: Share, now: Share, account: str, note: str) -> list[tuple[str, int]]:
    """What a credit note does for an outcome of which more is reversed than before: fee and tax become credit."""
    gross, discount, tax = now.gross - then.gross, now.discount - then.discount, now.tax - then.tax
    return [
        (account, now.fee - then.fee),
        (TAX, tax),
        (DISCOUNT, -discount),
        (ROUNDING, gross - (now.fee - then.fee)),
        (f"credit:{note}", -(gross - discount + tax)),
    ]


def _reversed(before: Outcome, after: Outcome, share: Share, note: Credit | None) -> tuple[str, list[tuple[str, int]]]:
    """Out of what is deferred, or out of revenue by a claw-back. What was given back by hand before is not again."""
    final = before.state == "final"
    then, now = share.part(before.reversed_nanos), share.part(after.reversed_nanos)
    amounts = given_back(then, now, CLAWBACK if final else DEFERRED, note.number if note else "")
    if note is not None:
        net, tax = now.net - then.net - note.net, now.tax - then.tax - note.tax
        amounts += [(DISCOUNT, -net), (TAX, -tax), (f"credit:{note.number}", net + tax)]
    return "clawed_back" if final else "reversed", amounts


def _reverses(after: Outcome, share: Share | None) -> str:
    return txn_id(share.invoice, "finalised") if share else ""


def _about(after: Outcome, share: Share | None, note: str) -> dict[str, str]:
    known = {
        "outcome": after.key,
        "run": after.run,
        "workflow": after.workflow,
        "type": after.type,
        "price": after.price,
        "invoice": share.invoice if share else "",
        "note": note,
    }
    return {name: value for name, value in known.items() if value}
