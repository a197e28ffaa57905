"""Overview: is anything wrong now, and where does money go? The role orders what comes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.core.money import NANOS
from comptroller.dashboards import frame, listing, session
from comptroller.dashboards.components import table
from comptroller.dashboards.components.series import Period, columns, series
from comptroller.dashboards.components.table import Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Row
from comptroller.dashboards.look import money
from comptroller.dashboards.look.bars import bars
from comptroller.dashboards.look.markup import Markup, join, tag
from comptroller.dashboards.look.viewer import NONE
from comptroller.dashboards.map import FINANCE
from comptroller.dashboards.views import approvals, runs
from comptroller.dashboards.views.failures_cause import Cause

CAUSES, LATEST = 4, 8


@dataclass(frozen=True, slots=True)
class Course:
    """What happened in a period, what in the one before it, and how it went bucket by bucket."""

    since: datetime
    until: datetime
    now: Row
    before: Row
    buckets: Sequence[Row]
    currency: str

    def of(self, name: str) -> list[int]:
        """One column of the buckets."""
        return [int(each[name]) for each in self.buckets]

    @property
    def spent(self) -> list[Decimal]:
        """The cost of each bucket, in the main currency."""
        return [money.of(each["costs"], self.currency) for each in self.buckets]


def page() -> None:
    """The page."""
    title, when = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.heading("Overview")
    with when:
        since, until = listing.period("7d")
    course = _course(since, until)
    if not course.now["runs"] and not course.before["runs"] and not _latest(1):
        _welcome()
        return
    frame.figures(_figures(course))
    chart, attention = st.columns([2, 1], gap="medium")
    with chart:
        _spend(course)
    with attention:
        _attention(course)
    _latest_runs()


def _course(since: datetime, until: datetime) -> Course:
    source = frame.source()
    bounds = {"since": since.isoformat(), "until": until.isoformat()}
    periods = source.rows("console_overview", before=(since - (until - since)).isoformat(), **bounds)
    found = {row["period"]: row for row in periods}
    bucket = "hour" if until - since <= timedelta(days=8) else "day"
    buckets = source.rows("console_series", bucket=bucket, **bounds)
    return Course(since, until, found["now"], found["before"], buckets, money.main(found["now"]["costs"])[1])


def _figures(course: Course) -> list[Figure]:
    viewer, now = frame.viewer(), course.now
    spent, _ = money.main(now["costs"])
    waiting = frame.source().rows("console_open", limit=200)
    shown = [
        Figure(
            "Runs",
            viewer.count(now["runs"]),
            link=frame.address("runs"),
            picture=bars(course.of("runs")),
        ),
        _success(course),
        Figure(
            "Model and tool cost",
            money.shown(viewer, now["costs"]),
            money.exact(now["costs"]),
            *_change(spent, money.of(course.before["costs"], course.currency), more_is_bad=True),
            link=frame.address("spend"),
            picture=bars(course.spent),
        ),
        Figure(
            "Calls refused",
            viewer.count(now["refused"]),
            link=frame.address("audit", action="deny"),
            picture=bars(course.of("refused")),
        ),
        Figure("Calls under way", viewer.count(len(waiting)), note=_oldest(waiting), link=frame.address("live")),
        *_asked(),
    ]
    if session.person().role == FINANCE:  # money first
        shown.insert(0, shown.pop(2))
    return shown


def _success(course: Course) -> Figure:
    now, before = _rate(course.now), _rate(course.before)
    note, tone = "", "plain"
    if now is not None and before is not None:
        points = round((now - before) * 100, 1)
        note, tone = f"{_arrow(points)} {abs(points)} pt vs before", "failed" if points < 0 else "ok"
    return Figure(
        "Success rate",
        frame.viewer().share(now),
        "" if now is None else f"{course.now['runs_ok']} of {_ended(course.now)} runs that ended",
        note if now != before else "",
        tone,
        link=frame.address("failures") or frame.address("runs", status="error"),
        picture=bars(course.of("runs_failed"), bad=True),
    )


def _ended(row: Row) -> int:
    return int(row["runs_ok"] + row["runs_failed"] + row["runs_abandoned"])


def _rate(row: Row) -> float | None:
    ended = _ended(row)
    return row["runs_ok"] / ended if ended else None


def _change(now: Decimal, before: Decimal, more_is_bad: bool) -> tuple[str, str]:
    """In words, against the period before; nothing where there is nothing to compare with."""
    if not before or now == before:
        return "", "plain"
    share = (now - before) / before
    tone = "failed" if (share > 0) == more_is_bad and abs(share) > Decimal("0.2") else "plain"
    return f"{_arrow(share)} {frame.viewer().share(abs(share), 0)} vs before", tone


def _arrow(change: float | Decimal) -> str:
    return "↑" if change > 0 else "↓"


def _asked() -> list[Figure]:
    """What waits for a person, for those who may see it."""
    if not frame.links("approvals"):
        return []
    viewer, rows = frame.viewer(), approvals.waiting()
    oldest = min((moment for row in rows if (moment := approvals.moment(row["asked"]))), default=None)
    note = f"oldest {viewer.lasted((frame.today() - oldest).total_seconds())}" if oldest else ""
    return [Figure("Waiting for a person", viewer.count(len(rows)), "", note, "asked", link=frame.address("approvals"))]


def _oldest(waiting: Sequence[Row]) -> str:
    if not waiting:
        return ""
    return f"oldest {frame.viewer().lasted((frame.today() - waiting[0]['started']).total_seconds())}"


def _spend(course: Course) -> None:
    frame.section("Spend and failed calls")
    periods = [
        Period(row["at"], int(cost * NANOS), int(row["calls"]), int(row["failed"]))
        for row, cost in zip(course.buckets, course.spent, strict=True)
    ]
    series(columns(periods, course.currency or "USD", "Spend"), key="spend")


def _attention(course: Course) -> None:
    """What fails most, and what the books themselves complain of."""
    frame.section("Needs attention")
    bounds = {"since": course.since.isoformat(), "until": course.until.isoformat()}
    causes = frame.source().rows("console_causes", limit=CAUSES, **bounds)
    cards = [_cause(row) for row in causes]
    cards += _oddities(course.now)
    if cards:
        frame.cards(cards)
    else:
        frame.empty("Nothing", "No call failed in this period, and every call has a price.")


def _cause(row: Row) -> tuple[Markup, str, Markup]:
    viewer = frame.viewer()
    cause = Cause.of(row)
    title = frame.link(cause.words[:160], cause.address())
    spent = money.shown(viewer, row["costs"])
    said = (row["name"], _flows(row["workflows"]), "" if spent == NONE else f"{spent} spent")
    below = tag("span", " · ".join(dict.fromkeys(each for each in said if each)), " · ")
    newest = frame.link("newest run", frame.address("run", id=row["last_run"]))
    return title, viewer.count(row["calls"]), join(below, newest)


def _flows(names: Sequence[str]) -> str:
    named = [name for name in names if name]
    return named[0] if len(named) == 1 else f"{len(named)} workflows"


def _oddities(now: Row) -> list[tuple[Markup, str, Markup]]:
    viewer = frame.viewer()
    found = []
    for name, title, why in (
        ("unpriced", "Calls without a price", "Their cost counts as nothing until a price is set."),
        ("overruns", "Calls dearer than their hold", "A provider charged more than it had said."),
    ):
        if now[name]:
            found.append((tag("span", title), viewer.count(now[name]), tag("span", why)))
    return found


def _latest(limit: int) -> list[dict[str, Any]]:
    return frame.source().rows("console_runs", limit=limit)


def _latest_runs() -> None:
    frame.section("Latest runs")
    shown = [column for column in runs.columns() if column.field not in ("calls", "refused")]
    heads = [Head(c.field, c.title, c.right, False, c.inner, c.wide) for c in shown]
    rows = _latest(LATEST)
    table.show(Table(heads, [[column.cell(row) for column in shown] for row in rows], "Latest runs"), key="latest")


def _welcome() -> None:
    frame.empty(
        "No agent has called yet",
        "Every model, tool and agent call that goes through Comptroller shows here with its cost, its decision and its "
        "result.",
        tag("span", "Begin with ", tag("code", "comptroller demo"), ", or point an agent at the gateway: ",
            tag("code", "comptroller run -- your-agent"), "."),
    )  # fmt: skip
