"""Contracts: what customers agreed to pay, since when, in which words; and what another contract would have brought."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from comptroller.core.money import decimal_text
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.invoices import opened
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Money, Name, Said, Told
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.contracts import Contract
from comptroller.metering.invoice import Kind, Line
from comptroller.metering.periods import day_of
from comptroller.office.agreements import contract_files
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.terms import Written, written
from comptroller.office.whatif import Rerated, Side, given_to, reprice

PERIOD = r"^2[01][0-9]{2}-[0-9]{2}(-[0-9]{2})?$"  # what the books can compare: an instant has 64 bits


class PriceRow(Told):
    """What one type of outcome, or one meter's unit, costs; `version` is that of the price alone."""

    name: str
    title: str
    version: str
    most: Money | None


class ContractRow(Told):
    """One version of a customer's contract."""

    contract: str
    customer: str
    version: str
    starts: str
    until: str | None
    standing: Literal["ended", "in_force", "to_come"]
    currency: str
    period_months: int
    zone: str
    outcomes: list[PriceRow]
    usage: list[PriceRow]
    seats: int
    premium_percent: str | None
    premium_per_run: str | None
    tokens_markup_percent: str | None
    minimum: Money | None
    most: Money | None
    dispute_days: int
    grace_days: int
    due_days: int
    place: str


class ContractList(Told):
    """Versions, by customer, the oldest first."""

    contracts: list[ContractRow]


class ContractWhole(ContractRow):
    """A version with its terms as they are written; `text` is its file, where all of it is yours to read."""

    terms: dict[str, JsonValue]
    text: str | None


class ContractTold(Told):
    """All versions of a customer's contract, the oldest first."""

    customer: str
    versions: list[ContractWhole]


class ContractsAsked(Said):
    """Whose."""

    customer: Name | None = None


class ContractAsked(Said):
    """Whose."""

    customer: Annotated[Name, Field(min_length=1)]


class Trying(Said):
    """A contract's text (YAML), the period to rate again, and whom to give its terms to; else whom it is for."""

    text: Annotated[str, Field(min_length=1, max_length=500_000)]
    period: Annotated[str, Field(pattern=PERIOD, examples=["2026-11"])]
    customer: Name = ""
    others: Annotated[list[Name], Field(max_length=100)] = Field(default_factory=list)


class SideTold(Told):
    """What the period comes to under one contract, before tax."""

    contract: str
    currency: str
    revenue: Money
    cost: Money | None
    margin: Money | None
    outcomes: int


class LineSide(Told):
    """A line of one side."""

    quantity: str
    unit: str
    net: Money
    outcomes: int


class LinePair(Told):
    """A line on both sides; null where one has none."""

    kind: Kind
    title: str
    type: str
    now: LineSide | None
    then: LineSide | None
    change: Money | None


class LeftOut(Told):
    """An outcome that would earn nothing, and why."""

    outcome: str
    because: str


class WhatIfTold(Told):
    """A customer's period under the contract that held and under the other. `change` is null between currencies."""

    customer: str
    period: str
    now: SideTold
    then: SideTold
    change: Money | None
    lines: list[LinePair]
    outcomes_that_change: int
    left_out: list[LeftOut]
    left_out_in_all: int


class WhatIfList(Told):
    """One for each customer of the contract."""

    customers: list[WhatIfTold]


SHOWN = 200  # outcomes left out that are named


def list_contracts(ask: Ask) -> ContractList:
    """Those that are theirs to see."""
    with opened(ask) as keeper:
        return ContractList(contracts=[ContractRow.model_validate(_row(one)) for one in _mine(ask, keeper)])


def show_contract(ask: Ask) -> ContractTold:
    """All versions of one."""
    with opened(ask) as keeper:
        found = _mine(ask, keeper)
        closed = {_file(one) for one in keeper.contracts if not ask.who.owns(one)}
    if not found:
        customer = ask.query.customer
        raise Problem(
            404,
            "not_found",
            f"There is no contract with {customer[:128]!r}.",
            "List them with GET /api/contracts.",
            "query.customer",
        )
    versions = [
        ContractWhole.model_validate(
            _row(one) | {"terms": one.terms, "text": None if _file(one.contract) in closed else one.text}
        )
        for one in found
    ]
    return ContractTold(customer=found[0].contract.customer, versions=versions)


def try_contract(ask: Ask) -> WhatIfList:
    """Rate a period again; nothing is written."""
    said, who = ask.body, ask.who
    tried = read_contracts([("body.text", said.text)], who.tenant)
    tried = given_to(tried, said.others) if said.others else tried
    if any(not who.owns(one) for one in tried):
        raise Problem(
            403,
            "not_allowed",
            "The contract is for somebody who is not yours.",
            "Write a customer of your own.",
            "body.text",
        )
    with opened(ask) as keeper:
        keeper.records = keeper.records.anew()
        found = reprice(keeper, tried, said.period, said.customer)
    return WhatIfList(customers=[_tried(one) for one in found])


def _mine(ask: Ask, keeper: Bookkeeper) -> list[Written]:
    today = day_of("UTC", keeper.desk.clock.now_ns())
    files = contract_files(keeper.desk.settings.contracts)
    wanted = ask.query.customer
    return [
        one
        for one in written(keeper.contracts, files, today)
        if ask.who.owns(one.contract) and wanted in (None, one.contract.customer)
    ]


def _file(contract: Contract) -> str:
    return contract.place.rpartition(":")[0]


def _row(one: Written) -> dict[str, Any]:
    it = one.contract
    return {
        "contract": it.id,
        "standing": one.standing,
        "starts": it.starts.isoformat(),
        "until": it.until and it.until.isoformat(),
        "period_months": it.calendar.months,
        "zone": it.calendar.zone,
        "outcomes": _prices(it.fees.values()),
        "usage": _prices(it.usage.values()),
        "seats": sum(seats.count for seats in it.seats),
        "premium_percent": str(one.terms.get("premium", {}).get("percent", "0")) if it.premium else None,
        "premium_per_run": str(one.terms.get("premium", {}).get("per_run", "0")) if it.premium else None,
        "tokens_markup_percent": str(one.terms.get("tokens", {}).get("markup_percent", "0")) if it.tokens else None,
        "minimum": decimal_text(it.minimum.nanos) if it.minimum else None,
        "most": None if it.most is None else decimal_text(it.most),
        **{name: getattr(it, name) for name in _PLAIN},
    }


_PLAIN = ("customer", "version", "currency", "dispute_days", "grace_days", "due_days", "place")


def _prices(fees: Any) -> list[PriceRow]:
    return [
        PriceRow(
            name=fee.type,
            title=fee.title,
            version=fee.version,
            most=None if fee.most is None else decimal_text(fee.most),
        )
        for fee in fees
    ]


def _tried(one: Rerated) -> WhatIfTold:
    return WhatIfTold(
        customer=one.customer,
        period=one.period,
        now=_side(one.now),
        then=_side(one.then),
        change=None if one.change is None else decimal_text(one.change),
        lines=_pairs(one),
        outcomes_that_change=sum(1 for _, now, then in one.fees if now != then),
        left_out=[LeftOut(outcome=key, because=why) for key, why in one.untold[:SHOWN]],
        left_out_in_all=len(one.untold),
    )


def _side(side: Side) -> SideTold:
    return SideTold(
        contract=side.contract,
        currency=side.currency,
        revenue=decimal_text(side.revenue),
        cost=None if side.cost is None else decimal_text(side.cost),
        margin=None if side.margin is None else decimal_text(side.margin),
        outcomes=side.outcomes,
    )


def _pairs(one: Rerated) -> list[LinePair]:
    """Lines of one kind and type side by side; several of them in their order."""
    both: dict[tuple[str, str, int], list[Line | None]] = {}
    for number, side in enumerate((one.now, one.then)):
        met: dict[tuple[str, str], int] = defaultdict(int)
        for line in side.lines:
            key = line.kind, line.type or line.title
            both.setdefault((*key, met[key]), [None, None])[number] = line
            met[key] += 1
    same = one.now.currency == one.then.currency or not one.now.currency or not one.then.currency
    return [_pair(lines, same) for lines in both.values()]


def _pair(lines: Sequence[Line | None], same: bool) -> LinePair:
    now, then = lines
    known = then or now
    assert known is not None, "a pair has a line on some side"
    change = (then.net if then else 0) - (now.net if now else 0)
    return LinePair(
        kind=known.kind,
        title=known.title,
        type=known.type,
        now=_line(now),
        then=_line(then),
        change=decimal_text(change) if same else None,
    )


def _line(line: Line | None) -> LineSide | None:
    if line is None:
        return None
    return LineSide(quantity=line.quantity, unit=line.unit, net=decimal_text(line.net), outcomes=len(line.items))


ROUTES = (
    Route(
        "GET", "/api/contracts", "List contracts, every version.", READ, list_contracts, ContractList, ContractsAsked
    ),
    Route(
        "GET",
        "/api/contract",
        "All versions of a customer's contract, with their text.",
        READ,
        show_contract,
        ContractTold,
        ContractAsked,
        fails=(404,),
    ),
    Route(
        "POST",
        "/api/contracts/try",
        "Rate a past period again under another contract; nothing is written.",
        READ,
        try_contract,
        WhatIfList,
        body=Trying,
    ),
)
