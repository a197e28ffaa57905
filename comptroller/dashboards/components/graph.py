"""Who called whom and what it cost, as a graph laid out from left to right: agents, then models and tools."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from comptroller.core.money import decimal_text
from comptroller.dashboards.components.asking import asked
from comptroller.dashboards.components.layers import placed
from comptroller.dashboards.components.mounting import nothing, renderer
from comptroller.dashboards.components.tree import branches, nanos_of
from comptroller.dashboards.components.words import FAILED, cut

MOST_NODES = 200  # more can be drawn, but not read
Row = Mapping[str, Any]


@dataclass(slots=True)
class Sum:
    """How many calls, how many of them failed, and their cost in nanos of each currency."""

    calls: int = 0
    failed: int = 0
    costs: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Sum") -> None:
        self.calls += other.calls
        self.failed += other.failed
        for currency, nanos in other.costs.items():
            self.costs[currency] = self.costs.get(currency, 0) + nanos


@dataclass(frozen=True, slots=True)
class Node:
    """An agent, a model or a tool; the id names both kind and name, for a tool may be called as an agent is."""

    kind: str
    name: str

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Edge:
    """Calls of one to another."""

    source: Node
    target: Node
    sum: Sum


def edges_of(rows: Sequence[Row]) -> list[Edge]:
    """Who called whom in one run: an edge's cost is that of everything below those calls."""
    found: dict[tuple[Node, Node], Sum] = {}
    callers: list[Node] = []
    for branch in branches(rows):
        row = branch.row
        node = Node(str(row.get("kind") or "other"), cut(branch.name))
        del callers[branch.depth :]
        callers.append(node)
        caller = next((up for up in reversed(callers[:-1]) if up.kind == "agent"), None)
        if caller is None and node.kind != "agent":
            caller = Node("agent", cut(row.get("agent")))
        if caller is not None:
            failed = str(row.get("status") or "") in FAILED
            costs = {branch.currency: branch.nanos} if branch.nanos else {}
            found.setdefault((caller, node), Sum()).add(Sum(1, failed, costs))
    return [Edge(source, target, total) for (source, target), total in found.items()]


def edges_between(rows: Iterable[Row]) -> list[Edge]:
    """Who called whom over time, from the rows of `console_edges`; what nobody is known to have called is left out."""
    return [
        Edge(
            Node("agent", cut(row["caller"])),
            Node(str(row["kind"]), cut(row["callee"])),
            Sum(int(row["calls"]), int(row["failed"] or 0) + int(row.get("refused") or 0), _costs(row["costs"])),
        )
        for row in rows
        if row["caller"]
    ]


def _costs(costs: Iterable[Row] | None) -> dict[str, int]:
    return {str(cost["currency"]): nanos_of(cost["cost"]) for cost in costs or () if cost["cost"]}


def columns(edges: Iterable[Edge]) -> dict[str, Any]:
    """The graph as the browser draws it: nodes with their places, edges by the numbers of their nodes."""
    edges = _folded(list(edges))
    totals = _totals(edges)
    order = sorted(totals, key=lambda node: (-totals[node][1].calls, node.id))
    numbers = {node: at for at, node in enumerate(order)}
    pairs = [(numbers[edge.source], numbers[edge.target]) for edge in edges]
    places = placed([node.kind == "agent" for node in order], pairs)
    most = _dearest(edges)
    return {
        "nodes": [
            [node.id, node.kind, node.name, *places[at], *_figures(totals[node][1])] for at, node in enumerate(order)
        ],
        "edges": [
            [*pair, *_figures(edge.sum), _share(edge.sum, most)] for pair, edge in zip(pairs, edges, strict=True)
        ],
    }


def graph(
    data: Mapping[str, Any],
    *,
    key: str,
    selected: str = "",
    height: int = 520,
    on_select: Callable[[], None] = nothing,
) -> str:
    """Mount the graph; returns the id (`agent:planner`, `tool:web.search`) of the node chosen, "" for none."""
    import streamlit as st

    wish = asked(st.session_state, key, selected)
    result = renderer("graph")(data={**data, "ask": wish, "height": height}, key=key, on_selected_change=on_select)
    chosen = result.get("selected")
    return wish[1] if chosen is None else str(chosen)


def _totals(edges: Sequence[Edge]) -> dict[Node, tuple[Sum, Sum]]:
    """What each node's callers, or (for one that nobody calls) its own calls, came to."""
    inward: dict[Node, Sum] = {}
    outward: dict[Node, Sum] = {}
    for edge in edges:
        inward.setdefault(edge.target, Sum()).add(edge.sum)
        outward.setdefault(edge.source, Sum()).add(edge.sum)
    nodes = dict.fromkeys(node for edge in edges for node in (edge.source, edge.target))
    return {node: (inward.get(node, Sum()), inward.get(node) or outward.get(node, Sum())) for node in nodes}


def _folded(edges: list[Edge]) -> list[Edge]:
    """The nodes with the fewest calls as one of their kind, where there are too many to be read."""
    totals = _totals(edges)
    if len(totals) <= MOST_NODES:
        return edges
    weight = {node: (max(total.costs.values(), default=0), total.calls) for node, (_, total) in totals.items()}
    kept = set(sorted(weight, key=lambda node: weight[node], reverse=True)[: MOST_NODES - 6])
    dropped: dict[str, int] = {}
    for node in totals:
        if node not in kept:
            dropped[node.kind] = dropped.get(node.kind, 0) + 1
    found: dict[tuple[Node, Node], Sum] = {}
    for edge in edges:
        source, target = (
            node if node in kept else Node(node.kind, f"{dropped[node.kind]:,} others")
            for node in (edge.source, edge.target)
        )
        found.setdefault((source, target), Sum()).add(edge.sum)
    return [Edge(source, target, total) for (source, target), total in found.items()]


def _figures(total: Sum) -> list[Any]:
    costs = [[decimal_text(nanos), currency] for currency, nanos in sorted(total.costs.items()) if nanos]
    return [total.calls, total.failed, costs]


def _dearest(edges: Iterable[Edge]) -> dict[str, int]:
    most: dict[str, int] = {}
    for edge in edges:
        for currency, nanos in edge.sum.costs.items():
            most[currency] = max(most.get(currency, 0), nanos)
    return most


def _share(total: Sum, most: Mapping[str, int]) -> int:
    """How wide a line is, in thousandths of the dearest of its currency."""
    return max((nanos * 1000 // most[currency] for currency, nanos in total.costs.items() if nanos > 0), default=0)
