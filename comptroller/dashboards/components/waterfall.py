"""The trace of a run as a tree beside a time axis: rows into columns, columns into the browser."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from comptroller.core.money import decimal_text
from comptroller.dashboards.components.asking import asked
from comptroller.dashboards.components.mounting import nothing, renderer
from comptroller.dashboards.components.tree import Branch, branches
from comptroller.dashboards.components.words import PROBLEMS, Badge, badge_of_shadow, badges_of, cut

Row = Mapping[str, Any]
PROBLEM, OPEN, ESTIMATED, UNPRICED, FOLDED, OPAQUE, ABOVE = 1, 2, 4, 8, 16, 32, 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fold:
    """Calls that repeat one another, shown as one row until somebody opens it."""

    calls: tuple[str, ...]
    word: str = ""  # what repeats; the first call's name when empty
    times: int = 0  # how often; the number of calls when 0


@dataclass(frozen=True, slots=True)
class Marks:
    """What is to be shown on the tree beyond the rows themselves; all calls by their ids."""

    folds: Sequence[Fold] = ()
    first_bad: str = ""
    crossed: Mapping[str, str] = field(default_factory=dict)  # the call that crossed a budget -> which, in words
    badges: Mapping[str, Sequence[Badge]] = field(default_factory=dict)
    decisions: Sequence[Row] = ()  # rows of run_decisions: shadows become badges
    now: datetime | None = None  # of a live run: how far the open calls have come


def columns(rows: Sequence[Row], marks: Marks | None = None) -> dict[str, Any]:
    """The rows of `run_tree` as the columns that the browser draws from: the tree in reading order.

    Texts that repeat are written once; times are whole microseconds, money is exact decimal text.
    """
    marks = marks or Marks()
    tree = branches(rows, marks.folds)
    start = min((row["started"] for row in rows if row.get("started")), default=marks.now or EPOCH)
    cells = [_cell(branch, start) for branch in tree]
    flat = [branch.row for branch in tree]
    ids = [branch.id for branch in tree]
    return {
        "n": len(tree),
        "start": _micros(start, EPOCH) // 1000,
        "now": _micros(marks.now, start) if marks.now else None,
        **_ids(ids),
        "depth": [branch.depth for branch in tree],
        **_coded("kind", "kinds", [str(row.get("kind") or "") for row in flat]),
        **_coded("name", "names", [cut(branch.name) for branch in tree]),
        **_coded("model", "models", [_model(row) for row in flat]),
        **_coded("agent", "agents", [cut(row.get("agent")) for row in flat]),
        **_coded("currency", "currencies", [branch.currency for branch in tree]),
        "cost": [_amount(branch.nanos) for branch in tree],
        "total": _totals(tree),
        "input": [cell[2] for cell in cells],
        "output": [cell[3] for cell in cells],
        "at": [cell[0] for cell in cells],
        "took": [cell[1] for cell in cells],
        "flags": [cell[4] for cell in cells],
        "times": {at: branch.times for at, branch in enumerate(tree) if branch.times},
        **_badges(tree, marks),
        "first_bad": ids.index(marks.first_bad) if marks.first_bad in ids else -1,
        "crossed": [[at, cut(marks.crossed[call])] for at, call in enumerate(ids) if call in marks.crossed],
        "lanes": _lanes(tree),
    }


def waterfall(
    data: Mapping[str, Any],
    *,
    key: str,
    selected: str = "",
    height: int = 560,
    on_select: Callable[[], None] = nothing,
) -> str:
    """Mount the tree; returns the id of the call that the viewer selected, or what was asked for at first.

    `selected` may be what the viewer chose last (from the address of the page): nothing is sent again then.
    """
    import streamlit as st

    wish = asked(st.session_state, key, selected)
    result = renderer("waterfall", "waterfall_rows")(
        data={**data, "ask": wish, "height": height}, key=key, on_selected_change=on_select
    )
    return str(result.get("selected") or wish[1] or "")


def _cell(branch: Branch, start: datetime) -> tuple[int, int, int, int, int]:
    row = branch.row
    began = _micros(row["started"], start) if row.get("started") else 0
    ended = branch.ended
    took = max(_micros(ended, start) - began, 0) if ended else -1
    return began, took, int(row.get("input") or 0), int(row.get("output") or 0), _flags(branch)


def _flags(branch: Branch) -> int:
    row, status = branch.row, str(branch.row.get("status") or "")
    bad = status in PROBLEMS or row.get("action") == "error"
    return (
        (PROBLEM if bad else 0)
        | (OPEN if branch.ended is None and status in ("open", "") else 0)
        | (ESTIMATED if row.get("estimated") else 0)
        | (UNPRICED if row.get("unpriced") else 0)
        | (FOLDED if branch.folded else 0)
        | (OPAQUE if row.get("opaque") else 0)
        | (ABOVE if branch.problems > (status in PROBLEMS) else 0)
    )


def _model(row: Row) -> str:
    model = cut(row.get("model"))
    return "" if model == row.get("name") else model


def _amount(nanos: int) -> str:
    return decimal_text(nanos) if nanos else ""


def _totals(tree: Sequence[Branch]) -> list[str]:
    """What the run had cost when each call was over; a row that only sums up others has none."""
    totals = [""] * len(tree)
    running: dict[str, int] = {}
    spent = (at for at, branch in enumerate(tree) if branch.own and branch.ended)
    for at in sorted(spent, key=lambda at: tree[at].ended or EPOCH):
        currency = str(tree[at].row.get("currency") or "")
        running[currency] = running.get(currency, 0) + tree[at].own
        totals[at] = decimal_text(running[currency])
    return totals


def _ids(ids: Sequence[str]) -> dict[str, Any]:
    """Ids of one run begin alike (they begin with the time): the common part goes once."""
    first, last = min(ids, default=""), max(ids, default="")
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), 0)
    return {"prefix": first[:same], "ids": [one[same:] for one in ids]}


def _coded(name: str, table: str, values: Sequence[str]) -> dict[str, Any]:
    """A column of few texts as those texts and a number for each row."""
    numbers: dict[str, int] = {}
    column = [numbers.setdefault(value, len(numbers)) for value in values]
    return {table: list(numbers), name: column}


def _badges(tree: Sequence[Branch], marks: Marks) -> dict[str, Any]:
    """Only the rows that have some: most calls have none."""
    more: dict[str, list[Badge]] = {call: list(badges) for call, badges in marks.badges.items()}
    for decision in marks.decisions:
        if badge := badge_of_shadow(decision):
            more.setdefault(str(decision["call"]), []).append(badge)
    rows = {
        at: found
        for at, branch in enumerate(tree)
        if (found := ([] if branch.folded else badges_of(branch.row)) + more.get(branch.id, []))
    }
    return {"badges": {at: [[b.word, b.tone, cut(b.title)] for b in found] for at, found in rows.items()}}


def _lanes(tree: Sequence[Branch]) -> dict[str, Any]:
    """Each agent's calls, problems and cost in each currency: what the lane's own row shows."""
    lanes: dict[str, dict[str, Any]] = {}
    for branch in tree:
        if branch.folded or branch.row.get("kind") == "agent":
            continue
        lane = lanes.setdefault(cut(branch.row.get("agent")), {"calls": 0, "problems": 0, "costs": {}})
        lane["calls"] += 1
        lane["problems"] += bool(_flags(branch) & PROBLEM)
        if branch.own:
            currency, costs = str(branch.row.get("currency") or ""), lane["costs"]
            costs[currency] = costs.get(currency, 0) + branch.own
    for lane in lanes.values():
        lane["costs"] = [[decimal_text(nanos), currency] for currency, nanos in lane["costs"].items()]
    return lanes


def _micros(moment: datetime, since: datetime) -> int:
    gap = moment - since
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds
