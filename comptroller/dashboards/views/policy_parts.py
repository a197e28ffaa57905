"""Where a rule spoke: by agent, workflow, customer, call and decision, and by what guards found."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.look.viewer import exact_time
from comptroller.dashboards.look.words import word_for

PARTS = {"action": "Decision", "kind": "What was found", "about": "Call", "agent": "Agent", "workflow": "Workflow",
         "customer": "Customer"}  # fmt: skip
FILTERS = {"action": "action", "kind": "search", "about": "search", "agent": "agent", "workflow": "workflow",
           "customer": "customer"}  # as the audit page calls them  # fmt: skip
MOST = 10  # rows of one part; the lists behind have all


def draw(rule: str, policy: str, bounds: Mapping[str, str]) -> None:
    """A table with a few rows of each part that tells anything."""
    found = frame.source().rows("console_rule_parts", rule=rule, policy=policy or None, **bounds)
    parts: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in found:
        held = parts[row["part"]].setdefault(row["name"], {"enforced": 0, "shadow": 0, "runs": 0, "latest": None})
        held["shadow" if row["shadow"] else "enforced"] += row["decisions"]
        held["runs"] = max(held["runs"], row["runs"])
        held["latest"] = max(filter(None, (held["latest"], row["latest"])))
    if not parts:
        return
    frame.section("Where", f"The first {MOST} of each.")
    heads = [Head("part", "By"), Head("name", "Which", wide=True), Head("enforced", "Times", True),
             Head("shadow", "In shadow", True), Head("runs", "Runs", True), Head("latest", "Latest")]  # fmt: skip
    rows = [
        _row(rule, policy, part, name, held)
        for part in PARTS
        for name, held in sorted(parts[part].items(), key=lambda one: -one[1]["enforced"] - one[1]["shadow"])[:MOST]
    ]
    table.show(Table(heads, rows, f"Where {rule} spoke"), key="ct_parts")


def _row(rule: str, policy: str, part: str, name: str, held: Mapping[str, Any]) -> list[Cell]:
    viewer = frame.viewer()

    def number(kind: str, shadow: str) -> Cell:
        count = held[kind]
        only = {FILTERS[part]: name} if name else {}
        said = {"rule": rule, "policy": policy, "shadow": shadow, "period": frame.query("period"), **only}
        return Cell(viewer.count(count), link=frame.address("audit", **said) if count and name else "")

    return [
        Cell(PARTS[part]),
        Cell((word_for(name).word if part == "action" else name) or "none named"),
        number("enforced", "false"),
        number("shadow", "true"),
        Cell(viewer.count(held["runs"])),
        Cell(viewer.time(held["latest"]), exact_time(held["latest"])),
    ]
