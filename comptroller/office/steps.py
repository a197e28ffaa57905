"""A run out of the books as steps and texts, for what looks into runs; the same for command line and console."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from comptroller.core.errors import StoreError
from comptroller.core.money import NANOS
from comptroller.tracing.step import Handover, Run, Step
from comptroller.tracing.texts import Text, Texts

Row = dict[str, Any]
Rows = Callable[..., list[Row]]  # rows(name, **parameters): a reader's, or whatever stands before one
_REFUSED = ("deny", "ask")


def run_of(rows: Rows, run: str, deserted: bool = False) -> Run:
    """How a run ended. `deserted`: nobody uses the ledger, so that it cannot still be under way."""
    found = rows("run", run=run, deserted=deserted)
    if not found:
        raise StoreError(f"{run}: the books have no such run. List those they have with `comptroller runs ls`.")
    row = found[0]
    return Run(row["run"], row["status"], row["error"] or "", row["workflow"] or "")


def texts_of(rows: Rows, run: str) -> list[Text]:
    """The digests of what its calls said."""
    return [
        Text(
            row["call"],
            tuple(row["request"] or ()),
            tuple(row["reply"] or ()),
            row["args"] or "",
            row["after_call"] or "",
            row["after_count"] or 0,
        )
        for row in rows("run_texts", run=run)
    ]


def steps_of(rows: Rows, run: str, texts: Texts, deserted: bool = False, tenant: str | None = None) -> list[Step]:
    """Agents, calls and inner runs in the order in which they began."""
    return steps_in(rows, run, rows("run_tree", run=run, tenant=tenant), texts, deserted)


def steps_in(rows: Rows, run: str, tree: Sequence[Row], texts: Texts, deserted: bool = False) -> list[Step]:
    """The same of the rows of its tree."""
    steps = [_step(row, texts) for row in tree]
    inner = rows("run_inner", run=run, deserted=deserted)
    if not inner:
        return steps
    known = {step.id for step in steps} | {row["run"] for row in inner}
    steps += [_inner(row, known) for row in inner]
    return sorted(steps, key=lambda step: step.started)


def handovers_of(rows: Rows, run: str, tree: Sequence[Row], tenant: str | None = None) -> list[Handover]:
    """Which of its agents handed over to whom, each with where that stands in its tree."""
    told = rows("run_handovers", run=run, tenant=tenant)
    return [Handover(row["agent"], row["to"], row["because"], _place(row, tree)) for row in told]


def _place(row: Row, tree: Sequence[Row]) -> str:
    """The refused call that said so, else the block of the agent that began last before."""
    if any(each["id"] == row["call"] for each in tree):
        return str(row["call"])
    blocks = (each for each in reversed(tree) if each["kind"] == "agent" and each["name"] == row["agent"])
    return next((str(each["id"]) for each in blocks if each["started"] <= row["happened"]), "")


def _step(row: Row, texts: Texts) -> Step:
    id, kind = row["id"], row["kind"]
    cost = row["cost"]
    status = row["status"]
    if kind == "agent" and row["action"] in _REFUSED:
        status = "denied"  # an agent that was not let in is closed at once
    return Step(
        id,
        row["parent"],
        kind,
        row["name"],
        status,
        row["started"],
        row["ended"],
        row["agent"],
        row["model"],
        row["rule"],
        row["because"],
        row["place"],
        row["error"],
        int(cost * NANOS) if cost else 0,
        row["currency"],
        None if kind == "agent" else texts.asked(id),
        None if kind == "agent" else texts.answered(id),
        row["attempt"],
        row["upstream_status"],
        row["policy"],
        row["price"],
    )


def _inner(row: Row, known: Iterable[str]) -> Step:
    """A run inside this one: a step without a cost of its own here."""
    parent = row["parent"] if row["parent"] in known else row["outer_run"]
    return Step(
        row["run"], parent, "run", row["workflow"] or "run", row["status"], row["started"], row["ended"],
        agent=row["agent"] or "", error=row["error"] or "",
    )  # fmt: skip
