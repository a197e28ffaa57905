"""Two runs laid side by side over HTTP: where they first part, and every call of both in two columns."""

from typing import Annotated, Literal

from pydantic import Field

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Costs, Id, Moment, Money, Said, Told
from comptroller.office.compare import compared, head_in_json, last_good, row_in_json, rows_of
from comptroller.office.steps import Row, Rows
from comptroller.tracing.diff import Diff

KEPT = 4  # comparisons
What = Literal["equal", "changed", "only_bad", "only_good", "not_reached"]
Kind = Literal["same", "input", "output", "extra", "missing"]


class RunDiffSide(Told):
    """A call as one of the two runs has it."""

    call: str
    name: str
    agent: str
    status: str
    error: str
    started: Moment
    ended: Moment | None
    cost: Money
    currency: str


class RunDiffChange(Told):
    """What is different, as words; `message` is the first of a prompt's that differs, from 1."""

    what: str
    bad: str
    good: str
    message: int = 0


class RunDiffRow(Told):
    """A call on one side or on both; `count` equal ones next to each other are one row."""

    at: int = Field(description="Its number among all rows, from 0.")
    what: What
    path: list[str] = Field(description="The agents and tools it happened in, the outermost first.")
    kind: str
    name: str
    count: int
    bad: RunDiffSide | None
    good: RunDiffSide | None
    changes: list[RunDiffChange]


class RunDiffCounts(Told):
    """How many calls there are of each sort."""

    equal: int
    changed: int
    only_bad: int
    only_good: int
    not_reached: int


class RunDiffCosts(Told):
    """What either run came to."""

    bad: Costs
    good: Costs


class RunDiff(Told):
    """Two runs compared. `first` is where they part; `course` where they first take another step."""

    bad: str
    good: str
    kind: Kind
    verdict: str
    first: RunDiffRow | None
    course: RunDiffRow | None
    counts: RunDiffCounts
    versions: list[RunDiffChange] = Field(description="Versions of policies, prices and models that differ.")
    costs: RunDiffCosts
    total: int = Field(description="Rows there are in all, of those asked for.")
    offset: int
    rows: list[RunDiffRow]


class RunDiffAsked(Said):
    """With which, the last good run like it unless said; and which rows: `around` is the number of one of them."""

    good: Id | None = None
    differences: bool = False
    around: Annotated[int, Field(ge=0, le=10**9)] | None = None
    offset: Annotated[int, Field(ge=0, le=10**9)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 200


def show_diff(ask: Ask) -> RunDiff:
    """Lay two runs side by side."""
    bad, rows = ask.path["run"], _theirs(ask)
    here = _seen(ask, bad)
    good = ask.query.good or last_good(rows, bad)
    if good is None:
        raise Problem(
            404, "nothing_to_compare", "No run of its workflow ended well before it.", "Name one with `good`."
        )
    there = _seen(ask, good)
    if good == bad:
        raise Problem(400, "bad_request", "This is the same run twice.", "Name another to hold it against.", "good")
    return _page(ask, _laid(ask, rows, here, there))


def _laid(ask: Ask, rows: Rows, bad: Row, good: Row) -> Diff:
    """The comparison; of the last few pairs it is kept, as a long one is read page by page."""
    kept = ask.bureau.diffs
    mark = (ask.who.tenant, ask.who.customer, *((run["run"], run["latest"], run["ended"]) for run in (bad, good)))
    found = kept.get(mark)
    if found is None:
        found = kept[mark] = compared(rows, bad["run"], good["run"], vault=ask.bureau.bodies)
        for old in list(kept)[:-KEPT]:
            kept.pop(old, None)
    return found


def _page(ask: Ask, diff: Diff) -> RunDiff:
    said = ask.query
    rows = rows_of(diff, said.differences)
    begin = said.offset
    if said.around is not None:
        place = next((n for n, (at, _, _) in enumerate(rows) if at >= said.around), 0)
        begin = place - place % said.limit
    shown = [row_in_json(row, path, at) for at, row, path in rows[begin : begin + said.limit]]
    return RunDiff.model_validate(head_in_json(diff) | {"total": len(rows), "offset": begin, "rows": shown})


def _theirs(ask: Ask) -> Rows:
    """A reader's rows, of calls this client may see."""
    reader, who = ask.bureau.reader, ask.who
    whose = {"tenant": who.tenant} | ({"customer": who.customer} if who.customer else {})

    def rows(name: str, **params: object) -> list[Row]:
        return reader.rows(name, **(params if name == "run" else {**params, **whose}))

    return rows


def _seen(ask: Ask, run: str) -> Row:
    rows = ask.bureau.reader.rows("run", run=run)
    if not rows or not ask.who.sees(rows[0]):
        raise Problem(404, "not_found", f"There is no run {run[:128]!r}.", "List them with GET /api/runs.")
    return rows[0]


ROUTES = (
    Route(
        "GET",
        "/api/runs/{run:path}/diff",
        "A run laid beside the last good one like it, or another: where they first part.",
        READ,
        show_diff,
        RunDiff,
        RunDiffAsked,
        fails=(404,),
    ),
)
