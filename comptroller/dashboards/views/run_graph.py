"""The agents of a run as a graph with cost on its edges, and the same as a table."""

from decimal import Decimal

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.graph import Edge, columns, edges_of, graph
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.money import exact, shown
from comptroller.dashboards.views.run_look import Looked

HEADS = (
    Head("caller", "Caller"), Head("kind", "Kind"), Head("callee", "Calls", wide=True), Head("calls", "Times", True),
    Head("failed", "Failed", True), Head("cost", "Cost of all below", True),
)  # fmt: skip


def draw(run: Looked) -> None:
    """The tab."""
    edges = frame.source().made("edges", lambda: edges_of(run.tree), 500 * len(run.tree), run=run.id)
    if not edges:
        frame.empty(
            "Nobody called anybody", "The calls of this run name no agents.", "Open agents with run.agent(...)."
        )
        return
    chosen = graph(columns(edges), key="graph", selected=frame.query("node"), height=520)
    frame.remember(node=chosen)
    frame.put(tag("p", "Line width: cost of everything below. Red: a call failed or was refused.", cls="ct-sub"))
    mine = [edge for edge in edges if not chosen or chosen in (edge.source.id, edge.target.id)]
    table.show(Table(HEADS, [_row(edge) for edge in mine], "Who called whom"), key="edges")


def _row(edge: Edge) -> list[Cell]:
    viewer = frame.viewer()
    costs = [{"currency": name, "cost": Decimal(nanos) / 1_000_000_000} for name, nanos in edge.sum.costs.items()]
    return [
        Cell(edge.source.name),
        Cell(edge.target.kind),
        Cell(edge.target.name),
        Cell(viewer.count(edge.sum.calls)),
        Cell(viewer.count(edge.sum.failed)),
        Cell(shown(viewer, costs), exact(costs)),
    ]
