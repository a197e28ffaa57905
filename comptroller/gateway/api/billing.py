"""Billing as finance looks at it: open periods, lines with cost and margin, the outcomes behind them, and papers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from comptroller.core.errors import SettingsError
from comptroller.core.money import decimal_text
from comptroller.core.outcome import Outcome
from comptroller.gateway.api.billing_shapes import (
    BilledPage,
    BilledRow,
    CheckTold,
    DraftList,
    DraftRow,
    DraftTold,
    Economy,
    InvoiceAccount,
    LineAccount,
)
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.invoices import meant, opened
from comptroller.gateway.api.pages import Offset, after
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import PLAIN, Name, Period, Said
from comptroller.metering.contracts import DAY
from comptroller.metering.invoice import Invoice, Item, Line
from comptroller.metering.periods import Calendar, period_named
from comptroller.metering.periods import Period as Span
from comptroller.office import close as closing
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.checks import Papers, checks
from comptroller.office.costs import Costs
from comptroller.office.outcome_list import moment
from comptroller.office.paper import document

Limit = Annotated[int, Field(ge=1, le=1000)]
After = Annotated[str, Field(max_length=256, pattern=PLAIN)]


class DraftsAsked(Said):
    """Whose."""

    customer: Name | None = None
    limit: Limit = 50
    after: After | None = None


class DraftAsked(Said):
    """Whose, and which period; the one that runs where none is named."""

    customer: Annotated[str, Field(min_length=1, max_length=256, pattern=PLAIN)]
    period: Period | None = None


class BilledAsked(Said):
    """Which of them: of one line, or whose subject, run or id has this text in it."""

    line: Annotated[int, Field(ge=0, le=100_000)] | None = None
    search: Name = ""
    sort: Literal["line", "fee", "verified"] = "line"
    rising: bool = False
    limit: Limit = 50
    after: After | None = None
    offset: Offset = 0


class DraftBilledAsked(BilledAsked):
    """The same of a draft."""

    customer: Annotated[str, Field(min_length=1, max_length=256, pattern=PLAIN)]
    period: Period | None = None


def list_drafts(ask: Ask) -> DraftList:
    """What open periods come to now."""
    with opened(ask) as keeper:
        names = [name for tenant, name in keeper.contracts.customers if tenant == ask.who.tenant and _asked(ask, name)]
        page, following = after(names, str, ask.query.after, ask.query.limit)
        rows = [
            _draft_row(ask, keeper, period, made)
            for name in page
            for period, made in closing.previews(keeper, name, ask.who.tenant)
        ]
    return DraftList(drafts=rows, next=following)


def show_draft(ask: Ask) -> DraftTold:
    """One of them."""
    with opened(ask) as keeper:
        period, made = _draft(ask, keeper)
        row = _draft_row(ask, keeper, period, made)
        return DraftTold(**dict(row), lines=_lines(ask, keeper, made), checks=_checks(ask, keeper, made, period))


def list_draft_outcomes(ask: Ask) -> BilledPage:
    """The outcomes on a draft."""
    with opened(ask) as keeper:
        return _billed(ask, keeper, _draft(ask, keeper)[1])


def show_account(ask: Ask) -> InvoiceAccount:
    """One invoice with cost, margin and checks."""
    with opened(ask) as keeper:
        invoice = meant(ask, keeper)
        now, period = keeper.desk.clock.now_ns(), _period(keeper, invoice)
        whole = document.told(_without_items(invoice), now)
        told = {name: whole[name] for name in (*document.summary(invoice, now), "payments", "credit_notes")}
        more = {"held_back": invoice.held, "held_back_amount": decimal_text(invoice.held_nanos)}
        return InvoiceAccount.model_validate(
            {**told, **more, "failed": invoice.failed, "digest": invoice.digest, "outcomes": invoice.outcome_count}
            | {"lines": _lines(ask, keeper, invoice), "economy": _economy(ask, keeper, invoice, period)}
            | {"checks": _checks(ask, keeper, invoice, period)}
        )


def list_billed(ask: Ask) -> BilledPage:
    """The outcomes on an invoice."""
    with opened(ask) as keeper:
        return _billed(ask, keeper, meant(ask, keeper))


# -- what a period comes to


def _asked(ask: Ask, customer: str) -> bool:
    return ask.query.customer in (None, customer) and ask.who.customer in ("", customer)


def _draft(ask: Ask, keeper: Bookkeeper) -> tuple[Span, Invoice]:
    customer, label = ask.query.customer, ask.query.period
    found = []
    if _asked(ask, customer) and keeper.contracts.of(customer, ask.who.tenant):
        found = closing.previews(keeper, customer, ask.who.tenant)
    for period, made in found if label else reversed(found):
        if label in (None, period.label):
            return period, made
    raise Problem(
        404,
        "not_found",
        f"There is no open period{f' {label}' if label else ''} of {customer!r} with anything in it.",
        "List them with GET /api/drafts; what is closed has an invoice.",
        "query.period" if label else "query.customer",
    )


def _draft_row(ask: Ask, keeper: Bookkeeper, period: Span, made: Invoice) -> DraftRow:
    now = keeper.desk.clock.now_ns()
    contract = keeper.contracts.of(made.customer, made.tenant)[-1]
    told = document.summary(made, now)
    names = ("customer", "contract", "period", "first", "last", "currency", "totals")
    return DraftRow.model_validate(
        {name: told[name] for name in names}
        | {"over": period.end <= now, "closes": moment(period.end + contract.grace_days * DAY)}
        | {"outcomes": made.outcome_count, "failed": made.failed, "held_back": made.held}
        | {"held_back_amount": decimal_text(made.held_nanos), "economy": _economy(ask, keeper, made, period)}
    )


def _period(keeper: Bookkeeper, invoice: Invoice) -> Span:
    versions = keeper.contracts.of(invoice.customer, invoice.tenant)
    return period_named(versions[-1].calendar if versions else Calendar(), invoice.period)


def _economy(ask: Ask, keeper: Bookkeeper, invoice: Invoice, period: Span) -> Economy:
    records = keeper.records.anew()
    try:
        cost = records.work(invoice.tenant, invoice.customer, period.start, period.end, invoice.currency).cost
    except SettingsError:
        return Economy(cost=None, margin=None)
    return Economy(cost=decimal_text(cost), margin=decimal_text(invoice.totals.net - cost))


def _lines(ask: Ask, keeper: Bookkeeper, invoice: Invoice) -> list[LineAccount]:
    costs = _costs(ask, keeper, invoice, [item for line in invoice.lines for item in line.items])
    return [_line(number, line, costs) for number, line in enumerate(invoice.lines)]


def _line(number: int, line: Line, costs: dict[str, int | None]) -> LineAccount:
    parts = [costs[item.outcome] for item in line.items]
    known = [part for part in parts if part is not None]
    cost = sum(known) if parts and len(known) == len(parts) else None
    told = document.told_line(replace(line, items=()))
    return LineAccount.model_validate(
        {name: told[name] for name in LineAccount.model_fields if name in told and name != "outcomes"}
        | {"line": number, "net": decimal_text(line.net), "outcomes": len(line.items)}
        | {"cost": _amount(cost), "margin": None if cost is None else decimal_text(line.net - cost)}
    )


def _costs(ask: Ask, keeper: Bookkeeper, invoice: Invoice, items: Sequence[Item]) -> dict[str, int | None]:
    wanted = {item.outcome: item.run for item in items}
    known = Costs(ask.bureau.reader, keeper.desk.fx, list(keeper.registry.outcomes.values()))
    return known.of(invoice.tenant, wanted, invoice.currency, invoice.customer)


def _checks(ask: Ask, keeper: Bookkeeper, invoice: Invoice, period: Span) -> list[CheckTold]:
    found = checks(Papers(keeper, ask.bureau.reader, invoice, period))
    return [
        CheckTold(
            id=one.id,  # type: ignore[arg-type]
            level=one.level,
            message=one.message,
            count=one.count,
            amount=_amount(one.amount),
            examples=list(one.examples),
        )
        for one in found
    ]


def _billed(ask: Ask, keeper: Bookkeeper, invoice: Invoice) -> BilledPage:
    said = ask.query
    found = [
        (number, line, item)
        for number, line in enumerate(invoice.lines)
        if said.line in (None, number)
        for item in line.items
        if not said.search or any(said.search.lower() in one.lower() for one in (item.outcome, item.subject, item.run))
    ]
    if said.sort != "line":
        found.sort(key=lambda one: one[2].fee if said.sort == "fee" else one[2].verified_at, reverse=not said.rising)
    page, following = after(found, lambda one: one[2].outcome, said.after, said.limit, said.offset)
    costs = _costs(ask, keeper, invoice, [item for _, _, item in page])
    known = keeper.registry.outcomes
    rows = [_billed_row(*one, known.get(one[2].outcome), costs[one[2].outcome]) for one in page]
    return BilledPage(currency=invoice.currency, total=len(found), outcomes=rows, next=following)


def _billed_row(number: int, line: Line, item: Item, now: Outcome | None, cost: int | None) -> BilledRow:
    told: dict[str, Any] = document.told_item(item)
    state = {"state": now.state, "workflow": now.workflow, "attestor": now.attestor} if now is not None else {}
    left = item.gross - item.discount
    return BilledRow.model_validate(
        {"state": "", "workflow": "", "attestor": "", **told, **state, "line": number, "type": line.type}
        | {"reversed": decimal_text(now.reversed_nanos if now is not None else 0), "cost": _amount(cost)}
        | {"margin": None if cost is None else decimal_text(left - cost)}
    )


def _without_items(invoice: Invoice) -> Invoice:
    return replace(invoice, lines=())


def _amount(nanos: int | None) -> str | None:
    return None if nanos is None else decimal_text(nanos)


_ONE = "/api/invoices/{invoice}"
ROUTES = (
    Route("GET", "/api/drafts", "What open periods would come to now.", READ, list_drafts, DraftList, DraftsAsked),
    Route(
        "GET",
        "/api/draft",
        "One open period: lines with cost and margin, and the checks before closing.",
        READ,
        show_draft,
        DraftTold,
        DraftAsked,
        fails=(404,),
    ),
    Route(
        "GET",
        "/api/draft/outcomes",
        "The outcomes an open period would bill.",
        READ,
        list_draft_outcomes,
        BilledPage,
        DraftBilledAsked,
        fails=(404,),
    ),
    Route(
        "GET",
        f"{_ONE}/account",
        "One invoice with cost and margin per line, and its checks.",
        READ,
        show_account,
        InvoiceAccount,
        fails=(404,),
    ),
    Route(
        "GET",
        f"{_ONE}/outcomes",
        "The outcomes on an invoice, a page at a time.",
        READ,
        list_billed,
        BilledPage,
        BilledAsked,
        fails=(404,),
    ),
)
