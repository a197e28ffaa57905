"""Why a run failed, and how it differs from a good one, as the terminal has it."""

from comptroller.cli import screen
from comptroller.core.money import decimal_text
from comptroller.tracing.diff import Diff, Row
from comptroller.tracing.findings import Findings
from comptroller.tracing.step import Costs
from comptroller.tracing.telling import change_in_words, verdict

TOLD = 3  # repeats, loops and handovers that are told; --json has all
SHOWN = 50  # rows of a comparison unless --limit says otherwise
_WORDS = {
    "only_bad": "only in the bad run",
    "only_good": "only in the good run",
    "not_reached": "not reached by the bad run",
}


def write_why(found: Findings, known_as: str = "") -> None:
    """The first bad call and what its provider knows it as, what helps, what was lost; nothing if all ended well."""
    if found.reason:
        title = "why it failed" if found.run.status in ("error", "abandoned") else "it ended on a failure"
        id = f" ({screen.short(known_as, 60)})" if known_as else ""
        screen.say(f"  {screen.paint(title, '1')}: {screen.short(found.reason, 300)}{id}")
        place = screen.short(found.place, 200)
        number = f"call {found.number:,}, " if found.number else ""
        if place:
            screen.say(f"    where: {number}{place}")
        screen.say(f"    what helps: {screen.clean(found.remedy)}")
        if found.others:
            were = "was" if found.others == 1 else "were"
            screen.say(f"    {screen.count(found.others, 'other call')} failed or {were} refused too")
        if found.lost.total:
            screen.say(f"    lost: {costs_in_words(found.lost.total)}{_of_which(found)}")
    for one in found.handovers[:TOLD]:
        agents = f"{screen.short(one.agent, 40) or '-'} to {screen.short(one.to, 40)}"
        screen.say(f"  handed over: {agents}, {screen.short(one.because, 200)}")
    for said in _over_and_over(found):
        screen.say(f"  {said}")


def _of_which(found: Findings) -> str:
    parts = [
        f"{costs_in_words(costs)} {what}"
        for costs, what in ((found.lost.failed, "on failed calls"), (found.lost.after, "after the first bad one"))
        if costs and costs != found.lost.total
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _over_and_over(found: Findings) -> list[str]:
    """Loops, and identical calls outside them; a few of each."""
    loops = [
        f"loop: {screen.short(', '.join(loop.names), 120)}  x{loop.rounds:,}{_for(loop.costs)}"
        for loop in found.loops[:TOLD]
    ]
    same = [
        f"repeated: {one.kind} {screen.short(one.name, 60)}  x{one.count:,}{_for(one.costs)}, the same each time"
        for one in found.repeats
        if one.identical
    ]
    return loops + same[:TOLD]


def _for(costs: Costs) -> str:
    return f", {costs_in_words(costs)}" if costs else ""


def costs_in_words(costs: Costs) -> str:
    return " + ".join(f"{decimal_text(nanos)} {screen.clean(unit)}".rstrip() for unit, nanos in costs.items()) or "0.00"


def write_diff(diff: Diff, limit: int) -> None:
    """The verdict, then both runs side by side, agent by agent."""
    for side, run, costs in (("bad ", diff.bad, diff.bad_costs), ("good", diff.good, diff.good_costs)):
        workflow = screen.short(run.workflow, 40) or "-"
        screen.say(f"{side}  {screen.clean(run.id)}  {workflow}  {screen.status(run.status)}  {costs_in_words(costs)}")
    screen.say()
    screen.say(screen.paint(_said(verdict(diff), 800), "1"))
    for change in diff.versions:
        screen.say(f"Not the same {_said(change_in_words(change))}.")
    rows = [(row, lane.path) for lane in diff.lanes for row in lane.rows]
    if not rows:
        return
    screen.say()
    heads = ("", "IN", "CALL", "BAD", "GOOD", "DIFFERENCE")
    screen.table(heads, [_row(row, path, row in (diff.first, diff.course)) for row, path in rows[:limit]])
    if len(rows) > limit:
        screen.say(f"{limit:,} of {len(rows):,} rows, see --limit")


def _row(row: Row, path: tuple[str, ...], first: bool) -> list[str]:
    step = row.bad or row.good
    assert step is not None, "a row has a call on one side at least"
    name = f"{step.kind} {screen.short(step.name, 40) or '?'}"
    more = f" and {row.count - 1:,} more" if row.count > 1 else ""
    statuses = [screen.status(side.status) if side else "-" for side in (row.bad, row.good)]
    return [">" if first else "", screen.short(path[-1], 40) if path else "-", name + more, *statuses, _difference(row)]


def _difference(row: Row) -> str:
    if row.what == "equal":
        return "none"
    return _WORDS.get(row.what) or _said("; ".join(change_in_words(change) for change in row.changes), 160)


def _said(text: str, most: int = 400) -> str:
    return screen.short(text, most)
