"""Two runs laid side by side over HTTP: where they first part, and every call of both in two columns."""

from typing import Literal

from pydantic import Field

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import READ
from comptroller.gateway.api.shapes import Costs, Id, Moment, Money, Said, Told
from comptroller.office.compare import as_json, compared, last_good
from comptroller.office.steps import Row, Rows

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
    first_at: int | None = Field(description="Its place among `rows`, from 0.")
    course_at: int | None
    counts: RunDiffCounts
    versions: list[RunDiffChange] = Field(description="Versions of policies, prices and models that differ.")
    costs: RunDiffCosts
    rows: list[RunDiffRow]


class RunDiffAsked(Said):
    """With which; the last good run like it unless said."""

    good: Id | None = None


def show_diff(ask: Ask) -> RunDiff:
    """Lay two runs side by side."""
    bad, rows = ask.path["run"], _theirs(ask)
    _must_see(ask, bad)
    good = ask.query.good or last_good(rows, bad)
    if good is None:
        raise Problem(
            404,
            "nothing_to_compare",
            "No run of its workflow ended well before it.",
            "Name one with `good`.",
        )
    _must_see(ask, good)
    if good == bad:
        raise Problem(400, "bad_request", "This is the same run twice.", "Name another to hold it against.", "good")
    return RunDiff.model_validate(as_json(compared(rows, bad, good, vault=ask.bureau.bodies)))


def _theirs(ask: Ask) -> Rows:
    """A reader's rows, of calls this client may see."""
    reader, who = ask.bureau.reader, ask.who
    whose = {"tenant": who.tenant} | ({"customer": who.customer} if who.customer else {})

    def rows(name: str, **params: object) -> list[Row]:
        return reader.rows(name, **(params if name == "run" else {**params, **whose}))

    return rows


def _must_see(ask: Ask, run: str) -> None:
    rows = ask.bureau.reader.rows("run", run=run)
    if not rows or not ask.who.sees(rows[0]):
        raise Problem(404, "not_found", f"There is no run {run[:128]!r}.", "List them with GET /api/runs.")


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
