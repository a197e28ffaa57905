"""A run as a tree: agents, the calls they made, the tools those led to; what each branch cost, and what went wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any

from comptroller.cli import account, screen

Row = dict[str, Any]
DEEPEST = 100  # levels that are drawn; what is nested deeper begins again at the left
_INNER: Row = dict(
    kind="run", model="", action="", rule="", because="", estimated=False, unpriced=False, opaque=False
)  # what a call has and a run inside another has not
FOLD = 2  # this many equal siblings in a row, and they become one line


@dataclass(slots=True)
class Node:
    """A row of the tree and everything beneath it."""

    row: Row
    children: list["Node"] = field(default_factory=list)
    costs: Counter[str] = field(default_factory=Counter)  # nanos by currency, children included
    shape: tuple[object, ...] = ()


def grow(run: Row, rows: list[Row], inner: Sequence[Row] = ()) -> Node:
    """The tree of a run from its agents and calls in order; what names an unknown parent hangs from the root.

    A run inside it is one node, under whoever opened it or else under the run around it.
    """
    root = Node({**run, "kind": "run", "name": run["workflow"] or "run", "id": run["run"]})
    nodes = {str(row["id"]): Node(row) for row in rows}
    for row in inner:
        parent = row["parent"] if row["parent"] in nodes else row["outer"]
        nodes[str(row["run"])] = Node(
            {**_INNER, **row, "parent": parent, "id": row["run"], "name": row["workflow"] or "run"}
        )
    above = _parents({id: str(node.row["parent"]) for id, node in nodes.items()})
    for id, node in nodes.items():
        nodes.get(above[id], root).children.append(node)
    _sum(root)
    return root


def _parents(named: dict[str, str]) -> dict[str, str]:
    """Whom each node hangs from: whom it names, unless that leads in a circle or too deep. Facts may claim anything."""
    depths: dict[str, int] = {}
    above = dict(named)
    for id in named:
        path: dict[str, None] = {}
        while id in named and id not in depths and id not in path:
            path[id] = None
            id = named[id]
        for step in reversed(path):
            depth = depths.get(named[step], 0) + 1
            if depth > DEEPEST or (named[step] in path and named[step] not in depths):
                above[step], depth = "", 1
            depths[step] = depth
    return above


def _sum(root: Node) -> None:
    """Add costs and shapes from the leaves up; without recursion, for a run may be nested deeper than Python likes."""
    order, ahead = [], [root]
    while ahead:
        node = ahead.pop()
        order.append(node)
        ahead.extend(node.children)
    for node in reversed(order):
        row = node.row
        for unit, cost in _own_costs(node, root).items():
            node.costs[unit] += int(Decimal(cost) * 1_000_000_000)
        for child in node.children:
            node.costs.update(child.costs)
        words = (row["kind"], row["name"], row.get("model"), row["status"], row.get("action"), row.get("rule"))
        node.shape = (hash((words, row.get("error"), tuple(child.shape for child in node.children))),)


def _own_costs(node: Node, root: Node) -> Row:
    """What a row cost by itself; the root is the sum of all beneath it."""
    row = node.row
    if node is root or not (row["cost"] or row.get("other_costs")):
        return {}
    return account.costs_of(row) if row["kind"] == "run" else {str(row["currency"]): row["cost"]}


def as_json(node: Node) -> Row:
    """The tree for machines; nothing is folded."""
    names = ("id", "kind", "name", "model", "status", "action", "rule", "because", "error", "started", "ended")
    made: Row = {name: node.row[name] for name in names if node.row.get(name) not in (None, "")}
    made["costs"] = {currency: screen.amount(Decimal(nanos) / 1_000_000_000) for currency, nanos in node.costs.items()}
    made["children"] = [as_json(child) for child in node.children]
    return made


def draw(root: Node) -> None:
    """Print the tree."""
    branch, last, trunk, gap = screen.branches()
    row = root.row
    who = f" for {screen.short(row['customer'], 40)}" if row.get("customer") else ""
    name = screen.paint(screen.short(row["name"], 60), "1")
    took = screen.duration(row["started"], row["ended"]) if row["ended"] else "not ended"
    budget = ""
    if row.get("budget") is not None:
        budget = f" of {screen.money(row['budget'], row['budget_currency'])}"
    screen.say(f"{name}{who}  {screen.status(row['status'])}  {_costs(root.costs)}{budget}  {took}")
    ahead = _lines([root], "")
    while ahead:
        lead, group, final = ahead.pop()
        screen.say(f"{lead}{last if final else branch}{_line(group)}")
        ahead.extend(_lines(group, lead + (gap if final else trunk)))
    screen.say(f"run {screen.clean(row['run'])}")


def _lines(folded: list[Node], lead: str) -> list[tuple[str, list[Node], bool]]:
    """The children as they will be drawn, equal neighbours together; in reverse, for a stack.

    Nodes folded into one line have children of equal shapes in an equal order: what is drawn stands for all of them.
    """
    alike = list(zip(*(node.children for node in folded), strict=True))
    groups: list[list[Node]] = []
    for _, neighbours in groupby(alike, key=lambda children: children[0].shape):
        columns = list(neighbours)
        merged = [[node for column in columns for node in column]]
        groups += merged if len(columns) >= FOLD else [list(column) for column in columns]
    return [(lead, group, number == 0) for number, group in enumerate(reversed(groups))]


def _line(group: list[Node]) -> str:
    row = group[0].row
    costs: Counter[str] = Counter()
    for node in group:
        costs.update(node.costs)
    words = [_name(row), screen.status(row["status"])]
    if len(group) > 1:
        words.append(f"x{len(group)}")
    if account.cost_unknown(row):
        words.append("cost unknown" + (f", beneath it {_costs(costs)}" if costs else ""))
    elif costs or row["kind"] == "model":
        words.append(_costs(costs) + (" (estimated)" if row["estimated"] else ""))
    if row["kind"] == "run":
        words.append(screen.count(sum(node.row["calls"] for node in group), "call"))
    if row["kind"] == "run" and len(group) == 1:
        words.append(screen.clean(row["id"]))
    if len(group) == 1 and row["kind"] != "agent":
        words.append(screen.duration(row["started"], row["ended"]))
    if row["action"] == "redact":
        words.append(screen.status("redact"))
    return "  ".join(words) + _reason(row)


def _name(row: Row) -> str:
    name = screen.paint(screen.short(row["name"], 60) or "?", "1")
    return f"{row['kind']} {name}"


def _reason(row: Row) -> str:
    """Why a call was refused, changed or failed."""
    if row["error"]:
        return f"  {screen.short(row['error'], 100)}"
    if row["action"] in ("", "allow") or not (row["rule"] or row["because"]):
        return ""
    return f"  {screen.short(row['rule'], 40)}: {screen.short(row['because'], 100)}"


def _costs(costs: Counter[str]) -> str:
    parts = [f"{screen.amount(Decimal(nanos) / 1_000_000_000)} {screen.clean(unit)}" for unit, nanos in costs.items()]
    return " + ".join(parts) or "0.00"
