"""Which calls of a run repeat one another so closely that one row can stand for them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from comptroller.dashboards.components.waterfall import Fold
from comptroller.tracing.repeats import Loop, Repeat

Row = Mapping[str, Any]


def folds_of(loops: Iterable[Loop], repeats: Iterable[Repeat], rows: Sequence[Row]) -> list[Fold]:
    """Loops and repeats that lie next to each other in the tree; what lies apart stays where it happened."""
    siblings: dict[str, list[str]] = {}
    parents: dict[str, str] = {}
    for row in rows:
        id, parent = str(row["id"]), str(row.get("parent") or "")
        siblings.setdefault(parent, []).append(id)
        parents[id] = parent
    folds = [_loop(loop, siblings, parents) for loop in loops]
    folds += [_repeat(repeat, siblings, parents) for repeat in repeats]
    return [fold for fold in folds if fold is not None]


def _loop(loop: Loop, siblings: Mapping[str, list[str]], parents: Mapping[str, str]) -> Fold | None:
    calls = _between(loop.first, loop.last, siblings, parents)
    if len(calls) != loop.rounds * len(loop.names):
        return None
    names = [name.partition(" ")[2] or name for name in loop.names]  # each begins with its kind, which the row shows
    return Fold(tuple(calls), " → ".join(names), loop.rounds)


def _repeat(repeat: Repeat, siblings: Mapping[str, list[str]], parents: Mapping[str, str]) -> Fold | None:
    calls = _between(repeat.calls[0], repeat.calls[-1], siblings, parents) if repeat.calls else []
    return Fold(repeat.calls, repeat.name) if calls and tuple(calls) == repeat.calls else None


def _between(first: str, last: str, siblings: Mapping[str, list[str]], parents: Mapping[str, str]) -> list[str]:
    """The calls from one to the other, both of one parent; none where they are not."""
    if first not in parents or parents.get(last) != parents[first]:
        return []
    beside = siblings[parents[first]]
    return beside[beside.index(first) : beside.index(last) + 1]
