"""`comptroller books reprice` and `books cost`: what another contract would have brought, and what a success costs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from comptroller.cli import screen
from comptroller.cli.books_invoices import books
from comptroller.cli.main import Json, Ledger, Misuse
from comptroller.cli.place import desk_of, ledger_of, reading
from comptroller.core.money import decimal_text
from comptroller.office.agreements import load_contracts
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.success import BY, begun, described, share, span_of, successes
from comptroller.office.whatif import Rerated, Side, given_to
from comptroller.office.whatif import reprice as rerate

Period = Annotated[str, typer.Option("--period", metavar="PERIOD", help="The period, like 2026-11.")]


def reprice(
    contract: Annotated[Path, typer.Option("--contract", metavar="FILE", help="The contracts to try, as YAML.")],
    period: Period,
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="Only this customer's.")] = "",
    others: Annotated[
        list[str] | None, typer.Option("--for", metavar="NAME", help="Try one customer's terms on this one; repeat.")
    ] = None,
    outcomes: Annotated[bool, typer.Option("--outcomes", help="Tell every outcome's fee as well.")] = False,
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Rate a period again under another contract: revenue and margin beside those of now. Nothing is written."""
    with books(ledger) as keeper:
        tried = load_contracts([str(contract)], keeper.desk.settings.tenant)
        tried = given_to(tried, others) if others else tried
        found = rerate(keeper, tried, period, customer)
    if as_json:
        screen.say_json([_told(one) for one in found])
        return
    heads = ("CUSTOMER", "CURRENCY", "OUTCOMES", "REVENUE", "MARGIN", "THEN OUTCOMES", "REVENUE", "MARGIN", "CHANGE")
    rows = [[screen.short(one.customer, 30), _currencies(one), *_cells(one.now), *_cells(one.then), _money(one.change)]
            for one in found]  # fmt: skip
    screen.table(heads, rows, right=range(2, 9))
    for one in found:
        _say_more(one, outcomes)


def cost(
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="model, agent or workflow.")] = "model",
    type: Annotated[str, typer.Option("--type", metavar="NAME", help="Only outcomes of this type.")] = "",
    customer: Annotated[str, typer.Option("--customer", metavar="NAME", help="Only this customer's.")] = "",
    period: Annotated[str, typer.Option("--period", metavar="PERIOD", help="Only of this month (UTC), 2026-11.")] = "",
    ledger: Ledger = "",
    as_json: Json = False,
) -> None:
    """Say what a verified outcome cost, failed attempts included, the cheapest first."""
    if by not in BY:
        raise Misuse(f"--by {by!r}: say {', '.join(BY[:-1])} or {BY[-1]}.")
    span, place = _span(period), ledger_of(ledger)
    with desk_of(ledger) as desk, reading(place) as reader:
        office = OutcomeDesk(desk, lambda: reader)
        office.work()
        known = [one for one in office.registry.outcomes.values() if customer in ("", one.customer)]
        rows = [row for row in reader.rows("run_spending", **span) if customer in ("", row["customer"])]
    found = successes(rows, begun(known, span), by, type)
    if as_json:
        screen.say_json([described(one) for one in found])
    elif not found:
        screen.say("No runs of a workflow that claimed outcomes here in this time.")
    else:
        heads = (by.upper(), "RUNS", "SUCCESSES", "SPENT", "OF IT IN VAIN", "A SUCCESS COST", "")
        rows_ = [[screen.short(one.name, 40), f"{len(one.runs):,}", share(one), decimal_text(one.spent),
                  decimal_text(one.wasted), _money(one.each), one.currency] for one in found]  # fmt: skip
        screen.table(heads, rows_, right=range(1, 6))


def _span(period: str) -> dict[str, int]:
    try:
        return span_of(period)
    except ValueError as error:
        raise Misuse(f"--period: {error}") from None


def _currencies(one: Rerated) -> str:
    return " / ".join(dict.fromkeys(side.currency for side in (one.now, one.then) if side.currency)) or "-"


def _cells(side: Side) -> list[str]:
    if not side.contract:
        return ["no contract", "-", "-"]
    return [f"{side.outcomes:,}", decimal_text(side.revenue), _money(side.margin)]


def _money(nanos: int | None) -> str:
    return "-" if nanos is None else decimal_text(nanos)


def _say_more(one: Rerated, outcomes: bool) -> None:
    reasons: dict[str, int] = {}
    for _, why in one.untold:
        reasons[why] = reasons.get(why, 0) + 1
    for why, count in sorted(reasons.items()):
        screen.say(
            f"{screen.clean(one.customer)}: {screen.count(count, 'outcome')} would earn nothing: {screen.clean(why)}."
        )
    if outcomes:
        rows = [[screen.clean(key), decimal_text(now), decimal_text(then)] for key, now, then in one.fees]
        screen.table(("OUTCOME", "NOW", "THEN"), rows, right=(1, 2))


def _told(one: Rerated) -> dict[str, Any]:
    names = {"customer": one.customer, "tenant": one.tenant, "period": one.period}
    fees = [{"outcome": key, "now": decimal_text(now), "then": decimal_text(then)} for key, now, then in one.fees]
    untold = [{"outcome": key, "because": why} for key, why in one.untold]
    sides = {"now": _side(one.now), "then": _side(one.then)}
    return {**names, **sides, "change": _plain(one.change), "outcomes": fees, "left_out": untold}


def _side(side: Side) -> dict[str, Any]:
    types = {name: {"outcomes": count, "revenue": decimal_text(nanos)} for name, (count, nanos) in side.by_type.items()}
    return {"contract": side.contract, "currency": side.currency, "outcomes": side.outcomes,
            "revenue": decimal_text(side.revenue), "cost": _plain(side.cost), "margin": _plain(side.margin),
            "by_type": types}  # fmt: skip


def _plain(nanos: int | None) -> str | None:
    return None if nanos is None else decimal_text(nanos)
