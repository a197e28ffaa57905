"""One run as its page needs it: the row, the tree, what policies said, why it failed; made once for each state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from comptroller.dashboards import frame
from comptroller.dashboards.components import waterfall
from comptroller.dashboards.components.folding import folds_of
from comptroller.dashboards.components.waterfall import Marks
from comptroller.dashboards.components.words import Badge, cut
from comptroller.dashboards.source import Source
from comptroller.office.steps import handovers_of, steps_in, texts_of
from comptroller.tracing.findings import Findings, find
from comptroller.tracing.step import Handover, Run
from comptroller.tracing.texts import Texts

Row = Mapping[str, Any]
_BYTES = 2_000  # that one call takes here, roughly


@dataclass(frozen=True, slots=True)
class Looked:
    """A run, looked into."""

    row: Row
    tree: Sequence[Row]
    decisions: Sequence[Row]
    found: Findings
    trace: Mapping[str, Any]  # the columns of the waterfall

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.row["run"])

    @property
    def live(self) -> bool:
        """True while it is under way."""
        return bool(self.row["status"] == "open")

    def call(self, id: str) -> Row | None:
        """One agent or call of it."""
        return next((row for row in self.tree if row["id"] == id), None)


def look(source: Source, id: str) -> Looked | None:
    """Look into a run; None where this person sees no such run."""
    row = source.one("console_run", run=id)
    if row is None:
        return None
    weight = _BYTES * (int(row["calls"]) + 10)
    moment = frame.today() if row["status"] == "open" else None
    made: Looked = source.made("run", lambda: _look(source, row, moment), weight, run=id)
    return made


def bounds(row: Row) -> dict[str, str]:
    """When the run was, so that nobody looks through the rest of the books."""
    said = {"since": row["started"].isoformat()}
    until = row["ended"] or row["latest"]
    if until is None or row["status"] == "open":
        return said
    return said | {"until": (until + timedelta(seconds=1)).isoformat()}


def _look(source: Source, row: Row, moment: datetime | None) -> Looked:
    id, when = str(row["run"]), bounds(row)

    def rows(name: str, **params: object) -> list[dict[str, Any]]:
        return source.rows(name, **params, **(when if name in ("run_tree", "run_texts") else {}))

    tree = rows("run_tree", run=id)
    decisions = source.rows("run_decisions", run=id, since=when["since"])
    steps = steps_in(rows, id, tree, Texts(texts_of(rows, id)))
    run = Run(id, row["status"], row["error"] or "", row["workflow"] or "")
    found = find(run, steps, handovers_of(rows, id, tree))
    marks = Marks(
        folds=folds_of(found.loops, found.repeats, tree),
        first_bad=found.cause.id if found.cause else "",
        crossed=_crossed(row, tree),
        badges=_handed(found.handovers),
        decisions=decisions,
        now=moment,
    )
    return Looked(row, tree, decisions, found, waterfall.columns(tree, marks))


def _handed(handovers: Sequence[Handover]) -> dict[str, list[Badge]]:
    """Where agents handed over, by the call or block that says so."""
    badges: dict[str, list[Badge]] = {}
    for one in handovers:
        badges.setdefault(one.at, []).append(Badge(f"Handed over to {cut(one.to)}", "plain", cut(one.because)))
    return badges


def _crossed(row: Row, tree: Sequence[Row]) -> dict[str, str]:
    """Where budgets were crossed: the calls refused for money, and the one that passed the run's own budget."""
    found = {each["id"]: str(each["because"]) for each in tree if each["status"] == "over_budget"}
    budget, currency = row["budget"], row["budget_currency"]
    if budget is None:
        return found
    spent = Decimal(0)
    for each in sorted((each for each in tree if each["ended"]), key=lambda each: each["ended"]):
        spent += (each["cost"] or 0) if each["currency"] == currency else 0
        if spent > budget:
            found.setdefault(each["id"], f"The run's budget of {budget.normalize():f} {currency} was passed here.")
            break
    return found
