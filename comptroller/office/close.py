"""Closing periods: drafts, and invoices with number, dates and credits, each period of each customer once."""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from comptroller.core.errors import SettingsError
from comptroller.metering import postings
from comptroller.metering.contracts import DAY, Contract
from comptroller.metering.draw import dated, invoice_id
from comptroller.metering.invoice import Invoice
from comptroller.metering.periods import Period, midnight_ns, next_period, period_at, period_named, period_on
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.collector import undisturbed
from comptroller.office.gather import Gatherer
from comptroller.office.invoices import digest_of, encode
from comptroller.office.purse import available, burn

_MONTH = re.compile(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])", re.ASCII)
_Dues = Iterator[tuple[Contract, Period]]


def draft(keeper: Bookkeeper, customer: str, period: str = "", tenant: str = "") -> Invoice | None:
    """What the invoice of a period would be if it were closed now; by default that of the current one."""
    keeper.look()
    tenant = tenant or keeper.desk.settings.tenant
    contract = _contract(keeper, tenant, customer)
    known = _period_named(keeper, contract, period) if period else _current(keeper, contract)
    return _gatherer(keeper).draft(tenant, customer, known)


def previews(keeper: Bookkeeper, customer: str, tenant: str) -> list[tuple[Period, Invoice]]:
    """What every period of a customer without an invoice would come to now: those that are over and the one that runs.

    What the first of them takes is not on a later one: they are closed in order. The bookkeeper has caught up.
    """
    records = keeper.records.anew()
    now, contract = keeper.desk.clock.now_ns(), _contract(keeper, tenant, customer)
    periods = [period for _, period in _due(keeper, tenant, customer, date.max, now, early=True)]
    taken: set[str] = set()
    found: list[tuple[Period, Invoice]] = []
    for period in [*periods, _current(keeper, contract)]:
        mine = [one for one in keeper.registry.outcomes.values()
                if (one.tenant, one.customer) == (tenant, customer) and one.key not in taken]  # fmt: skip
        made = Gatherer(keeper.contracts, mine, keeper.invoices, records).draft(tenant, customer, period)
        if made is not None:
            found.append((period, made))
            taken |= {item.outcome for line in made.lines for item in line.items}
    return found


def close(
    keeper: Bookkeeper, period: str = "", customer: str = "", tenant: str = "", early: bool = False, by: str = ""
) -> list[Invoice]:
    """Finalise the invoices of all periods that are over, grace included, up to the one named.

    `early` does not wait for the days of grace; `by` is who says so. What has an invoice already is left as it is.
    """
    with keeper.alone(), undisturbed():
        now, until = keeper.desk.clock.now_ns(), _until(period)
        keeper.records = keeper.records.anew()  # a bookkeeper may have looked at this time before it was over
        _open_grants(keeper)
        gatherer = _gatherer(keeper)
        waiting = [
            _due(keeper, its_tenant, name, until, now, early)
            for its_tenant, name in keeper.contracts.customers
            if customer in ("", name) and tenant in ("", its_tenant)
        ]
        if customer and not waiting:
            raise SettingsError(f"{customer!r} has no contract, so there is nothing to close. Look at the spelling.")
        made: list[Invoice] = []
        # Round by round, at most one period of each customer: the next one needs what the one before left of credits.
        while waiting:
            waiting, closed = _round(keeper, gatherer, waiting, now, by)
            made += closed
        if made:  # synced with all that was written before it: what is answered now is durable
            keeper.invoices.tell("closed", f"closed:{made[-1].number}", now, {"count": len(made)})
        return made


def _round(
    keeper: Bookkeeper, gatherer: Gatherer, waiting: "list[_Dues]", now: int, by: str
) -> "tuple[list[_Dues], list[Invoice]]":
    """Close the next period of everybody who has one that is due; returns who may have more, and the invoices."""
    more: list[_Dues] = []
    over: list[tuple[Contract, Period]] = []
    made: list[Invoice] = []
    for dues in waiting:
        for contract, period in dues:
            more.append(dues)
            over.append((contract, period))
            invoice = gatherer.draft(contract.tenant, contract.customer, period)
            if invoice is not None:
                made.append(_finalise(keeper, invoice, contract, period, now, by))
            break
    keeper.follow(made)
    for contract, period in over:
        _expire(keeper, contract, period)
    return more, made


def _due(keeper: Bookkeeper, tenant: str, customer: str, until: date, now: int, early: bool) -> _Dues:
    """The periods of a customer that are over and have no invoice, the oldest first."""
    versions = keeper.contracts.of(customer, tenant)
    period = period_on(versions[0].calendar, versions[0].starts)
    while True:
        held = keeper.contracts.within(period, customer, tenant) or keeper.contracts.after(period, customer, tenant)
        wait = 0 if early else (held or versions)[-1].grace_days * DAY
        if period.end + wait > now or period.first > until:
            return
        if held and not _closed(keeper, held[-1], period):
            yield held[-1], period
        period = next_period((held or versions)[-1].calendar, period)


def _until(label: str) -> date:
    """The last day on which a period to close may begin: calendars differ, so a month names all that begin in it."""
    if not label:
        return date.max
    try:
        if _MONTH.fullmatch(label):
            year, month = (int(part) for part in label.split("-"))
            return date(year, month, monthrange(year, month)[1])
        return date.fromisoformat(label if len(label) == len("2026-11-01") else "")
    except ValueError:
        raise SettingsError(
            f"{label!r} is no period. Write the month, like 2026-11, or the day it begins on."
        ) from None


def _closed(keeper: Bookkeeper, contract: Contract, period: Period) -> bool:
    known = keeper.invoices.invoices.get(invoice_id(contract, period))
    return known is not None and known.state != "void"


def _finalise(keeper: Bookkeeper, invoice: Invoice, contract: Contract, period: Period, now: int, by: str) -> Invoice:
    """Give it number, dates and credits, and put it on record: durable with the transactions that follow."""
    invoice = dated(invoice, contract, now)
    grants = {
        grant.id: grant for version in keeper.contracts.of(invoice.customer, invoice.tenant) for grant in version.grants
    }
    balances = keeper.accounts.of_customer(invoice.customer, invoice.tenant)
    burnt = burn(invoice, available(balances, contract, period, grants, invoice.sla))
    number = keeper.invoices.next_number(f"INV-{invoice.issued[:4]}-")
    totals = replace(invoice.totals, credits=sum(burnt.values()))
    told = encode(replace(invoice, number=number, burnt=burnt, totals=totals))
    told["digest"] = digest_of(told)
    data: dict[str, object] = {"invoice": invoice.id, "number": number, "customer": invoice.customer}
    data |= {"tenant": invoice.tenant, "document": told, **({"by": by} if by else {})}
    keeper.invoices.tell("finalised", f"{number}:finalised", now, data, durable=False)
    return keeper.invoices.invoices[invoice.id]


# -- grants


def _open_grants(keeper: Bookkeeper) -> None:
    """Book the credits given in advance that have begun."""
    now = keeper.desk.clock.now_ns()
    for contract in keeper.contracts:
        for grant in contract.grants:
            start = period_on(contract.calendar, grant.starts)
            if midnight_ns(contract.calendar.zone, grant.starts) <= now:
                keeper.accounts.post(
                    postings.for_grant(grant.id, now, start.label, grant.nanos, grant.paid, contract.currency,
                                       contract.tenant, contract.customer)
                )  # fmt: skip


def _expire(keeper: Bookkeeper, contract: Contract, period: Period) -> None:
    """End the grants that expired with a period: whatever it could pay of it was paid."""
    mine = keeper.accounts.of_customer(contract.customer, contract.tenant)
    for version in keeper.contracts.of(contract.customer, contract.tenant):
        for grant in version.grants:
            left = -mine.get((f"credit:{grant.id}", version.currency), 0)
            if grant.expires is not None and grant.expires <= period.after and left > 0:
                keeper.accounts.post(
                    postings.for_expiry(grant.id, period.end, period.label, left, grant.nanos, grant.paid,
                                        version.currency, version.tenant, version.customer)
                )  # fmt: skip


def _gatherer(keeper: Bookkeeper) -> Gatherer:
    return Gatherer(keeper.contracts, keeper.registry.outcomes.values(), keeper.invoices, keeper.records)


def _contract(keeper: Bookkeeper, tenant: str, customer: str) -> Contract:
    versions = keeper.contracts.of(customer, tenant)
    if not versions:
        raise SettingsError(f"{customer!r} has no contract. Write one, and name its file under `contracts`.")
    return keeper.contracts.at(customer, keeper.desk.clock.now_ns(), tenant) or versions[-1]


def _current(keeper: Bookkeeper, contract: Contract) -> Period:
    return period_at(contract.calendar, keeper.desk.clock.now_ns())


def _period_named(keeper: Bookkeeper, contract: Contract, label: str) -> Period:
    try:
        return period_named(contract.calendar, label)
    except ValueError as error:
        raise SettingsError(str(error)) from None
