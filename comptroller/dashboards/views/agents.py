"""Agents: who calls whom, what each costs, how often it fails, and where it had a part."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.graph import columns, edges_between, graph
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Wanted
from comptroller.dashboards.look import money
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.views import runs

Row = Mapping[str, Any]
MOST = 2_000  # agents
EDGES = 500
SORTS: dict[str, Callable[[Row], Any]] = {
    "agent": lambda row: row["agent"].lower(),
    "runs": lambda row: row["runs"],
    "calls": lambda row: row["calls"],
    "failed": lambda row: row["failed"] / row["calls"] if row["calls"] else 0,
    "refused": lambda row: row["refused"],
    "tokens": lambda row: row["input"] + row["output"],
    "costs": lambda row: money.main(row["costs"])[0],
    "per_run": lambda row: money.main(row["costs"])[0] / row["runs"] if row["runs"] else Decimal(0),
}
TROUBLE = {"failing": "Has failed or been refused", "vain": "Nothing got through"}
EXPORTED = (
    "agent", "runs", "runs_failed", "opened", "opened_failed", "calls", "failed", "refused", "cached", "model_calls",
    "tool_calls", "input", "output", "took_ms", "costs", "workflows", "models", "latest",
)  # fmt: skip


def page() -> None:
    """The page."""
    title, when = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.heading("Agents", "Who calls whom, what it costs, and how often it fails.")
    with when:
        since, until = listing.period("7d")
    bounds = {"since": since.isoformat(), "until": until.isoformat()}
    narrow = _narrow()
    node = _graph({**bounds, **narrow})
    listing.show(_agents(since, until, bounds, node))
    if narrow != _narrow():  # a filter below the graph was moved, and the graph is drawn by it too
        st.rerun()


def _narrow() -> dict[str, str]:
    """What narrows the graph too."""
    return {name: said for name in ("workflow", "customer") if (said := frame.query(name))}


def _graph(bounds: Mapping[str, str]) -> str:
    """The fleet; returns the node chosen in it."""
    rows = frame.source().rows("console_edges", limit=EDGES, **bounds)
    edges = edges_between(rows)
    if not edges:
        frame.remember(node="")
        return ""
    node = graph(columns(edges), key="fleet", selected=frame.query("node"), height=460)
    frame.remember(node=node)
    said = (
        "Line width: cost of the calls. Red: some failed or were refused. Choose a node to see only its agents below."
    )
    if len(rows) == EDGES:
        said = f"The {EDGES} busiest lines. {said}"
    frame.put(tag("p", said, cls="ct-sub"))
    return node


def _agents(since: datetime, until: datetime, bounds: Mapping[str, str], node: str) -> Listing:
    source = frame.source()
    options = runs.options_of(since, until)

    def find(wanted: Wanted) -> Found:
        narrow = {name: wanted.said[name] for name in ("workflow", "customer") if name in wanted.said}
        rows = source.rows("console_agents", limit=MOST, **bounds, **narrow)
        spent = _spent(rows)
        rows = [row for row in rows if _fits(row, wanted.said)]
        if node:
            near = _near(node, source.rows("console_edges", limit=EDGES, **bounds, **narrow))
            rows = [row for row in rows if row["agent"] in near]
        rows.sort(key=SORTS[wanted.sort], reverse=wanted.falling)
        shown = rows[wanted.offset : wanted.offset + wanted.limit]
        return Found([{**row, "spent": spent} for row in shown], len(rows))

    return Listing(
        "Agents",
        _columns(),
        find,
        [
            Filter("search", "Search", "search", hint="Agent"),
            Filter("workflow", "Workflow", "one", options.get("workflow", ())),
            Filter("customer", "Customer", "one", options.get("customer", ())),
            Filter("model", "Model", "one", options.get("model", ())),
            Filter("trouble", "How it went", "one", list(TROUBLE), TROUBLE),
        ],
        sort="-costs",
        exports=EXPORTED,
        nothing=(
            "No agent has a name yet",
            "Calls are told apart by agent where the agent is opened by name, or names itself in its calls.",
            tag("span", "In Python: ", tag("code", "with run.agent(\"reader\"):"), "; at the gateway the header ",
                tag("code", "comptroller-agent"), "."),
        ),
    )  # fmt: skip


def _spent(rows: Sequence[Row]) -> dict[str, Decimal]:
    """What all agents spent, by currency: what shares are of."""
    sums: dict[str, Decimal] = {}
    for each in (cost for row in rows for cost in row["costs"] or ()):
        sums[each["currency"]] = sums.get(each["currency"], Decimal(0)) + each["cost"]
    return sums


def _fits(row: Row, said: Mapping[str, Any]) -> bool:
    if (search := said.get("search")) and search.lower() not in row["agent"].lower():
        return False
    if (model := said.get("model")) and model not in (row["models"] or ()):
        return False
    trouble = said.get("trouble")
    return not trouble or bool(_vain(row) if trouble == "vain" else row["failed"] + row["refused"])


def _vain(row: Row) -> bool:
    """True where all calls of an agent failed or were refused: whatever it cost brought nothing."""
    return bool(row["calls"] and row["failed"] + row["refused"] == row["calls"])


def _near(node: str, edges: Sequence[Row]) -> set[str]:
    """The agents at a node of the graph: itself and those beside it."""
    kind, _, name = node.partition(":")
    near = {name} if kind == "agent" else set()
    for edge in edges:
        if edge["kind"] == kind and edge["callee"] == name:
            near.add(edge["caller"])
        if edge["kind"] == kind == "agent" and edge["caller"] == name:
            near.add(edge["callee"])
    return near


def _columns() -> list[Column]:
    viewer = frame.viewer()
    return [
        Column("agent", "Agent", _agent, sorts=True),
        Column("runs", "Runs", _runs, right=True, sorts=True, about="Runs it had a part in; how many of them failed."),
        Column("calls", "Calls", _calls, right=True, sorts=True),
        Column("failed", "Failed", _failed, right=True, sorts=True, about="Share of its calls that failed."),
        Column("refused", "Refused", lambda row: Cell(viewer.count(row["refused"])), right=True, sorts=True),
        Column("tokens", "Tokens", _tokens, right=True, sorts=True),
        Column("costs", "Cost", _cost, right=True, sorts=True, about="Bar: its share of what all agents cost."),
        Column("per_run", "Per run", _per_run, right=True, sorts=True),
        Column("models", "Models", lambda row: Cell(_few(row["models"]), ", ".join(row["models"] or ()))),
        Column("workflows", "Workflows", lambda row: Cell(_few(row["workflows"]), ", ".join(row["workflows"] or ()))),
    ]  # fmt: skip


def _agent(row: Row) -> Cell:
    to = frame.address("runs", agent=row["agent"], period=frame.query("period"))
    return Cell(row["agent"], row["agent"], to, below="Nothing got through" if _vain(row) else "")


def _runs(row: Row) -> Cell:
    viewer = frame.viewer()
    failed = f"{viewer.count(row['runs_failed'])} failed" if row["runs_failed"] else ""
    return Cell(viewer.count(row["runs"]), below=failed)


def _calls(row: Row) -> Cell:
    viewer = frame.viewer()
    parts = [(row["model_calls"], "model"), (row["tool_calls"], "tool")]
    said = ", ".join(f"{viewer.count(many)} {what}" for many, what in parts if many)
    return Cell(viewer.count(row["calls"]), below=said)


def _failed(row: Row) -> Cell:
    if not row["failed"]:
        return Cell("0")
    viewer = frame.viewer()
    to = frame.address("failures", agent=row["agent"], period=frame.query("period"))
    share = viewer.share(row["failed"] / row["calls"])
    return Cell(viewer.count(row["failed"]), link=to, below=share)


def _tokens(row: Row) -> Cell:
    viewer = frame.viewer()
    return Cell(viewer.count(row["input"] + row["output"]), f"{row['input']} in, {row['output']} out")


def _cost(row: Row) -> Cell:
    spent, currency = money.main(row["costs"])
    whole = row.get("spent", {}).get(currency)
    share = float(spent / whole) if whole else None
    return Cell(money.shown(frame.viewer(), row["costs"]), money.exact(row["costs"]), share=share)


def _per_run(row: Row) -> Cell:
    """What it costs in each run it has a part in: what a seat of it comes to."""
    spent, currency = money.main(row["costs"])
    if not row["runs"] or not spent:
        return Cell("–")
    return Cell(frame.viewer().money(spent / row["runs"], currency))


def _few(names: Sequence[str] | None) -> str:
    known = list(names or ())
    return ", ".join(known[:2]) + (f" +{len(known) - 2}" if len(known) > 2 else "")
