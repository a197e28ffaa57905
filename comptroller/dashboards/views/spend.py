"""Spend: who spends what, how it goes on, against which caps, and what of it is in doubt."""

from decimal import Decimal

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.stack import MOST, Part, columns, stack
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.look import money
from comptroller.dashboards.look.bars import bars
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.viewer import exact_money
from comptroller.dashboards.views import spend_caps, spend_doubts, spend_files, spend_table
from comptroller.dashboards.views.spend_look import DIMENSIONS, PERIODS, Spent, looked, named

MOVERS = 6


def page() -> None:
    """The page."""
    frame.heading("Spend")
    with st.container(horizontal=True, horizontal_alignment="distribute", key="spend_choices"):  # wraps where it must
        by = _choice("by", list(DIMENSIONS), DIMENSIONS, "customer", "By")
        period = _choice("period", list(PERIODS), PERIODS, "30d", "Period")
    spent = looked(by, period)
    if not spent.now and not spent.before:
        _nothing()
    else:
        frame.figures(_figures(spent))
        chart, beside = st.columns([3, 2], gap="medium")
        with chart:
            _course(spent)
        with beside:
            _movers(spent)
        spend_table.draw(spent)
    with frame.guarded():
        spend_caps.draw()
    spend_doubts.draw(spent)
    spend_files.draw()


def _choice(name: str, options: list[str], words: dict[str, str], otherwise: str, label: str) -> str:
    said = frame.query(name, otherwise)
    said = said if said in options else otherwise
    chosen = st.segmented_control(
        label, options, default=said, format_func=lambda one: words[one], key=frame.key(name),
        label_visibility="collapsed",
    ) or said  # fmt: skip
    frame.remember(**{name: "" if chosen == otherwise else chosen})
    return chosen


def _figures(spent: Spent) -> list[Figure]:
    viewer, unit = frame.viewer(), spent.currency
    now, before = spent.total, spent.total_before
    note = ""
    if before:
        change = round((now - before) / before, 2)
        arrow = "↑" if change > 0 else "↓" if change else "="
        note = f"{arrow} {viewer.share(abs(change), 0)} vs before"
    refused = spend_doubts.refused(spent)
    return [
        Figure("Spent", money.shown(viewer, spent.costs), f"{money.exact(spent.costs)}, against {spent.against}", note,
               link=frame.address("runs", **spent.runs()), picture=bars(spent.daily)),
        *_forecast(),
        Figure("Saved by the cache", viewer.money(spent.saved, unit), exact_money(spent.saved, unit),
               f"{viewer.count(spent.counted('cached'))} calls answered from it" if spent.saved else ""),
        Figure("Refused by caps", viewer.count(refused), note="calls" if refused else "",
               link=frame.address("runs", search="pass its cap", **spent.runs())),
        *spend_doubts.figure(spent),
    ]  # fmt: skip


def _forecast() -> list[Figure]:
    """Where the month ends at the pace of the last days, by currency."""
    viewer, told = frame.viewer(), frame.source().get("/api/spend/forecast")
    made = []
    for row in told["rows"]:
        expected, last, unit = Decimal(row["expected"]), Decimal(row["last_month"]), row["currency"]
        if not expected and not last:
            continue
        exact = f"{exact_money(expected, unit)}. {told['method']}"
        note = f"last month {viewer.money(last, unit)}" if last else ""
        made.append(Figure("Forecast for this month", viewer.money(expected, unit), exact, note))
    return made[:2]


def _course(spent: Spent) -> None:
    """What was spent day by day, the largest apart and the rest together."""
    frame.section(
        f"Day by day, by {DIMENSIONS[spent.by].lower()}", f"In {spent.currency}, days of UTC." if spent.currency else ""
    )
    viewer = frame.viewer()
    names = spent.largest(MOST - 1)
    parts = [Part(named(spent.by, name), spent.course(name)) for name in names]
    if rest := spent.rest(names):
        parts.append(Part(f"{viewer.count(spent.others(names))} others", rest))
    labels = [viewer.day(day).replace(f", {day.year}", "") for day in spent.days]
    stack(columns(labels, parts, spent.currency or "USD", "Spend by day"), key="spend_course", height=280)


def _movers(spent: Spent) -> None:
    frame.section("What moved", f"Against {spent.against}.")
    viewer, found = frame.viewer(), spent.movers()[:MOVERS]
    if not found:
        frame.empty("Nothing moved", f"Nothing cost more or less than {spent.against}.")
        return
    heads = [
        Head("name", DIMENSIONS[spent.by]),
        Head("now", "Now", right=True),
        Head("change", "Change", right=True),
    ]
    rows = [
        [
            Cell(named(spent.by, name), link=spent.link(**{spent.by: name})),
            Cell(viewer.money(now, spent.currency), exact_money(now, spent.currency)),
            Cell(f"{'+' if now > before else '−'}{viewer.money(abs(now - before), spent.currency)}",
                 f"before {exact_money(before, spent.currency)}", below=_share(now, before)),
        ]
        for name, now, before in found
    ]  # fmt: skip
    table.show(Table(heads, rows, "What moved most"), key="spend_movers")


def _share(now: Decimal, before: Decimal) -> str:
    if not before:
        return "new"
    return "gone" if not now else f"{'+' if now > before else ''}{frame.viewer().share((now - before) / before, 0)}"


def _nothing() -> None:
    frame.empty(
        "Nothing was spent in this time",
        "What model and tool calls cost is summed here by customer, agent, model and workflow.",
        tag("span", "Choose a longer period, or make a call: ", tag("code", "comptroller run -- your-agent"), "."),
    )
