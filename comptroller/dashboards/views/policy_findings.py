"""Findings by rule: how often each rule, guard and cap spoke in a period, of whom, and what guards found."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.listing import Column, Filter, Listing, Row
from comptroller.dashboards.look.words import word_for
from comptroller.dashboards.views import runs
from comptroller.dashboards.views.narrowing import found

MOST = 1_000  # rules that spoke
COLUMNS = 31  # of a course
EXPORTED = ("rule", "policy", "decisions", "shadows", "errors", "runs", "actions", "agents", "workflows", "kinds",
            "because", "latest", "last_run", "last_call")  # fmt: skip
NOTHING = (
    "Nothing was found",
    "No rule, guard or cap has spoken in this time: every call was allowed as it was.",
    "Look further back.",
)


def draw(told: dict[str, Any], version: str, tab: str) -> None:
    """The tab: whatever version something was found under."""
    since, until = listing.period("30d")
    options = runs.options_of(since, until)
    bounds = {"since": since.isoformat(), "until": until.isoformat(), "limit": MOST}
    days = [since.date() + timedelta(days=number) for number in range((until.date() - since.date()).days + 1)]

    def find(wanted: listing.Wanted) -> listing.Found:
        said = dict(wanted.said)
        narrow = {name: said.pop(name) for name in ("agent", "workflow", "action") if name in said}
        rows = [_row(row, days) for row in frame.source().rows("console_findings", **bounds, **narrow)]
        left = listing.Wanted(said, wanted.sort, wanted.falling, wanted.limit, wanted.offset)
        return found(rows, left, ("rule", "policy", "because", "found"))

    actions = {name: word_for(name).word for name in ("deny", "ask", "redact", "downgrade", "note")}
    listing.show(
        Listing(
            "Findings by rule",
            _columns(),
            find,
            [
                Filter("search", "Search", "search", hint="Rule, reason or what guards found"),
                Filter("action", "Decision", "one", tuple(actions), actions),
                Filter("agent", "Agent", "one", options.get("agent", ())),
                Filter("workflow", "Workflow", "one", options.get("workflow", ())),
            ],
            sort="-decisions",
            name="f_",
            exports=EXPORTED,
            nothing=NOTHING,
        )
    )


def _row(row: Mapping[str, Any], days: list[date]) -> dict[str, Any]:
    struck = {_day(each["day"]): each["decisions"] for each in row["days"] or ()}
    kinds = [f"{each['kind']} {each['found']:,}" for each in row["kinds"] or ()]
    return {**row, "found": ", ".join(kinds), "trend": _few([struck.get(day, 0) for day in days])}


def _few(values: list[int]) -> list[int]:
    """Neighbours added up: a cell has room for so many columns."""
    width = -(-len(values) // COLUMNS) or 1
    return [sum(values[at : at + width]) for at in range(0, len(values), width)]


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value


def _columns() -> list[Column]:
    count = frame.viewer().count
    return [
        Column("rule", "Rule", _rule, sorts=True),
        Column("actions", "Did", lambda row: Cell(", ".join(word_for(each).word for each in row["actions"]))),
        Column("because", "Said last", lambda row: Cell(row["because"] or "", below=row["found"]), wide=True),
        Column("decisions", "Times", lambda row: Cell(count(row["decisions"]), link=_to(row),
               below=f"{count(row['errors'])} failed" if row["errors"] else ""), right=True, sorts=True),
        Column("shadows", "In shadow", lambda row: Cell(count(row["shadows"]),
               link=_to(row, shadow="true") if row["shadows"] else ""), right=True, sorts=True),
        Column("runs", "Runs", lambda row: Cell(count(row["runs"]), link=_page(row)), right=True, sorts=True),
        Column("trend", "By day", lambda row: Cell("", course=row["trend"])),
        Column("agents", "Whose", _whose),
        Column("latest", "Latest", _latest, sorts=True),
    ]  # fmt: skip


def _rule(row: Row) -> Cell:
    return Cell(row["rule"] or "by hand", link=_page(row), below=row["policy"])


def _page(row: Row) -> str:
    """The rule's own page, which has each time it spoke with its run."""
    return frame.address("policies", rule=row["rule"], policy=row["policy"], period=frame.query("period"))


def _to(row: Row, **more: str) -> str:
    narrow = {name: frame.query(f"f_{name}") for name in ("agent", "workflow", "action")}
    return frame.address(
        "audit", rule=row["rule"], policy=row["policy"], period=frame.query("period"), **narrow, **more
    )


def _whose(row: Row) -> Cell:
    names = [*(row["agents"] or ())]
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    flows = ", ".join(row["workflows"] or ())
    return Cell(f"{names[0]}{more}" if names else "–", ", ".join(names), below=flows)


def _latest(row: Row) -> Cell:
    when = runs.when(row["latest"])
    return Cell(when.text, when.exact, frame.address("run", id=row["last_run"], span=row["last_call"]))
