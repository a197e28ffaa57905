"""Runs: which there were, how they went and why they failed."""

from datetime import datetime
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted, total
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.viewer import exact_money, exact_time

STATUSES = ("ok", "error", "open", "abandoned")
WORDS = {"ok": "Succeeded", "error": "Failed", "open": "Running", "abandoned": "Abandoned"}
EXPORTED = (
    "run", "status", "workflow", "customer", "user", "agent", "reason", "started", "ended", "calls", "failed",
    "refused", "input", "output", "cost", "currency",
)  # fmt: skip
SEARCH = Filter("search", "Search", "search", hint="Run id, customer, workflow or error")
NOTHING = (
    "No runs yet",
    "A run appears here as soon as an agent makes its first call through Comptroller.",
    tag("span", "Try ", tag("code", "comptroller run -- your-agent"), ", or wrap a client as docs/guide.md shows."),
)


def page() -> None:
    """The page."""
    title, when = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.heading("Runs")
    with when:
        since, until = listing.period("7d")
    listing.show(runs(since, until))


def runs(since: datetime, until: datetime) -> Listing:
    """The list of runs of a period."""
    source = frame.source()
    options = options_of(since, until)
    bounds: dict[str, Any] = {"since": since.isoformat(), "until": until.isoformat()}

    def find(wanted: Wanted) -> Found:
        rows = source.rows("console_runs", **bounds, **wanted.params)
        return Found(rows, total(rows))

    return Listing(
        "Runs",
        columns(),
        find,
        [
            SEARCH,
            Filter("status", "Status", "one", STATUSES, WORDS),
            Filter("workflow", "Workflow", "one", options.get("workflow", ())),
            Filter("customer", "Customer", "one", options.get("customer", ())),
            Filter("agent", "Agent", "one", options.get("agent", ())),
            Filter("model", "Model", "one", options.get("model", ())),
            Filter("cost_from", "Cost from", "amount"),
            Filter("cost_to", "to", "amount"),
        ],
        sort="-started",
        exports=EXPORTED,
        nothing=NOTHING,
    )


def columns() -> list[Column]:
    """The columns of a list of runs, wherever one is shown."""
    viewer = frame.viewer()
    return [
        Column("run", "Run", lambda row: named(row["run"])),
        Column("status", "Status", lambda row: status(row["status"])),
        Column("workflow", "Workflow", lambda row: Cell(row["workflow"])),
        Column("reason", "Why it failed", lambda row: Cell(_reason(row)), wide=True),
        Column("customer", "Customer", lambda row: Cell(row["customer"])),
        Column("started", "Started", lambda row: when(row["started"]), sorts=True),
        Column("took", "Took", lambda row: Cell(viewer.lasted(_took(row))), right=True, sorts=True),
        Column("calls", "Calls", lambda row: Cell(viewer.count(row["calls"])), right=True, sorts=True),
        Column("refused", "Refused", lambda row: Cell(viewer.count(row["refused"])), right=True, sorts=True),
        Column("cost", "Cost", _cost, right=True, sorts=True),
    ]  # fmt: skip


def named(run: str, span: str = "") -> Cell:
    """A run by the end of its id, in which ids differ; all of it on hover."""
    short = run if len(run) <= 12 else f"…{run[-8:]}"
    return Cell(short, run, frame.address("run", id=run, span=span) if run else "", code=True)


def when(moment: datetime | None) -> Cell:
    """A moment, with the exact one on hover."""
    return Cell(frame.viewer().time(moment), exact_time(moment))


def _cost(row: Row) -> Cell:
    viewer, more = frame.viewer(), row["other_costs"] or ()
    others = " + ".join(viewer.money(each["cost"], each["currency"]) for each in more)
    return Cell(viewer.money(row["cost"], row["currency"]), exact_money(row["cost"], row["currency"]), below=others)


def _reason(row: Row) -> str:
    """Why, for a run that did not succeed; one that did may have had failures on its way."""
    return "" if row["status"] in ("ok", "open") else str(row["reason"] or "")


def _took(row: Row) -> float | None:
    end = row["ended"] or row["latest"]
    return (end - row["started"]).total_seconds() if end else None


def options_of(since: datetime, until: datetime) -> dict[str, list[str]]:
    """What the list can be narrowed by: the values that occur in the period."""
    found: dict[str, list[str]] = {}
    for row in frame.source().lately("console_options", since=listing.as_date(since), until=until.isoformat()):
        found.setdefault(row["what"], []).append(row["value"])
    return found
