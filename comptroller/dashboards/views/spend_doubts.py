"""What of the spend is in doubt: calls without a price, estimated ones, and those that were refused for money."""

from datetime import UTC, datetime, time
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.viewer import exact_money
from comptroller.dashboards.views import runs
from comptroller.dashboards.views.spend_look import Spent


def refused(spent: Spent) -> int:
    """Calls that a cap refused."""
    rows = frame.source().rows("console_rules", shadow=False, action="deny", **_bounds(spent))
    return sum(int(row["decisions"]) for row in rows if row["stage"] == "budget")


def figure(spent: Spent) -> list[Figure]:
    """One figure where something has no price."""
    found = _count(spent)["unpriced"]
    if not found:
        return []
    return [Figure("Calls without a price", frame.viewer().count(found), note="count as nothing", tone="failed")]


def draw(spent: Spent) -> None:
    """What to do about it, and on demand by model; nothing where all is sure."""
    count = _count(spent)
    if not any(count.values()):
        return
    viewer = frame.viewer()
    frame.section("In doubt")
    if count["unpriced"]:
        named = tag("code", "prices.overrides")
        remedy = tag(
            "span", "Name a price for each of these models under ", named, " in the settings (docs/settings.md)."
        )
        frame.banner(
            "failed", f"{viewer.count(count['unpriced'])} calls without a price count as nothing.", remedy, "!"
        )
    if guessed := count["estimated"] + count["untold"]:
        frame.banner(
            "asked", f"Of {viewer.count(guessed)} calls the provider told no usage, or not all of it.",
            "Tokens are estimated or unknown: streams cut off, or asked for without stream_options.include_usage.", "≈",
        )  # fmt: skip
    known = frame.query("doubts") == "1"
    if st.toggle("Show them by model", value=known, key=frame.key("doubts")):
        frame.remember(doubts="1")
        _table(frame.source().rows("console_doubts", **_bounds(spent)))
    else:
        frame.remember(doubts="")


def _table(rows: list[dict[str, Any]]) -> None:
    viewer = frame.viewer()
    heads = [Head("model", "Model", wide=True), Head("unpriced", "Without a price", right=True),
             Head("estimated", "Estimated", right=True), Head("cost", "Of that estimated", right=True),
             Head("untold", "Usage unknown", right=True), Head("last", "Last in run")]  # fmt: skip
    cells = [
        [Cell(row["model"] or "–", below=row["kind"]), Cell(viewer.count(row["unpriced"])),
         Cell(viewer.count(row["estimated"])),
         _money(row),
         Cell(viewer.count(row["untold"])), runs.named(row["last_run"])]
        for row in rows
    ]  # fmt: skip
    table.show(Table(heads, cells, "Calls whose cost is in doubt"), key="spend_doubts")


def _money(row: dict[str, Any]) -> Cell:
    cost, unit = row["estimated_cost"], row["currency"]
    return Cell(frame.viewer().money(cost, unit), exact_money(cost, unit))


def _count(spent: Spent) -> dict[str, int]:
    found = frame.source().one("console_doubts_count", **_bounds(spent))
    return dict(found) if found else {"unpriced": 0, "estimated": 0, "untold": 0}


def _bounds(spent: Spent) -> dict[str, str]:
    return {
        name: datetime.combine(day, time(), UTC).isoformat()
        for name, day in (("since", spent.since), ("until", spent.until))
    }
