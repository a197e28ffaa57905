"""A run as a tree: agents, the calls they made, the tools those led to, and what each branch cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from comptroller.core.judges import AGENT
from comptroller.core.money import decimal_text
from comptroller.office.account import costs_of, inner_runs, run_row
from comptroller.office.steps import handovers_of
from comptroller.store.reader import Reader
from comptroller.tracing.step import Handover

Row = dict[str, Any]
DEEPEST = 100  # levels that hang from one another; what is nested deeper begins again at the root
_INNER: Row = dict(
    kind="run", model="", action="", rule="", because="", estimated=False, unpriced=False, opaque=False
)  # what a call has and a run inside another has not


@dataclass(slots=True)
class Node:
    """A row of the tree and everything beneath it."""

    row: Row
    children: list["Node"] = field(default_factory=list)
    costs: Counter[str] = field(default_factory=Counter)  # nanos by currency, children included
    handovers: list[Handover] = field(default_factory=list)  # said here
    shape: tuple[object, ...] = ()


def tree_of(
    reader: Reader, run: str, tenant: str | None = None, origins: Mapping[str, list[Row]] = MappingProxyType({})
) -> Node:
    """The tree of a run out of the books; of its calls those of `tenant` alone, where one is said."""
    rows = reader.rows("run_tree", run=run, tenant=tenant)
    handovers = handovers_of(reader.rows, run, rows, tenant)
    rows = [{**row, "origins": origins.get(str(row["id"]), [])} for row in rows]
    return grow(run_row(reader, run), rows, inner_runs(reader, run), handovers)


def grow(run: Row, rows: list[Row], inner: Sequence[Row] = (), handovers: Sequence[Handover] = ()) -> Node:
    """The tree of a run from its agents and calls in order; what names an unknown parent hangs from the root.

    A run inside it is one node, under whoever opened it or else under the run around it. An agent that handed over has
    that on its own node, or on that of the call which said so.
    """
    root = Node({**run, "kind": "run", "name": run["workflow"] or "run", "id": run["run"]})
    nodes = {str(row["id"]): Node(row) for row in rows}
    for row in inner:
        parent = row["parent"] if row["parent"] in nodes else row["outer"]
        nodes[str(row["run"])] = Node(
            {**_INNER, **row, "parent": parent, "id": row["run"], "name": row["workflow"] or "run"}
        )
    for one in handovers:
        nodes.get(one.at, root).handovers.append(one)
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
        agent = str(row.get("agent") or "")
        judge = agent if agent.startswith(AGENT) else ""  # two judges of one model are two
        words = (row["kind"], row["name"], row.get("model"), row["status"], row.get("action"), row.get("rule"), judge)
        came = tuple((origin["arg"], origin["label"]) for origin in row.get("origins") or ())
        said = (row.get("error"), *node.handovers)
        node.shape = (hash((words, came, said, tuple(child.shape for child in node.children))),)


def _own_costs(node: Node, root: Node) -> Row:
    """What a row cost by itself; the root is the sum of all beneath it."""
    row = node.row
    if node is root or not (row["cost"] or row.get("other_costs")):
        return {}
    return costs_of(row) if row["kind"] == "run" else {str(row["currency"]): row["cost"]}


def as_json(node: Node) -> Row:
    """The tree for machines; nothing is folded."""
    names = ("id", "kind", "name", "model", "status", "action", "rule", "because", "error", "origins")
    made: Row = {
        name: node.row[name] for name in (*names, "started", "ended") if node.row.get(name) not in (None, "", [])
    }
    if node.handovers:
        made["handovers"] = [{"agent": one.agent, "to": one.to, "because": one.because} for one in node.handovers]
    made["costs"] = {currency: decimal_text(nanos) for currency, nanos in node.costs.items()}
    made["children"] = [as_json(child) for child in node.children]
    return made
