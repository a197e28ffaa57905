"""Orders over HTTP: stop a call, a run, an agent, a key or the tenant, let it go on, and let a run spend more."""

from typing import Annotated

from pydantic import Field, model_validator

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import ORDERS, READ
from comptroller.gateway.api.runs import RunId, find
from comptroller.gateway.api.shapes import Because, Moment, Name, Said, Told
from comptroller.metering.orders import SCOPES, Scope, Stop
from comptroller.office import orders
from comptroller.office.keylist import moment
from comptroller.office.orders import CapSet, Target

CAP = r"^[0-9]{1,12}([.][0-9]{1,9})? ([A-Z]{3}|calls|tokens)$"
Named = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\u0000-\u001f\u007f]*$")]


class StopRow(Told):
    """Something that was stopped, and by whom."""

    scope: Scope
    who: str
    by: str
    because: str
    at: Moment


class CapRow(Told):
    """A cap that was set for a run by hand; it stands in place of all others of the run in this unit."""

    run: str
    cap: str
    by: str
    because: str
    at: Moment


class OrderList(Told):
    """What is stopped, and which runs have a cap set by hand, the latest first."""

    killed: list[StopRow]
    caps: list[CapRow]


class OrdersAsked(Said):
    """Of which run, and how many of each."""

    run: Name | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class Stopping(Said):
    """One of a call under way, a run, an agent, a key, or the whole tenant; and why."""

    call: Name | None = None
    run: RunId | None = None
    agent: Named | None = None
    key: Named | None = None
    tenant: Annotated[Named | None, Field(description="One's own.")] = None
    because: Because = ""

    @model_validator(mode="after")
    def _one(self) -> "Stopping":
        if sum(getattr(self, scope) is not None for scope in SCOPES) != 1:
            raise ValueError("say one of call, run, agent, key and tenant")
        return self


class Ordered(Told):
    """What is stopped now, and what goes on."""

    scope: Scope
    who: str
    killed: bool


class Capping(Said):
    """How much a run may come to in all: money, or a number of calls."""

    run: RunId
    cap: Annotated[str, Field(pattern=CAP, examples=["5 USD", "100 calls"])]
    because: Because = ""


def list_orders(ask: Ask) -> OrderList:
    """Those that are theirs to see."""
    standing, said = ask.bureau.orders(), ask.query
    stops = [one for one in list(standing.stops.values()) if _sees_stop(ask, one)]
    stops = [one for one in stops if said.run is None or (one.who == said.run and one.scope == "run")]
    caps = [one for one in list(standing.caps.values()) if said.run in (None, one.run) and _sees_run(ask, one.run)]
    return OrderList(
        killed=[_stop(one) for one in sorted(stops, key=lambda one: -one.at)[: said.limit]],
        caps=[_cap(one) for one in sorted(caps, key=lambda one: -one.at)[: said.limit]],
    )


def kill(ask: Ask) -> Ordered:
    """Stop it."""
    target = _target(ask)
    orders.kill(ask.bureau.desk.ledger, ask.bureau.clock, target, ask.who.signature, ask.body.because)
    return Ordered(scope=target.scope, who=target.who, killed=True)


def revive(ask: Ask) -> Ordered:
    """Let it go on."""
    target = _target(ask)
    orders.revive(ask.bureau.desk.ledger, ask.bureau.clock, target, ask.who.signature, ask.body.because)
    return Ordered(scope=target.scope, who=target.who, killed=False)


def set_cap(ask: Ask) -> CapRow:
    """Let a run spend so much."""
    said, bureau = ask.body, ask.bureau
    row = find(ask, said.run)
    if row is None or not ask.who.sees(row):
        raise Problem(404, "not_found", f"There is no run {said.run!r}.", "List them with GET /api/runs.", "body.run")
    units = {row["budget_currency"]} if row["budget"] is not None else set()
    made = orders.set_cap(
        bureau.desk.ledger, bureau.clock, row["run"], said.cap, ask.who.signature, said.because, units
    )
    return _cap(made)


def _target(ask: Ask) -> Target:
    """What it is about, where that is theirs to order."""
    said, who = ask.body, ask.who
    scope = next(scope for scope in SCOPES if getattr(said, scope) is not None)
    name = getattr(said, scope)
    if scope == "run":
        row = find(ask, name)
        if row is None or not who.sees(row):
            raise Problem(404, "not_found", f"There is no run {name!r}.", "List them with GET /api/runs.", "body.run")
        return Target("run", row["run"], who.tenant)
    if scope == "call":
        calls = ask.bureau.reader.rows("console_open", call=name)
        if not calls or not who.sees(calls[0]):
            remedy = "GET /api/calls lists those that have ended."
            raise Problem(404, "not_found", f"No call {name!r} is under way.", remedy, "body.call")
        return Target("call", name, who.tenant)
    if who.customer or who.user or who.workflow:
        raise Problem(
            403, "not_allowed", f"This key is not for the whole tenant, and a {scope} is.", "Stop its run.", "body"
        )
    if scope == "tenant" and name != who.tenant:
        raise Problem(403, "not_allowed", "This key is for another tenant.", "Name your own.", "body.tenant")
    if scope == "key":
        entry = ask.bureau.register().entries.get(name)
        if entry is None or entry.key.tenant != who.tenant:
            raise Problem(404, "not_found", f"There is no key {name!r}.", "List them with GET /api/keys.", "body.key")
    return Target(scope, name, who.tenant)


def _sees_stop(ask: Ask, stop: Stop) -> bool:
    if stop.tenant != ask.who.tenant:
        return False
    if stop.scope == "call":
        calls = ask.bureau.reader.rows("console_open", call=stop.who)
        return bool(calls) and ask.who.sees(calls[0])  # once it has ended there is nothing left to see
    return _sees_run(ask, stop.who) if stop.scope == "run" else not (ask.who.customer or ask.who.user)


def _sees_run(ask: Ask, run: str) -> bool:
    row = find(ask, run)
    return row is not None and ask.who.sees(row)


def _stop(one: Stop) -> StopRow:
    return StopRow(scope=one.scope, who=one.who, by=one.by, because=one.because, at=_moment(one.at))  # type: ignore[arg-type]


def _cap(one: CapSet) -> CapRow:
    return CapRow(run=one.run, cap=one.amount, by=one.by, because=one.because, at=_moment(one.at))


def _moment(at: int) -> str:
    told = moment(at)
    assert told is not None, "an order has a time"
    return told


ROUTES = (
    Route(
        "GET",
        "/api/orders",
        "What is stopped, and the caps that were set by hand.",
        READ,
        list_orders,
        OrderList,
        OrdersAsked,
    ),
    Route(
        "POST",
        "/api/orders/kill",
        "Stop a call, a run, an agent, a key or the tenant at once.",
        ORDERS,
        kill,
        Ordered,
        body=Stopping,
        fails=(404,),
    ),
    Route(
        "POST",
        "/api/orders/revive",
        "Let it go on.",
        ORDERS,
        revive,
        Ordered,
        body=Stopping,
        fails=(404,),
    ),
    Route(
        "POST",
        "/api/orders/cap",
        "Let a run spend so much in all.",
        ORDERS,
        set_cap,
        CapRow,
        body=Capping,
        fails=(404,),
    ),
)
