"""Live: what is going on right now, told anew each second until it is paused."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, session
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.look.markup import as_text, tag
from comptroller.dashboards.look.viewer import exact_money, exact_time
from comptroller.dashboards.views import runs

Row = Mapping[str, Any]
TICK_S = 1.0
CALLS, RUNS, OPEN = 40, 12, 200
NEAR, FAR = 5_000, 500_000  # records looked back for the latest calls; further where the filters fit few
BACK = timedelta(days=7)  # runs begun before it are not looked for
OPEN_HEADS = (
    Head("run", "Run"), Head("agent", "Agent"), Head("name", "Calls"), Head("workflow", "Workflow"),
    Head("customer", "Customer"), Head("started", "Since"), Head("lasts", "For", True),
    Head("worst", "At most", True, about="The most the call can cost: so much is held for it."),
)  # fmt: skip
LATEST_HEADS = (
    Head("ended", "Ended"), Head("run", "Run"), Head("agent", "Agent"), Head("name", "Called"),
    Head("status", "Status"), Head("error", "Why", wide=True), Head("tokens", "Tokens", True),
    Head("took", "Took", True), Head("cost", "Cost", True),
)  # fmt: skip


def page() -> None:
    """The page."""
    title, stop = st.columns([4, 1], vertical_alignment="center")
    with title:
        frame.heading("Live", "What is going on right now.")
    with stop:
        paused = st.toggle("Pause", value=frame.query("paused") == "yes", key=frame.key("paused"))
    frame.remember(paused="yes" if paused else "")
    narrow = _filters()
    st.fragment(_now, run_every=None if paused else TICK_S)(narrow, paused)


def _filters() -> dict[str, str]:
    """By workflow and agent, out of those of the last day."""
    today = frame.today().replace(minute=0, second=0, microsecond=0)
    options = runs.options_of(today - timedelta(days=1), today + timedelta(hours=1))
    places = st.columns([2, 2, 3])
    said = {}
    for place, name, heading in zip(places, ("workflow", "agent"), ("Workflow", "Agent"), strict=False):
        with place:
            said[name] = _choice(name, heading, options.get(name, ()))
    return {name: value for name, value in said.items() if value}


def _choice(name: str, title: str, known: Sequence[str]) -> str:
    now = frame.query(name)
    options = ["", *dict.fromkeys([*known, *([now] if now else [])])]
    chosen = st.selectbox(
        as_text(title), options, index=options.index(now), format_func=lambda one: one or "All", key=frame.key(name)
    )
    frame.remember(**{name: chosen})
    return str(chosen)


def _now(narrow: Mapping[str, str], paused: bool) -> None:
    """All that moves. Each tick looks first whether the person may still see it."""
    session.require("live")
    with frame.guarded():
        moment = frame.today()
        waiting, latest, running = _waiting(narrow), _latest(narrow), _running(narrow, moment)
        _figures(waiting, latest, running, moment, paused)
        frame.section("Calls under way")
        _show_waiting(waiting, moment)
        frame.section("Runs under way")
        _show_running(running)
        frame.section("Latest calls")
        _show_latest(latest)


def _waiting(narrow: Mapping[str, str]) -> list[dict[str, Any]]:
    workflow = {"workflow": narrow["workflow"]} if "workflow" in narrow else {}
    rows = frame.source().rows("console_open", limit=OPEN, **workflow)
    return [row for row in rows if row["agent"] == narrow.get("agent", row["agent"])]


def _latest(narrow: Mapping[str, str]) -> list[dict[str, Any]]:
    """The latest calls, out of the newest records alone: that costs the same however large the books are."""
    source = frame.source()
    position = source.one("console_position")
    newest = int(position["sequence"] or 0) if position else 0
    rows: list[dict[str, Any]] = []
    for back in (NEAR, FAR):
        rows = source.rows("console_latest", seq=max(newest - back, 0), limit=CALLS, **narrow)
        if len(rows) == CALLS or newest <= back:
            break
    return rows


def _running(narrow: Mapping[str, str], moment: datetime) -> list[dict[str, Any]]:
    since = (moment - BACK).replace(minute=0, second=0, microsecond=0)
    return frame.source().rows("console_runs", status="open", since=since.isoformat(), limit=RUNS, **narrow)


def _figures(
    waiting: Sequence[Row], latest: Sequence[Row], running: Sequence[Row], moment: datetime, paused: bool
) -> None:
    viewer = frame.viewer()
    minute = [row for row in latest if moment - row["ended"] < timedelta(minutes=1)]
    failed = sum(row["status"] != "ok" for row in minute)
    full = len(minute) == CALLS
    frame.figures(
        [
            Figure("Calls under way", _many(len(waiting), OPEN)),
            Figure("Runs under way", _many(len(running), RUNS), link=frame.address("runs", status="open")),
            Figure(
                "Calls in the last minute",
                f"{viewer.count(len(minute))}{'+' if full else ''}",
                note=f"{viewer.count(failed)} failed or refused" if failed else "",
                tone="failed",
            ),
            Figure("Latest call", viewer.time(latest[0]["ended"], seconds=True) if latest else "–"),
            Figure("Paused at" if paused else "As of", viewer.time(moment, seconds=True)),
        ],
        plain=True,
    )


def _many(number: int, most: int) -> str:
    return f"{frame.viewer().count(number)}{'+' if number >= most else ''}"


def _show_waiting(rows: Sequence[Row], moment: datetime) -> None:
    if not rows:
        frame.put(tag("p", "No call is under way.", cls="ct-sub"))
        return
    table.show(Table(OPEN_HEADS, [_waits(row, moment) for row in rows[:CALLS]], "Calls under way"), key="live_open")


def _waits(row: Row, moment: datetime) -> list[Cell]:
    viewer = frame.viewer()
    lasts = max((moment - row["started"]).total_seconds(), 0)
    worst = Cell(viewer.money(row["worst"], row["currency"]), exact_money(row["worst"], row["currency"]))
    return [
        runs.named(row["run"], row["call"]),
        Cell(row["agent"] or "–"),
        _called(row),
        Cell(row["workflow"]),
        Cell(row["customer"]),
        Cell(viewer.time(row["started"], seconds=True), exact_time(row["started"])),
        Cell(viewer.lasted(round(lasts))),
        worst if row["worst"] else Cell("–"),
    ]


def _called(row: Row) -> Cell:
    return Cell(row["name"] or row["kind"], below=row["kind"])


def _show_running(rows: Sequence[Row]) -> None:
    if not rows:
        frame.put(tag("p", "No run is under way.", cls="ct-sub"))
        return
    shown = [column for column in runs.columns() if column.field not in ("status", "reason", "took")]
    heads = [Head(c.field, c.title, c.right) for c in shown]
    table.show(
        Table(heads, [[column.cell(row) for column in shown] for row in rows], "Runs under way"), key="live_runs"
    )


def _show_latest(rows: Sequence[Row]) -> None:
    if not rows:
        frame.empty(
            "No call has ended yet",
            "A call shows here within two seconds of its end, whichever process made it.",
            tag("span", "Try ", tag("code", "comptroller demo"), ", or clear a filter."),
        )
        return
    table.show(Table(LATEST_HEADS, [_ended(row) for row in rows], "Latest calls"), key="live_latest")


def _ended(row: Row) -> list[Cell]:
    viewer = frame.viewer()
    took = (row["ended"] - row["started"]).total_seconds()
    why = "" if row["status"] == "ok" else row["because"] or row["error"] or ""
    return [
        Cell(viewer.time(row["ended"], seconds=True), exact_time(row["ended"])),
        runs.named(row["run"], row["call"]),
        Cell(row["agent"] or "–"),
        _called(row),
        table.status(row["status"]),
        Cell(why),
        Cell(viewer.count(row["input"] + row["output"]), f"{row['input']} in, {row['output']} out"),
        Cell(viewer.lasted(took)),
        Cell(viewer.money(row["cost"], row["currency"]), exact_money(row["cost"], row["currency"])),
    ]
