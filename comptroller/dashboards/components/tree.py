"""The calls of a run as a tree in reading order, repeated ones under a row of their own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from comptroller.dashboards.components.words import PROBLEMS

MIXED = "mixed"  # stands where a currency would: a sum of several does not exist

Row = Mapping[str, Any]


class Repeated(Protocol):
    """Calls that one row stands for."""

    @property
    def calls(self) -> tuple[str, ...]: ...
    @property
    def word(self) -> str: ...
    @property
    def times(self) -> int: ...


@dataclass(slots=True)
class Branch:
    """One line of the tree: a call, an agent, or a row that stands for calls that repeat one another."""

    id: str
    name: str
    row: Row
    depth: int = 0
    own: int = 0  # what it cost by itself, in nanos
    nanos: int = 0  # with all below it, where that is of one currency
    currency: str = ""
    ended: datetime | None = None
    folded: bool = False
    times: int = 0
    problems: int = 0


def branches(rows: Sequence[Row], folds: Iterable[Repeated] = ()) -> list[Branch]:
    """Every row once, parents before their children; a row whose parent is missing or its own descendant is a root."""
    nodes = {str(row["id"]): _branch(row) for row in rows}
    parents = {str(row["id"]): str(row.get("parent") or "") for row in rows}
    nodes, parents = _fold(nodes, parents, folds)
    children: dict[str, list[str]] = {}
    roots: list[str] = []
    for one, parent in parents.items():
        if parent in nodes and parent != one:
            children.setdefault(parent, []).append(one)
        else:
            roots.append(one)
    walked = _walk(nodes, children, roots)
    _sum(walked)
    return walked


def _branch(row: Row) -> Branch:
    nanos = nanos_of(row.get("cost"))
    currency = str(row.get("currency") or "")
    return Branch(str(row["id"]), str(row.get("name") or ""), row, 0, nanos, nanos, currency, row.get("ended"))


def nanos_of(amount: Decimal | int | None) -> int:
    """A decimal of the books as whole nanos."""
    return int(Decimal(amount).scaleb(9)) if amount else 0


def _fold(
    nodes: dict[str, Branch], parents: dict[str, str], folds: Iterable[Repeated]
) -> tuple[dict[str, Branch], dict[str, str]]:
    """Put a row in front of the first of each group's calls, and the group below it."""
    before: dict[str, Branch] = {}
    taken: set[str] = set()
    for number, fold in enumerate(folds):
        above = parents.get(fold.calls[0]) if fold.calls else None
        members = [call for call in fold.calls if call in nodes and parents[call] == above and call not in taken]
        if len(members) < 2:
            continue
        taken.update(members)
        head = _head(f"fold:{number}:{members[0]}", [nodes[call] for call in members], fold)
        before[members[0]] = head
        parents[head.id] = parents[members[0]]
        parents.update(dict.fromkeys(members, head.id))
    ordered: dict[str, Branch] = {}
    for one, branch in nodes.items():
        if one in before:
            ordered[before[one].id] = before[one]
        ordered[one] = branch
    return ordered, {one: parents[one] for one in ordered}


def _head(id: str, members: Sequence[Branch], fold: Repeated) -> Branch:
    first = members[0]
    ends = [branch.ended for branch in members]
    row = {
        "id": id,
        "kind": first.row.get("kind"),
        "agent": first.row.get("agent"),
        "started": first.row.get("started"),
        "input": sum(int(branch.row.get("input") or 0) for branch in members),
        "output": sum(int(branch.row.get("output") or 0) for branch in members),
    }
    head = Branch(id, fold.word or first.name, row, folded=True, times=fold.times or len(members))
    head.ended = max((end for end in ends if end), default=None) if all(ends) else None
    return head


def _walk(nodes: dict[str, Branch], children: Mapping[str, Sequence[str]], roots: Sequence[str]) -> list[Branch]:
    """Depth first without recursion: a hostile trace may be a chain of thousands, or a ring."""
    walked: list[Branch] = []
    seen: set[str] = set()
    for start in (*roots, *nodes):
        stack = [(start, 0)]
        while stack:
            one, depth = stack.pop()
            if one in seen:
                continue
            seen.add(one)
            branch = nodes[one]
            branch.depth = depth
            walked.append(branch)
            stack.extend((child, depth + 1) for child in reversed(children.get(one, ())))
    return walked


def _sum(walked: Sequence[Branch]) -> None:
    """Give each row the cost and the problems of all below it; currencies are never added to one another."""
    above: list[Branch] = []
    paths: list[Branch | None] = []
    for branch in walked:
        del above[branch.depth :]
        paths.append(above[-1] if above else None)
        above.append(branch)
    for branch, parent in zip(reversed(walked), reversed(paths), strict=True):
        branch.problems += str(branch.row.get("status") or "") in PROBLEMS
        if not parent:
            continue
        parent.problems += branch.problems
        if branch.currency == MIXED or (branch.nanos and parent.nanos and parent.currency != branch.currency):
            parent.currency, parent.nanos = MIXED, 0
        elif branch.nanos and parent.currency != MIXED:
            parent.currency, parent.nanos = branch.currency, parent.nanos + branch.nanos
