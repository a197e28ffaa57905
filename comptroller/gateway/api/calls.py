"""Calls: lists of them, and one of them whole."""

from typing import Annotated, Any, Literal

from pydantic import Field

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.pages import Filtered, cut, wanted
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import BODIES, READ
from comptroller.gateway.api.shapes import Moment, Money, Name, Said, Told, pick
from comptroller.office.account import bodies_of


class CallRow(Told):
    """One call: who, what, how it ended, what it took and cost."""

    call: str
    run: str
    parent: str
    kind: str
    name: str
    model: str
    customer: str
    user: str
    workflow: str
    agent: str
    key: str
    status: str
    action: str
    rule: str
    because: str
    error: str
    started: Moment
    ended: Moment
    attempt: int
    input: int
    output: int
    cost: Money
    currency: str
    estimated: bool
    unpriced: bool
    opaque: bool


class CallPage(Told):
    """Calls, and where the next page begins."""

    calls: list[CallRow]
    next: str | None


class Tokens(Told):
    """What a provider bills; parts are contained in their totals."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int


class DecisionRow(Told):
    """What a rule or guard said of a call."""

    happened: Moment
    stage: str
    action: str
    rule: str
    policy: str
    because: str
    place: str
    tool: str
    findings: str
    votes: str
    shadow: bool
    error: bool
    version: str


class Texts(Told):
    """Messages as they were kept; null where one was not kept, or was erased."""

    request: list[Any]
    reply: list[Any]
    args: Any = Field(description="Of a tool's call.")


class CallAccount(CallRow):
    """One call whole."""

    dialect: str
    stream: bool
    first: Moment | None
    tokens: Tokens
    worst: Money
    overrun: Money
    price: str
    policy: str
    place: str
    effect: str
    tool_call: str
    upstream_status: int | None
    upstream_id: str
    decisions: list[DecisionRow]
    request: list[str] = Field(description="Digests of its messages.")
    request_after: tuple[str, int] | None = Field(description="It begins with so many messages of an earlier call.")
    reply: list[str]
    bodies: Texts | None


class CallsAsked(Filtered):
    """Which calls."""

    agent: Name | None = None
    run: Name | None = None
    kind: Literal["model", "tool", "agent", "external"] | None = None
    model: Name | None = None
    status: (
        Literal["ok", "denied", "over_budget", "rate_limited", "pending", "error", "cut", "cancelled", "expired"] | None
    ) = None
    rule: Name | None = None
    sort: Literal["started", "cost", "output", "took"] = "started"


class CallAsked(Said):
    """How much of it."""

    bodies: Annotated[bool, Field(description=f"With its texts; needs {BODIES}.")] = False


def list_calls(ask: Ask) -> CallPage:
    """A page of calls."""
    given = wanted(ask.who, ask.query)
    rows = [] if given is None else ask.bureau.reader.rows("calls_page", **given)
    page, following = cut(rows, ask.query.limit)
    return CallPage(calls=[pick(CallRow, row) for row in page], next=following)


def show_call(ask: Ask) -> CallAccount:
    """One call whole."""
    if ask.query.bodies:
        ask.who.must(BODIES)
    reader, id = ask.bureau.reader, ask.path["call"]
    rows = [row for row in reader.rows("call", call=id) if ask.who.sees(row)]
    if not rows:
        raise Problem(404, "not_found", f"There is no ended call {id[:128]!r}.", "List them with GET /api/calls.")
    row: dict[str, Any] = rows[0]
    after = (row["after_call"], row["after_count"]) if row["after_count"] else None
    row |= {"request": row["request"] or [], "reply": row["reply"] or [], "request_after": after}
    return pick(
        CallAccount,
        row,
        tokens=pick(Tokens, row),
        decisions=[pick(DecisionRow, said) for said in reader.rows("call_decisions", call=id)],
        bodies=Texts.model_validate(bodies_of(row, ask.bureau.bodies)) if ask.query.bodies else None,
    )


ROUTES = (
    Route("GET", "/api/calls", "List ended calls, the latest first.", READ, list_calls, CallPage, CallsAsked),
    Route(
        "GET",
        "/api/calls/{call}",
        "One call whole: decisions, cost, tokens, texts.",
        READ,
        show_call,
        CallAccount,
        CallAsked,
        fails=(404,),
    ),
)
