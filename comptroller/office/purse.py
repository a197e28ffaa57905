"""A customer's credits: what there is, in the order it burns, and what of it pays an invoice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from comptroller.metering.contracts import Contract, Grant
from comptroller.metering.invoice import Invoice
from comptroller.metering.periods import Period

PREFIX = "credit:"


@dataclass(frozen=True, slots=True)
class Credit:
    """Something that pays: its account's name, what is left, and the kinds of lines it is for (empty: all)."""

    name: str
    nanos: int
    kinds: tuple[str, ...] = ()


def available(
    balances: Mapping[tuple[str, str], int],
    contract: Contract,
    period: Period,
    grants: Mapping[str, Grant],
    sla: Sequence[tuple[str, int, str]] = (),
) -> list[Credit]:
    """Credits that can pay for a period, the first to burn first: what we owe, then grants by priority and expiry.

    A grant pays for periods that begin before it expires: what was used until then was used in time.
    """
    owed = [Credit(f"sla-{id}-{period.label}", nanos) for id, nanos, _ in sla]
    given: list[tuple[tuple[int, str, str], Credit]] = []
    for (account, currency), nanos in balances.items():
        if nanos >= 0 or currency != contract.currency or not account.startswith(PREFIX):
            continue
        name = account.removeprefix(PREFIX)
        grant = grants.get(name)
        if grant is None:
            if all(credit.name != name for credit in owed):
                owed.append(Credit(name, -nanos))
        elif grant.starts < period.after and (grant.expires is None or grant.expires > period.first):
            order = (grant.priority, str(grant.expires or "9999"), name)
            given.append((order, Credit(name, -nanos, grant.kinds)))
    return [*owed, *(credit for _, credit in sorted(given, key=lambda row: row[0]))]


def burn(invoice: Invoice, credits: Sequence[Credit]) -> dict[str, int]:
    """What of these credits pays an invoice, tax included; one for some kinds pays for lines of them only."""
    left = {number: line.net + line.tax for number, line in enumerate(invoice.lines)}
    due = max(invoice.totals.total, 0)
    burnt: dict[str, int] = {}
    for credit in credits:
        mine = [number for number in left if not credit.kinds or invoice.lines[number].kind in credit.kinds]
        taken = min(credit.nanos, due, max(sum(left[number] for number in mine), 0))
        if taken <= 0:
            continue
        burnt[credit.name] = burnt.get(credit.name, 0) + taken
        due -= taken
        rest = taken
        for number in mine:
            part = min(rest, max(left[number], 0))
            left[number] -= part
            rest -= part
    return burnt
