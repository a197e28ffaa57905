"""Budgets: every cap that counts for somebody, what is settled and held on it, and when it starts anew."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from comptroller.core.call import Identity
from comptroller.core.money import NANOS, decimal_text, is_money
from comptroller.core.verdict import Cap
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.pages import Filtered, wanted
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.runs import find
from comptroller.gateway.api.shapes import Moment, Name, Told
from comptroller.metering.budget import lines_for
from comptroller.metering.window import window_of
from comptroller.office.keylist import moment

CALLERS = 1_000  # of the latest


class BudgetRow(Told):
    """One cap and its counter. Amounts of money are decimals, of calls and tokens whole numbers."""

    per: str
    who: str
    unit: str
    cap: str
    settled: str
    held: str
    left: str
    every: str
    zone: str
    resets: Moment | None
    over: str
    place: str


class BudgetList(Told):
    """Those nearest to their end first."""

    budgets: list[BudgetRow]


class BudgetsAsked(Filtered):
    """Whose. Without anything: of whoever called since the time said, else ever."""

    run: Annotated[Name | None, Field(description="With the caps of this run.")] = None
    tool: Annotated[Name | None, Field(description="With the caps of this tool.")] = None


def list_budgets(ask: Ask) -> BudgetList:
    """All caps of those who called, with their counters."""
    now = ask.bureau.clock.now_ns()
    found: dict[tuple[str, str, int], tuple[Cap, int, int]] = {}
    ledger, orders = ask.bureau.desk.ledger, ask.bureau.orders()
    for run, written in _caps(ask):
        cap = orders.cap_on(written)
        line = lines_for([cap], {}, now, run)[0]
        mark = (line.key, cap.unit, cap.limit)
        if mark not in found:
            found[mark] = (cap, *ledger.counter(line.key, cap.unit))
    rows = sorted(found.values(), key=lambda one: (-(one[1] + one[2]) * NANOS // max(one[0].limit, 1), one[0].per))
    return BudgetList(budgets=[_row(*one, now) for one in rows[: ask.query.limit]])


def _caps(ask: Ask) -> Iterator[tuple[str, Cap]]:
    """Every cap that applies to somebody, with the run it is for."""
    book, said = ask.bureau.book, ask.query
    given = wanted(ask.who, said)
    if given is None:
        return
    row = None
    if said.run is not None:
        row = find(ask, said.run)
        if row is None or not ask.who.sees(row):
            raise Problem(
                404, "not_found", f"There is no run {said.run!r}.", "List them with GET /api/runs.", "query.run"
            )
    for who in _identities(ask, given):
        one = replace(who, run=row["run"]) if row else who
        for cap in book.caps(one, said.tool or ""):
            if cap.per != "run" or row:
                yield one.run, cap
    for entry in list(ask.bureau.register().entries.values()):
        mine = {name: getattr(entry.key, name) for name in ("tenant", "customer", "user", "workflow")}
        if not entry.revoked and ask.who.sees(mine):
            yield from (("", cap) for cap in entry.key.budgets)
    if row and row["budget"] is not None:
        limit = int(row["budget"] * NANOS)
        yield row["run"], Cap("run", row["run"], "", "UTC", row["budget_currency"], limit, "deny", "the run itself")
    for made in list(ask.bureau.orders().caps.values()):
        if row and made.run == row["run"]:
            yield made.run, Cap("run", made.run, "", "UTC", made.unit, made.limit, "deny", made.place)


def _identities(ask: Ask, given: dict[str, object]) -> Iterable[Identity]:
    names = ("tenant", "customer", "user", "workflow")
    asked = {name: given[name] for name in (*names, "since") if name in given}
    yield _identity(given)
    for row in ask.bureau.reader.rows("callers", limit=CALLERS, **asked):
        yield _identity(row)


def _identity(said: dict[str, object]) -> Identity:
    tenant, customer, user, workflow, agent, key = (
        str(said.get(name, "")) for name in ("tenant", "customer", "user", "workflow", "agent", "key")
    )
    return Identity(tenant=tenant, customer=customer, user=user, workflow=workflow, agent=agent, key=key)


def _row(cap: Cap, settled: int, held: int, now_ns: int) -> BudgetRow:
    _, end_ns = window_of(cap.every, cap.zone, now_ns)
    return BudgetRow(
        per=cap.per,
        who=cap.who,
        unit=cap.unit,
        cap=_amount(cap.limit, cap.unit),
        settled=_amount(settled, cap.unit),
        held=_amount(held, cap.unit),
        left=_amount(max(cap.limit - settled - held, 0), cap.unit),
        every=cap.every,
        zone=cap.zone,
        resets=moment(end_ns),
        over=cap.over,
        place=cap.place,
    )


def _amount(amount: int, unit: str) -> str:
    return decimal_text(amount) if is_money(unit) else str(amount)


ROUTES = (
    Route(
        "GET",
        "/api/budgets",
        "Every cap with what is settled and held on it.",
        READ,
        list_budgets,
        BudgetList,
        BudgetsAsked,
        fails=(404,),
    ),
)
