"""Runs: lists of them, one with all its calls, one as a tree; opened and closed from outside an agent's process."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from comptroller.core.facts import RUN_CLOSED, RUN_OPENED, Fact
from comptroller.core.money import Money as Amount
from comptroller.core.money import parse_money
from comptroller.gateway.api.calls import Texts
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.pages import Filtered, cut, wanted
from comptroller.gateway.api.problem import Problem, split
from comptroller.gateway.api.rights import BODIES, READ, WRITE
from comptroller.gateway.api.shapes import Costs, Moment, Money, Name, Said, Told, pick
from comptroller.gateway.caller import run_of
from comptroller.office.account import bodies_of, costs_of, gather
from comptroller.office.tree import as_json, tree_of
from comptroller.office.who import Who
from comptroller.store.question import WHOSE

Row = dict[str, Any]
Status = Literal["ok", "error", "open", "abandoned"]
RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:@/+=-]{1,128}$")]


class RunRow(Told):
    """One run: who, when, what it came to."""

    run: str
    outer: str
    customer: str
    user: str
    workflow: str
    agent: str
    status: Status
    error: str
    first_error: str
    started: Moment
    ended: Moment | None
    calls: int
    failed: int
    refused: int
    redacted: int
    estimated: int
    unpriced: int
    opaque: int
    input: int
    output: int
    costs: Costs
    budget: Money | None
    budget_currency: str


class RunPage(Told):
    """Runs, and where the next page begins."""

    runs: list[RunRow]
    next: str | None


class RunCall(Told):
    """A call as part of its run."""

    call: str
    parent: str
    kind: str
    name: str
    model: str
    agent: str
    status: str
    action: str
    rule: str
    because: str
    place: str
    error: str
    started: Moment
    ended: Moment | None
    input: int
    output: int
    cost: Money
    currency: str
    estimated: bool
    unpriced: bool
    opaque: bool
    policy: str
    price: str
    attempt: int
    request: list[str]
    reply: list[str]
    bodies: Texts | None


class AgentRow(Told):
    """An agent at work in a run."""

    id: str
    parent: str
    name: str
    status: str
    started: Moment
    ended: Moment | None


class ClaimRow(Told):
    """An outcome that was claimed."""

    claim: str
    happened: Moment
    agent: str
    type: str
    subject: str
    degree: str | None
    evidence: str = Field(description="Its digest.")


class InnerRun(Told):
    """A run that was opened inside another."""

    run: str
    outer: str
    workflow: str
    customer: str
    status: Status
    calls: int
    costs: Costs


class RunAccount(RunRow):
    """One run with all its calls in order."""

    trace: str
    calls_in_order: list[RunCall]
    calls_left_out: int
    agents: list[AgentRow]
    claims: list[ClaimRow]
    inner: list[InnerRun]


class HandoverRow(Told):
    """An agent that gave up its work, and who took it over."""

    agent: str
    to: str
    because: str


class TreeNode(Told):
    """A run, agent or call, and what hangs from it; costs are of the whole branch."""

    id: str
    kind: str
    name: str = ""
    model: str = ""
    status: str = ""
    action: str = ""
    rule: str = ""
    because: str = ""
    error: str = ""
    started: Moment | None = None
    ended: Moment | None = None
    costs: Costs
    handovers: list[HandoverRow] = Field(default_factory=list)
    children: "list[TreeNode]"


class RunsAsked(Filtered):
    """Which runs."""

    status: Status | None = None
    sort: Literal["started", "cost", "calls"] = "started"


class RunAsked(Said):
    """How much of it."""

    bodies: Annotated[bool, Field(description=f"With the texts of its calls; needs {BODIES}.")] = False
    limit: Annotated[int, Field(ge=1, le=10_000, description="So many calls.")] = 1_000


class RunOpening(Said):
    """A run to open. What the key fixes need not be said."""

    workflow: Name = ""
    customer: Name = ""
    user: Name = ""
    budget: Annotated[str, Field(max_length=64, pattern=r"^([0-9]{1,12}(\.[0-9]{1,9})? [A-Z]{3})?$")] = ""
    run: RunId | None = None


class RunOpened(Told):
    """The run, and what to send with every call that belongs to it."""

    run: str
    headers: dict[str, str]


class RunClosing(Said):
    """How it ended."""

    status: Literal["ok", "error"] = "ok"
    error: Annotated[Name, Field(description="The kind of error; never its text.")] = ""


class RunClosed(Told):
    """It ended."""

    run: str
    status: Literal["ok", "error"]


def list_runs(ask: Ask) -> RunPage:
    """A page of runs."""
    given = wanted(ask.who, ask.query)
    reader = ask.bureau.reader
    rows = [] if given is None else reader.rows("runs_page", deserted=reader.deserted, **given)
    page, following = cut(rows, ask.query.limit)
    return RunPage(runs=[pick(RunRow, row, costs=costs_of(row)) for row in page], next=following)


def show_run(ask: Ask) -> RunAccount:
    """One run with its calls."""
    if ask.query.bodies:
        ask.who.must(BODIES)
    id = seen(ask)["run"]
    told = gather(ask.bureau.reader, id, ask.who.tenant)
    calls = told["calls_in_order"]
    shown = calls[: ask.query.limit]
    for call in shown:
        call["bodies"] = bodies_of(call, ask.bureau.bodies) if ask.query.bodies else None
    told["calls_in_order"] = [pick(RunCall, call) for call in shown]
    told["agents"] = [pick(AgentRow, row) for row in told["agents"]]
    told["claims"] = [pick(ClaimRow, row, degree=_degree(row["degree"])) for row in told["claims"]]
    told["inner"] = [pick(InnerRun, row) for row in told["inner"]]
    return pick(RunAccount, told, calls_left_out=len(calls) - len(shown))


def show_tree(ask: Ask) -> TreeNode:
    """One run as a tree."""
    return TreeNode.model_validate(as_json(tree_of(ask.bureau.reader, seen(ask)["run"], ask.who.tenant)))


def open_run(ask: Ask) -> RunOpened:
    """Put the beginning of a run on record."""
    said, who, desk = ask.body, ask.who, ask.bureau.desk
    budget = _budget(said.budget)
    if said.run is not None and find(ask, said.run) is not None:
        raise Problem(409, "run_exists", f"Run {said.run!r} was opened before.", "Name another, or leave `run` out.")
    fixed = {name: said_or_fixed(who, name, getattr(said, name)) for name in WHOSE[1:]}
    id = run_of(who.tenant, desk.settings.tenant, said.run or desk.clock.new_id())
    data = {"tenant": who.tenant, **{name: value for name, value in fixed.items() if value}}
    if who.key:
        data["key"] = who.key
    opened: dict[str, object] = {**data, "api": True, **({"budget": [budget.nanos, budget.currency]} if budget else {})}
    desk.record(Fact(RUN_OPENED, desk.clock.new_id(), desk.clock.now_ns(), id, data=opened))
    # Header values are Latin-1 on their way; what is not, its key or the run itself says.
    headers = {f"comptroller-{name}": value for name, value in fixed.items() if value and value.isascii()}
    if budget:
        headers["comptroller-budget"] = str(budget)
    return RunOpened(run=id, headers={"comptroller-run": id, **headers})


def close_run(ask: Ask) -> RunClosed:
    """Put the end of a run on record."""
    row, said, desk = seen(ask), ask.body, ask.bureau.desk
    identity = {name: row[name] for name in WHOSE if row[name]}
    ending: dict[str, object] = {"status": said.status, "api": True}
    if said.status == "error":
        ending["error"] = {"type": said.error or "Error"}
    fact = Fact(RUN_CLOSED, desk.clock.new_id(), desk.clock.now_ns(), row["run"], data=identity | ending)
    desk.record(fact)
    return RunClosed(run=row["run"], status=said.status)


def seen(ask: Ask) -> Row:
    """The run of the path, where it is theirs to see."""
    row = find(ask, ask.path["run"])
    if row is None or not ask.who.sees(row):
        id = ask.path["run"]
        raise Problem(404, "not_found", f"There is no run {id[:128]!r}.", "List them with GET /api/runs.")
    return row


def find(ask: Ask, id: str) -> Row | None:
    """A run by its id, whoever's it is; one that began a moment ago is waited for."""
    reader = ask.bureau.reader
    id = run_of(ask.who.tenant, ask.bureau.settings.tenant, id)
    for fresh in (False, True):
        if fresh:
            reader.refresh()
        rows: list[Row] = reader.rows("run", run=id)
        if rows:
            return rows[0]
    return None


def said_or_fixed(who: Who, name: str, said: str) -> str:
    """What a client says, unless its key says otherwise: then nothing goes on."""
    fixed: str = getattr(who, name)
    if said and fixed and said != fixed:
        raise Problem(
            403,
            "identity",
            f"The request says {name} {said!r}, its key says {fixed!r}.",
            "Leave it out, or use another key.",
            f"body.{name}",
        )
    return said or fixed


def _budget(text: str) -> Amount | None:
    if not text:
        return None
    try:
        money = parse_money(text)
        if money.nanos <= 0:
            raise ValueError(f"{text!r} leaves nothing to spend. Give an amount above zero.")
    except ValueError as error:
        raise Problem(400, "bad_request", *split(str(error)), place="body.budget") from None
    return money


def _degree(value: object) -> str | None:
    return None if value is None else f"{value.normalize():f}"  # type: ignore[attr-defined]


_ONE = "/api/runs/{run:path}"
ROUTES = (
    Route("GET", "/api/runs", "List runs, the latest first.", READ, list_runs, RunPage, RunsAsked),
    Route(
        "POST",
        "/api/runs",
        "Open a run; calls with its headers belong to it.",
        WRITE,
        open_run,
        RunOpened,
        body=RunOpening,
        status=201,
        fails=(409,),
    ),
    Route(
        "GET", f"{_ONE}/tree", "One run as a tree of agents, calls and tools.", READ, show_tree, TreeNode, fails=(404,)
    ),
    Route(
        "POST",
        f"{_ONE}/close",
        "End a run.",
        WRITE,
        close_run,
        RunClosed,
        body=RunClosing,
        fails=(404,),
    ),
    Route(
        "GET", _ONE, "One run with its calls, agents and claims.", READ, show_run, RunAccount, RunAsked, fails=(404,)
    ),
)
