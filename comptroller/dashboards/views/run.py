"""One run: what happened, the first bad call, what it cost and who paid."""

from collections.abc import Callable
from decimal import Decimal
from importlib import import_module

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.look.markup import Markup, as_text, join, tag
from comptroller.dashboards.look.viewer import exact_money, exact_time
from comptroller.dashboards.look.words import badge
from comptroller.dashboards.views import run_acts
from comptroller.dashboards.views.run_look import Looked, look
from comptroller.tracing.step import Costs

HANDED = 3  # handovers that the banner names
TABS = {
    "trace": "Trace",
    "graph": "Graph",
    "decisions": "Decisions",
    "talk": "Conversation",
    "billing": "Outcome and billing",
    "raw": "Raw",
}


def page() -> None:
    """The page."""
    id = frame.query("id")
    if not id:
        _which()
        return
    shown = look(frame.source(), id)
    if shown is None:
        frame.heading("Run")
        frame.empty(
            "There is no such run",
            "Its id may be misspelt, its facts may not have reached the books yet, or it belongs to somebody else.",
            frame.link("Look among all runs", frame.address("runs")),
        )
        return
    _top(shown)
    _banner(shown)
    frame.figures(_figures(shown), plain=True)
    tab = _tab()
    draw: Callable[[Looked], None] = import_module(f"comptroller.dashboards.views.run_{tab}").draw
    draw(shown)


def _which() -> None:
    frame.heading("Run")
    frame.empty("No run is named", "This page shows one run.", frame.link("Choose one", frame.address("runs")))


def _tab() -> str:
    now = frame.query("tab", "trace")
    tab = st.segmented_control(
        "Part",
        list(TABS),
        default=now if now in TABS else "trace",
        format_func=lambda name: as_text(TABS[name]),
        key=frame.key("tab"),
        label_visibility="collapsed",
    )
    chosen = tab or "trace"
    frame.remember(tab="" if chosen == "trace" else chosen)
    return chosen


def _top(shown: Looked) -> None:
    row = shown.row
    title, acts = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.heading(row["workflow"] or "Run", _below(shown), [badge(row["status"])])
    with acts:
        run_acts.draw(shown)


def _below(shown: Looked) -> Markup:
    """Which run, whose, when, and inside which other."""
    row, viewer = shown.row, frame.viewer()
    said: list[str | Markup] = [tag("code", row["run"])]
    if row["customer"]:
        said.append(frame.link(row["customer"], frame.address("runs", customer=row["customer"])))
    if row["user"]:
        said.append(f"for {row['user']}")
    said.append(tag("span", viewer.time(row["started"], seconds=True), title=exact_time(row["started"])))
    if row["outer_run"]:
        said.append(join("inside ", frame.link(f"…{row['outer_run'][-8:]}", frame.address("run", id=row["outer_run"]))))
    pieces: list[str | Markup] = []
    for each in said:
        pieces += [" · ", each] if pieces else [each]
    return join(pieces)


def _banner(shown: Looked) -> None:
    """Why it failed, where first, what it cost in vain and what to do; nothing where it went well."""
    found, row = shown.found, shown.row
    if row["status"] in ("ok", "open") or not found.reason:
        return
    lines: list[str | Markup] = []
    if found.cause is not None:
        first = frame.link(found.cause.name, frame.address("run", id=shown.id, span=found.cause.id))
        by = f" by {found.cause.agent}" if found.cause.agent else ""
        after = (found.cause.started - row["started"]).total_seconds()
        lines.append(join("First bad call: ", first, f"{by} after {frame.viewer().lasted(after)}. "))
    lines += [f"{one.agent or 'It'} handed over to {one.to}. " for one in found.handovers[:HANDED]]
    if found.lost.total:
        lines.append(f"{_costs(found.lost.total)} were spent in vain. ")
    frame.banner("failed", f"Stopped because: {found.reason}", join(*lines, found.remedy), "✕")


def _costs(costs: Costs) -> str:
    viewer = frame.viewer()
    return " + ".join(viewer.money(Decimal(nanos) / 1_000_000_000, currency) for currency, nanos in costs.items())


def _figures(shown: Looked) -> list[Figure]:
    row, viewer = shown.row, frame.viewer()
    end = row["ended"] or row["latest"]
    took = (end - row["started"]).total_seconds() if end else None
    others = [viewer.money(each["cost"], each["currency"]) for each in row["other_costs"] or ()]
    figures = [
        Figure("Took", viewer.lasted(took), "" if took is None else f"{took:.6f} s"),
        Figure(
            "Cost",
            " + ".join([viewer.money(row["cost"], row["currency"]), *others]),
            exact_money(row["cost"], row["currency"]),
            "estimated in part" if row["estimated"] else "",
        ),
        *_budget(shown),
        Figure("Tokens", viewer.count(row["input"] + row["output"]), f"{row['input']} in, {row['output']} out"),
        Figure("Calls", viewer.count(row["calls"])),
        Figure("Agents", viewer.count(len(row["agents"])), ", ".join(row["agents"])),
        Figure("Failed", viewer.count(row["failed"])),
        Figure("Refused", viewer.count(row["refused"]), link=frame.address("run", id=shown.id, tab="decisions")),
    ]
    if row["unfinished"]:
        figures.append(Figure("Under way", viewer.count(row["unfinished"])))
    return figures


def _budget(shown: Looked) -> list[Figure]:
    row, viewer = shown.row, frame.viewer()
    if not row["budget"]:
        return []
    used = row["cost"] / row["budget"] if row["budget_currency"] == row["currency"] else None
    cap = viewer.money(row["budget"], row["budget_currency"])
    tone = "failed" if used is not None and used > Decimal("0.9") else "plain"
    return [
        Figure(
            "Run budget used",
            viewer.share(used, 0 if used is None or used > Decimal("0.1") else 1),
            note=f"of {cap}",
            tone=tone,
        )
    ]
