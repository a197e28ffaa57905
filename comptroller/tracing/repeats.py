"""What a run did over and over: identical calls, the same call again and again, and loops."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from comptroller.core.rounds import LONGEST, ROUNDS, acts, mark_of, stretches
from comptroller.tracing.step import Costs, Step, costs_of

ALIKE = 3  # so many calls of one name next to each other are told as one


@dataclass(frozen=True, slots=True)
class Repeat:
    """Calls of one name in one place; `identical` where their arguments were the same too."""

    kind: str
    name: str
    home: str
    calls: tuple[str, ...]  # their ids, in order
    identical: bool
    costs: Costs

    @property
    def count(self) -> int:
        return len(self.calls)


@dataclass(frozen=True, slots=True)
class Loop:
    """The same round of calls over and over, its tools with the same arguments each time."""

    names: tuple[str, ...]  # of one round
    home: str
    rounds: int
    first: str
    last: str
    costs: Costs


def repeats_of(steps: Iterable[Step], homes: Mapping[str, str]) -> tuple[Repeat, ...]:
    """Identical calls wherever they lie in their agent, and neighbours of one name; the dearest first."""
    made: list[Repeat] = []
    for home, siblings in _by_home(steps, homes).items():
        same = _identical(siblings, home)
        covered = {id for repeat in same for id in repeat.calls}
        made += same
        made += [one for one in _alike(siblings, home) if not covered.issuperset(one.calls)]
    return tuple(sorted(made, key=lambda one: (-sum(one.costs.values()), -one.count, one.calls)))


def loops_of(steps: Iterable[Step], homes: Mapping[str, str]) -> tuple[Loop, ...]:
    """Rounds of calls that came again at least three times on end; the longest lasting first."""
    made: list[Loop] = []
    for home, siblings in _by_home(steps, homes).items():
        made += _loops(siblings, home)
    return tuple(sorted(made, key=lambda loop: (-loop.rounds * len(loop.names), loop.first)))


def _by_home(steps: Iterable[Step], homes: Mapping[str, str]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in steps:
        found.setdefault(homes[step.id], []).append(step)
    return found


def _identical(siblings: Iterable[Step], home: str) -> list[Repeat]:
    groups: dict[tuple[str, str, int], list[Step]] = {}
    for step in siblings:
        if step.asked is not None:
            groups.setdefault((step.kind, step.name, step.asked), []).append(step)
    return [_repeat(group, home, True) for group in groups.values() if len(group) > 1]


def _alike(siblings: Iterable[Step], home: str) -> list[Repeat]:
    groups = [list(group) for _, group in groupby(siblings, key=lambda step: (step.kind, step.name))]
    return [_repeat(group, home, False) for group in groups if len(group) >= ALIKE]


def _repeat(group: Sequence[Step], home: str, identical: bool) -> Repeat:
    first = group[0]
    return Repeat(first.kind, first.name, home, tuple(step.id for step in group), identical, costs_of(group))


def _loops(siblings: Sequence[Step], home: str) -> list[Loop]:
    """Shorter rounds are looked for first: what they cover is no longer round of its own."""
    numbers: dict[tuple[object, ...], int] = {}
    marks = [numbers.setdefault(mark_of(step.kind, step.name, step.asked), len(numbers)) for step in siblings]
    covered = bytearray(len(marks))
    made: list[Loop] = []
    for size in range(1, min(LONGEST, len(marks) // ROUNDS) + 1):
        for begin, end in stretches(marks, size):
            group = siblings[begin:end]
            if not any(covered[begin:end]) and any(acts(step.kind) for step in group[:size]):
                covered[begin:end] = b"\1" * (end - begin)
                names = tuple(f"{step.kind} {step.name}" for step in group[:size])
                made.append(Loop(names, home, len(group) // size, group[0].id, group[-1].id, costs_of(group)))
    return made
