"""The books: what stands on every account, what a success costs, what waits, and what looks like gaming."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Annotated, Any, TypeVar

from pydantic import Field

from comptroller.core.facts import CONTRACTS_LOADED
from comptroller.core.money import decimal_text
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Money, Name, Period, Said, Told
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.feed import feed_of
from comptroller.office.fraud import findings
from comptroller.office.fraud.history import Finding as Found
from comptroller.office.fraud.history import Signal
from comptroller.office.fraud.record import history_of
from comptroller.office.ledger import off_balance
from comptroller.office.success import By, begun, described, span_of, successes
from comptroller.office.waiting import Waiting, waiting
from comptroller.office.who import Owed

T = TypeVar("T", bound=Owed)
Limit = Annotated[int, Field(ge=1, le=1000)]


class AccountRow(Told):
    """An account; debit is positive."""

    account: str
    currency: str
    balance: Money


class Balance(Told):
    """Every account. By currency `off` says by how much they do not sum to zero; it is empty."""

    accounts: list[AccountRow]
    off: dict[str, Money]


class OfCustomer(Said):
    """Whose."""

    customer: Name | None = None


class CostAsked(OfCustomer):
    """By what, of which outcomes and of which month (UTC)."""

    by: By = "model"
    type: Name | None = None
    period: Period | None = None


class SuccessRow(Told):
    """What was spent with a model, agent or workflow, failed attempts included, and what one success cost."""

    name: str
    currency: str
    runs: int
    successes: str
    spent: Money
    in_vain: Money
    each: Money | None


class SuccessList(Told):
    """The cheapest success first."""

    rows: list[SuccessRow]


class Listed(OfCustomer):
    """Whose, and how many."""

    limit: Limit = 50


class WaitingRow(Told):
    """Usage that does not count as it is: why, and what to do about it."""

    reason: str
    message: str
    tenant: str
    customer: str
    meter: str
    place: str
    event: str
    events: int
    quantity: str
    first: str
    last: str


class WaitingList(Told):
    """`more` is left out."""

    waiting: list[WaitingRow]
    more: int


class FindingsAsked(Listed):
    """Of which sign."""

    signal: Signal | None = None


class FindingRow(Told):
    """Something that looks like gaming, with the outcomes behind it. It accuses nobody."""

    signal: Signal
    customer: str
    type: str
    who: str
    message: str
    figures: dict[str, int | str]
    outcomes: list[str]


class FindingList(Told):
    """`more` is left out."""

    findings: list[FindingRow]
    more: int


def show_balance(ask: Ask) -> Balance:
    """The trial balance."""
    customer = ask.query.customer or ask.who.customer
    with _books(ask) as keeper:
        mine = ask.who.customer in ("", customer)
        found = keeper.accounts.trial_balance(customer=customer, tenant=ask.who.tenant) if mine else {}
    rows = [
        AccountRow(account=name, currency=unit, balance=decimal_text(nanos)) for (name, unit), nanos in found.items()
    ]
    return Balance(accounts=rows, off={unit: decimal_text(nanos) for unit, nanos in off_balance(found.items()).items()})


def show_cost(ask: Ask) -> SuccessList:
    """What a verified outcome cost."""
    ask.who.must_own()
    said, desk = ask.query, ask.bureau.outcomes
    span = _span(said.period)
    desk.work_here()
    known = begun(_theirs(ask, list(desk.registry.outcomes.values())), span)
    spent = [row for row in ask.bureau.reader.rows("run_spending", **span) if ask.who.sees({**row, "user": ""})]
    rows = [row for row in spent if said.customer in (None, row["customer"])]
    found = successes(rows, known, said.by, said.type or "")
    return SuccessList(rows=[SuccessRow.model_validate(described(one)) for one in found])


def list_waiting(ask: Ask) -> WaitingList:
    """Usage that waits."""
    with _books(ask) as keeper:
        reader, invoices = ask.bureau.reader, list(keeper.invoices.invoices.values())
        known = waiting(reader, keeper.contracts, invoices, keeper.desk.clock.now_ns())
    found = _theirs(ask, known)
    rows = [_waits(one) for one in found[: ask.query.limit]]
    return WaitingList(waiting=rows, more=len(found) - len(rows))


def list_findings(ask: Ask) -> FindingList:
    """What looks like gaming."""
    ask.who.must_own()
    desk, signal = ask.bureau.outcomes, ask.query.signal
    desk.work_here()
    loaded = feed_of(ask.bureau.desk, CONTRACTS_LOADED).read()
    history = history_of(desk.registry, ask.bureau.reader, loaded, ask.bureau.settings.tenant)
    found = [one for one in _theirs(ask, findings(history)) if signal in (None, one.signal)]
    rows = [_finding(one) for one in found[: ask.query.limit]]
    return FindingList(findings=rows, more=len(found) - len(rows))


def _books(ask: Ask) -> AbstractContextManager[Bookkeeper]:
    ask.who.must_own()
    return ask.bureau.books()


def _theirs(ask: Ask, found: Iterable[T]) -> list[T]:
    """What is theirs to see, and of the customer they ask for."""
    return [one for one in found if ask.who.owns(one) and ask.query.customer in (None, one.customer)]


def _span(period: str | None) -> dict[str, int]:
    try:
        return span_of(period or "")
    except ValueError as error:
        raise Problem(400, "bad_request", str(error), "Write a month like 2026-11.", "query.period") from None


def _waits(one: Waiting) -> WaitingRow:
    return WaitingRow.model_validate({name: getattr(one, name) for name in WaitingRow.model_fields})


def _finding(one: Found) -> FindingRow:
    told: dict[str, Any] = {name: getattr(one, name) for name in FindingRow.model_fields}
    return FindingRow.model_validate({**told, "figures": dict(one.figures), "outcomes": list(one.outcomes)})


ROUTES = (
    Route("GET", "/api/balance", "The trial balance: every account.", READ, show_balance, Balance, OfCustomer),
    Route("GET", "/api/books/cost", "What a verified outcome cost.", READ, show_cost, SuccessList, CostAsked),
    Route("GET", "/api/books/waiting", "Usage that does not count as it is.", READ, list_waiting, WaitingList, Listed),
    Route("GET", "/api/findings", "What looks like gaming.", READ, list_findings, FindingList, FindingsAsked),
)
