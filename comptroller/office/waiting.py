"""Usage that waits: each row or group of events with why, and what would let it count. Nothing of it is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from comptroller.metering.contracts import Contract, ContractBook
from comptroller.metering.invoice import Invoice
from comptroller.metering.periods import period_named

FOREVER = 2**62
TAKES = 3  # so many invoices back are corrected by later ones, as `gather.LATE` says

# What a row lacks, and the remedy. `{...}` are its own columns.
ROWS = {
    "no_event": "has no event id, so it could be counted twice. Send it again with one.",
    "no_customer": "names no customer. Send it again with one.",
    "no_meter": "names no meter. Send it again with one.",
    "unknown_kind": "is of kind {kind!r}. Send it as usage, amend or cancel.",
    "nothing_amended": "is to {kind} an event and does not say which. Send it again with `amends`.",
    "bad_quantity": "has the quantity {quantity!r}. Send a decimal with at most 9 places, like 12.5.",
    "negative": "has the quantity {quantity}, less than none. Send what takes usage back as kind amend or cancel.",
    "bad_time": "has the time {happened!r}. Send it as ISO 8601, like 2026-03-01T12:00:00Z.",
    "too_long": "has ids of more than 1,000 bytes. Send shorter ones.",
    "conflict": (
        "was told before with other content ({first_name}, row {first_line}), and the first stands. "
        "Send the change as an event of its own, of kind amend."
    ),
}
GROUPS = {
    "future": "It is dated in the future. It counts in the period of its date; cancel it if the clock was wrong.",
    "unknown": "The customer has no contract. It counts once one is loaded that holds at its date.",
    "before": "It is dated before the contract, which begins on {starts}. It counts once a version holds then.",
    "after": "It is dated after the contract ended on {until}. It counts once a version holds then.",
    "no_price": "The contract has no price for {meter}. It counts once the meter is under `usage` of the contract.",
    "too_late": (
        "It came more than {takes} invoices after its own. Agree on it with the customer, "
        "then send it again under a new id, dated in an open period."
    ),
}


class Answers(Protocol):
    """Whoever answers named queries."""

    def rows(self, name: str, **params: object) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """Some usage that does not count as it is."""

    reason: str
    message: str
    tenant: str
    customer: str
    meter: str
    place: str  # batch and row, where it is about one row
    event: str = ""
    events: int = 1
    quantity: str = ""
    first: str = ""
    last: str = ""


def waiting(books: Answers, contracts: ContractBook, invoices: Sequence[Invoice], now: int) -> list[Waiting]:
    """All usage that waits: rows first, in the order they came, then events that no contract prices."""
    rows = books.rows("usage_waiting")
    asked = {"covers": list(_covers(contracts)), "closed": list(_closed(contracts, invoices)), "now": now}
    groups = books.rows("usage_unplaced", **asked)
    return [*map(_row, reversed(rows)), *(_group(row, contracts) for row in groups)]


def _covers(contracts: ContractBook) -> Iterator[list[str]]:
    for contract in contracts:
        for meter in contract.usage:
            until = FOREVER if contract.end is None else contract.end
            yield [contract.tenant, contract.customer, meter, str(contract.start), str(until)]


def _closed(contracts: ContractBook, invoices: Sequence[Invoice]) -> Iterator[list[str]]:
    by_customer: dict[tuple[str, str], list[Invoice]] = {}
    for invoice in invoices:
        if invoice.state != "void":
            by_customer.setdefault((invoice.tenant, invoice.customer), []).append(invoice)
    for (tenant, customer), mine in by_customer.items():
        versions = contracts.of(customer, tenant)
        for invoice in sorted(mine, key=lambda one: one.first)[:-TAKES] if versions else ():
            period = period_named(versions[-1].calendar, invoice.period)
            yield [tenant, customer, str(period.start), str(period.end), str(invoice.at)]


def _row(row: dict[str, Any]) -> Waiting:
    return Waiting(
        reason=row["reason"],
        message=f"The row {ROWS[row['reason']].format(**row)}",
        tenant=row["tenant"],
        customer=row["customer"],
        meter=row["meter"],
        place=f"{row['name']}, row {row['line']}",
        event=row["event"],
        quantity=row["quantity"],
        first=row["happened"],
        last=row["happened"],
    )


def _group(row: dict[str, Any], contracts: ContractBook) -> Waiting:
    versions = contracts.of(row["customer"], row["tenant"])
    reason = _why(row, versions)
    known = {"takes": TAKES, "meter": row["meter"]}
    if versions:
        known |= {"starts": versions[0].starts.isoformat(), "until": str(versions[-1].until)}
    return Waiting(
        reason=reason,
        message=GROUPS[reason].format(**known),
        tenant=row["tenant"],
        customer=row["customer"],
        meter=row["meter"],
        place="",
        events=int(row["events"]),
        quantity=f"{Decimal(row['quantity']).normalize():f}",
        first=_moment(row["first"]),
        last=_moment(row["last"]),
    )


def _why(row: dict[str, Any], versions: Sequence[Contract]) -> str:
    if row["reason"] != "no_price":
        return str(row["reason"])
    if not versions:
        return "unknown"
    first = int(row["first"].timestamp()) * 1_000_000_000
    end = versions[-1].end
    if first < versions[0].start:
        return "before"
    return "after" if end is not None and first >= end else "no_price"


def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")
