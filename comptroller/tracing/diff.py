"""Two runs laid side by side: where they first part, and whether in what went in or in what came back."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from comptroller.core.money import decimal_text
from comptroller.tracing.align import align
from comptroller.tracing.masks import normalise
from comptroller.tracing.step import Costs, Run, Step, costs_of, homes_of, path_of
from comptroller.tracing.texts import Texts

What = Literal["equal", "changed", "only_bad", "only_good", "not_reached"]
Kind = Literal["same", "input", "output", "extra", "missing"]
INPUTS = ("model", "prompt", "args")
COURSE = frozenset(("model", "status", "error"))  # another step was taken, not only other words said
OUTPUTS = ("status", "error", "reply", "result", "answered by")  # in the order in which they say most
DEARER = 2  # times as much
SLOWER = 2  # times as long, and
EXACT = 100  # prompts, the earliest, of which the first message that differs is looked for: each reads a conversation
SECOND = timedelta(seconds=1)  # at least this much longer: less is chance


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs: its agents and calls in the order in which they began, and what they said."""

    run: Run
    steps: Sequence[Step]
    texts: Texts = field(default_factory=Texts)


@dataclass(frozen=True, slots=True)
class Change:
    """What is different, on either side as words; `message` is the first of a prompt's that differs, from 1."""

    what: str
    bad: str
    good: str
    message: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A call on one side or on both; `count` equal ones in a row are one row, that of the first."""

    what: What
    bad: Step | None
    good: Step | None
    count: int = 1
    changes: tuple[Change, ...] = ()

    @property
    def parts(self) -> bool:
        """Whether the runs part here; dearer or slower alone is no other course."""
        return self.what != "equal" and not (self.what == "changed" and not _courses(self))

    @property
    def steps_aside(self) -> bool:
        """Whether another step is taken here, whatever was said."""
        return self.what not in ("equal", "changed") or any(change.what in COURSE for change in self.changes)

    @property
    def kind(self) -> Kind:
        """What differs: equal inputs with different outputs are the model's or the tool's doing."""
        if self.what == "only_bad":
            return "extra"
        if self.what in ("only_good", "not_reached"):
            return "missing"
        said = _courses(self)
        return "same" if not said else "input" if said & set(INPUTS) else "output"


@dataclass(frozen=True, slots=True)
class Lane:
    """The rows of one agent, by its path: ("agent desk", "tool research", "agent reader")."""

    path: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """Two runs compared. `first` is where they part in time; None where nothing differs.

    Two runs of one workflow mostly begin with different cases, and so with different texts: `course` is where they
    first take another step, whatever was said. It may be the same row.
    """

    bad: Run
    good: Run
    lanes: tuple[Lane, ...]
    first: Row | None
    first_path: tuple[str, ...]
    course: Row | None
    course_path: tuple[str, ...]
    versions: tuple[Change, ...]  # of policies, prices and models
    bad_costs: Costs
    good_costs: Costs

    @property
    def kind(self) -> Kind:
        return self.first.kind if self.first else "same"

    def count(self, what: What) -> int:
        """How many calls there are of a sort."""
        return sum(row.count for lane in self.lanes for row in lane.rows if row.what == what)


def compare(bad: Side, good: Side) -> Diff:
    """Lay two runs side by side, agent by agent."""
    theirs, ours = _lanes(good.steps), _lanes(bad.steps)
    paths = [*ours, *(path for path in theirs if path not in ours)]
    laid = {path: _rows(ours.get(path, []), theirs.get(path, []), bad.texts, good.texts) for path in paths}
    if bad.run.status != "ok":
        _cut_short(laid)
    parts = [
        (moment, row, path) for path, rows in laid.items() for moment, row in _moments(rows, bad, good) if row.parts
    ]
    parts.sort(key=lambda part: part[0])
    exact = {id(row): _numbered(row, bad.texts, good.texts) for _, row, _ in parts[:EXACT]}
    parts = [(moment, exact.get(id(row), row), path) for moment, row, path in parts]
    laid = {path: [exact.get(id(row), row) for row in rows] for path, rows in laid.items()}
    _, first, first_path = next(iter(parts), (None, None, ()))
    _, course, course_path = next((part for part in parts if part[1].steps_aside), (None, None, ()))
    return Diff(
        bad.run,
        good.run,
        tuple(Lane(path, tuple(_folded(rows))) for path, rows in laid.items()),
        first,
        first_path,
        course,
        course_path,
        _versions(bad.steps, good.steps),
        costs_of(_calls(bad.steps)),
        costs_of(_calls(good.steps)),
    )


def _cut_short(laid: dict[tuple[str, ...], list[Row]]) -> None:
    """What the good run did after the last thing both did was not reached; before that the bad one left it out."""
    both = [row.good.started for rows in laid.values() for row in rows if row.bad and row.good]
    reach = max(both, default=None)
    for rows in laid.values():
        for number, row in enumerate(rows):
            if row.what == "only_good" and row.good and (reach is None or row.good.started > reach):
                rows[number] = replace(row, what="not_reached")


def _calls(steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if step.kind not in ("agent", "run")]


def _lanes(steps: Sequence[Step]) -> dict[tuple[str, ...], list[Step]]:
    """The calls of each agent, under the names of what it happened in: ids are new in every run."""
    homes, known = homes_of(steps), {step.id: step for step in steps}
    paths: dict[str, tuple[str, ...]] = {"": ()}
    lanes: dict[tuple[str, ...], list[Step]] = {}
    for step in steps:
        if step.kind == "agent":
            continue
        home = homes[step.id]
        if home not in paths:
            paths[home] = tuple(f"{one.kind} {one.name}" for one in path_of(known[home], known, homes))
        lanes.setdefault(paths[home], []).append(step)
    return lanes


def _rows(bad: Sequence[Step], good: Sequence[Step], said: Texts, says: Texts) -> list[Row]:
    """Every call of both, once: equal inputs first, then those between them of one name, then any two models."""
    pairs = align([_key(step) for step in bad], [_key(step) for step in good])
    pairs = _between(pairs, bad, good, lambda step: (step.kind, step.name))
    pairs = _between(pairs, bad, good, lambda step: step.kind if step.kind == "model" else step.id)
    rows: list[Row] = []
    i = j = 0
    for k, m in [*pairs, (len(bad), len(good))]:
        rows += [Row("only_bad", step, None) for step in bad[i:k]]
        rows += [Row("only_good", None, step) for step in good[j:m]]
        if k < len(bad):
            changes = tuple(_changes(bad[k], good[m], said, says))
            rows.append(Row("changed" if changes else "equal", bad[k], good[m], 1, changes))
        i, j = k + 1, m + 1
    return rows


def _key(step: Step) -> tuple[object, ...]:
    return (step.kind, step.name, step.asked)


def _between(
    pairs: Sequence[tuple[int, int]], bad: Sequence[Step], good: Sequence[Step], key: Callable[[Step], Hashable]
) -> list[tuple[int, int]]:
    """The pairs, and between them those that are alike by a wider measure."""
    made: list[tuple[int, int]] = []
    i = j = 0
    for k, m in [*pairs, (len(bad), len(good))]:
        if i < k and j < m:
            found = align([key(step) for step in bad[i:k]], [key(step) for step in good[j:m]])
            made += [(i + a, j + b) for a, b in found]
        if k < len(bad):
            made.append((k, m))
        i, j = k + 1, m + 1
    return made


def _changes(bad: Step, good: Step, said: Texts, says: Texts) -> Iterable[Change]:
    if bad.name != good.name:
        yield Change("model", bad.name, good.name)
    if bad.asked != good.asked:
        yield _input(bad, good, said, says)
    if bad.status != good.status:
        yield Change("status", bad.status, good.status)
    if normalise(bad.error) != normalise(good.error):
        yield Change("error", bad.error, good.error)
    if bad.answered != good.answered and None not in (bad.answered, good.answered):
        yield Change("reply" if bad.kind == "model" else "result", "", "")
    if bad.name == good.name and bad.model != good.model and bad.model and good.model:
        yield Change("answered by", bad.model, good.model)
    if _dearer(bad, good):
        yield Change("cost", _money(bad), _money(good))
    took, takes = _took(bad), _took(good)
    if took and takes and abs(took - takes) >= SECOND and max(took, takes) >= SLOWER * min(took, takes):
        yield Change("duration", f"{took.total_seconds():.1f} s", f"{takes.total_seconds():.1f} s")


def _input(bad: Step, good: Step, said: Texts, says: Texts) -> Change:
    if bad.kind != "model":
        return Change("args", "", "")
    return Change("prompt", _messages(said.count(bad.id)), _messages(says.count(good.id)))


def _messages(number: int) -> str:
    return f"{number:,} message{'s' * (number != 1)}" if number else ""


def _numbered(row: Row, said: Texts, says: Texts) -> Row:
    """The row with the number of the first message that differs."""
    if row.bad is None or row.good is None or not any(change.what == "prompt" for change in row.changes):
        return row
    here, there = said.request(row.bad.id), says.request(row.good.id)
    first = next((n for n, (a, b) in enumerate(zip(here, there, strict=False), 1) if a != b), 0)
    number = first or min(len(here), len(there)) + 1
    changes = (replace(change, message=number) if change.what == "prompt" else change for change in row.changes)
    return replace(row, changes=tuple(changes))


def _dearer(bad: Step, good: Step) -> bool:
    """Another cost; where something else was asked only one that is worth telling."""
    if not (bad.ended and good.ended) or (bad.nanos, bad.currency) == (good.nanos, good.currency):
        return False
    more, less = max(bad.nanos, good.nanos), min(bad.nanos, good.nanos)
    return bad.asked == good.asked or bad.currency != good.currency or more >= DEARER * less


def _took(step: Step) -> timedelta | None:
    return step.ended - step.started if step.ended else None


def _money(step: Step) -> str:
    return f"{decimal_text(step.nanos)} {step.currency}".rstrip()


def _courses(row: Row) -> set[str]:
    """The changes that make another course of it."""
    return {change.what for change in row.changes} & {*INPUTS, *OUTPUTS}


def _moments(rows: Sequence[Row], bad: Side, good: Side) -> Iterable[tuple[tuple[datetime, int], Row]]:
    """When the runs part at each row, by the bad one's clock.

    Different inputs part them when the call begins, different outputs when it ends: a tool that failed because of a
    call inside it is not where they part. What only the good run has was missed after the call before it, and what
    the bad one did not live to do is missed last of all.
    """
    first = next((row.bad.started for row in rows if row.bad), None)
    over = max((step.ended or step.started for step in bad.steps), default=None)
    last = None
    for number, row in enumerate(rows):
        if row.bad is not None:
            last = row.bad.ended or row.bad.started
            yield (last if row.kind == "output" else row.bad.started, 0), row
            continue
        assert row.good is not None, "a row has a call on one side at least"
        if row.what == "not_reached":
            yield ((over or row.good.started) + (row.good.started - good.steps[0].started), number + 1), row
        elif last is not None:
            yield (last, number + 1), row
        else:
            yield (first or _as_far_in(row.good, bad, good), number - len(rows)), row


def _as_far_in(step: Step, bad: Side, good: Side) -> datetime:
    """When a call of the good run would have begun in the bad one."""
    if not bad.steps:
        return step.started
    return bad.steps[0].started + (step.started - good.steps[0].started)


def _folded(rows: Iterable[Row]) -> Iterable[Row]:
    """Equal rows next to each other as one."""
    for equal, group in groupby(rows, key=lambda row: row.what == "equal"):
        if not equal:
            yield from group
            continue
        same = list(group)
        yield Row("equal", same[0].bad, same[0].good, len(same))


def _versions(bad: Sequence[Step], good: Sequence[Step]) -> tuple[Change, ...]:
    """Which versions of policies, prices and models the runs were under, where these are not the same."""
    made: list[Change] = []
    for what in ("policy", "price", "model"):
        here, there = ({value for step in steps if (value := getattr(step, what))} for steps in (bad, good))
        if here != there:
            made.append(Change(what, ", ".join(sorted(here)), ", ".join(sorted(there))))
    return tuple(made)
