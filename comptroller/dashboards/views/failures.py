"""Failures: what fails most, since when, where, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Wanted, total
from comptroller.dashboards.look import money
from comptroller.dashboards.look.words import word_for
from comptroller.dashboards.views import failures_cause, runs
from comptroller.dashboards.views.failures_cause import Cause

Row = Mapping[str, Any]
KINDS = {"model": "Model calls", "tool": "Tools", "external": "Other services", "run": "Runs by themselves"}
EXPORTED = (
    "cause", "status", "kind", "name", "calls", "costs", "is_new", "first_ever", "first", "latest", "last_run",
    "workflows", "agents", "customers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """The period that is looked at."""

    since: datetime
    until: datetime

    @property
    def bounds(self) -> dict[str, str]:
        return {"since": self.since.isoformat(), "until": self.until.isoformat()}

    @property
    def days(self) -> list[date]:
        """All its days, in UTC, as sums are kept."""
        first = self.since.date()
        return [first + timedelta(days=n) for n in range((self.until.date() - first).days + 1)]


def page() -> None:
    """The page."""
    title, when = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.heading("Failures", "Calls that failed and runs that broke, by what they have in common.")
    with when:
        since, until = listing.period("7d")
    span = Span(since, until)
    cause = failures_cause.named()
    if cause is not None:
        failures_cause.draw(cause, span.bounds, span.days)
        return
    listing.show(_causes(span))


def _causes(span: Span) -> Listing:
    options = runs.options_of(span.since, span.until)
    source = frame.source()

    def find(wanted: Wanted) -> Found:
        asked = {**wanted.params, **({"new": True} if "new" in wanted.said else {})}
        days = {day: place for place, day in enumerate(span.days)}
        rows = source.rows("console_causes", **span.bounds, **asked)
        return Found([{**row, "trend": _course(row["trend"], days)} for row in rows], total(rows))

    return Listing(
        "Failures",
        _columns(),
        find,
        [
            Filter("search", "Search", "search", hint="Message, tool or model"),
            Filter("workflow", "Workflow", "one", options.get("workflow", ())),
            Filter("agent", "Agent", "one", options.get("agent", ())),
            Filter("kind", "What failed", "one", list(KINDS), KINDS),
            Filter("customer", "Customer", "one", options.get("customer", ())),
            Filter("new", "Since when", "one", ["new"], {"new": "New in this period"}),
        ],
        sort="-calls",
        exports=EXPORTED,
        nothing=(
            "Nothing failed",
            "No call and no run failed in this period. Calls that a policy or a budget refused are not failures.",
            frame.link("See what was refused", frame.address("audit", action="deny")),
        ),
    )


def _course(struck: Sequence[Row], days: Mapping[date, int]) -> Sequence[int]:
    """How often a cause struck on each day."""
    found = [0] * len(days)
    for each in struck:
        if each["day"] in days:
            found[days[each["day"]]] += each["calls"]
    return found


def _columns() -> list[Column]:
    viewer = frame.viewer()
    return [
        Column("cause", "Cause", _cause, wide=True),
        Column("name", "Where", _where),
        Column("calls", "Times", lambda row: Cell(viewer.count(row["calls"])), right=True, sorts=True),
        Column("trend", "By day", lambda row: Cell("", course=row["trend"])),
        Column("workflows", "Whose", _whose),
        Column("costs", "Spent in vain", lambda row: Cell(money.shown(viewer, row["costs"]), money.exact(row["costs"])),
               right=True, sorts=True, about="What the failed calls themselves cost."),
        Column("first_ever", "First seen", _first, sorts=True),
        Column("latest", "Latest", _latest, sorts=True),
    ]  # fmt: skip


def _cause(row: Row) -> Cell:
    one = Cause.of(row)
    return Cell(one.words[:300], one.words, one.address(), below="" if row["cause"] else "It left no message.")


def _where(row: Row) -> Cell:
    status = "" if row["status"] == "error" else word_for(row["status"]).word
    return Cell(row["name"] or "–", below=" · ".join(each for each in (row["kind"], status) if each))


def _whose(row: Row) -> Cell:
    workflows, agents = _several(row["workflows"]), _several(row["agents"])
    exact = " · ".join(each for each in (workflows.exact, agents.exact) if each)
    return replace(workflows, exact=exact, below=agents.text if agents.text != "–" else "")


def _latest(row: Row) -> Cell:
    """When, as a link to the run it was in."""
    return replace(runs.when(row["latest"]), link=frame.address("run", id=row["last_run"]))


def _several(names: Sequence[str] | None) -> Cell:
    """One name, or how many there are with all of them on hover."""
    known = [name for name in names or () if name]
    if len(known) < 2:
        return Cell("".join(known) or "–")
    return Cell(f"{known[0]} +{len(known) - 1}", ", ".join(known))


def _first(row: Row) -> Cell:
    when = runs.when(row["first_ever"])
    return replace(when, below="New in this period") if row["is_new"] else when
