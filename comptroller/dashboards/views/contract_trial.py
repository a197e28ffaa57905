"""What if another contract had held: a past period under an edited text, beside what it came to; nothing is saved."""

import json
from typing import Any

import streamlit as st

from comptroller.core.errors import ComptrollerError
from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Row
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.viewer import exact_money
from comptroller.dashboards.views.finance import amount, money, month
from comptroller.office.switchboard import Declined

Told = dict[str, Any]
About = tuple[str, str, bool]  # version, period, whether it is for every customer
HEADS = (
    Head("title", "Line", wide=True), Head("quantity_now", "Quantity", True), Head("unit_now", "Unit", True),
    Head("net_now", "Came to", True), Head("quantity_then", "Quantity then", True),
    Head("unit_then", "Unit then", True), Head("net_then", "Would come to", True), Head("change", "Change", True),
)  # fmt: skip
LEFT_OUT = (Head("outcome", "Outcome"), Head("because", "Why it would earn nothing", wide=True))
HIGH = 380  # pixels of the text to edit


def draw(customer: str, row: Row) -> None:
    """The tab."""
    frame.put(tag("p", "Edit the terms, choose a past period, and see what it would have come to. Nothing is saved: to "
                  "change a contract, change its file.", cls="ct-sub"))  # fmt: skip
    periods = _periods(customer)
    if not periods:
        frame.empty("No period to try it on", "This customer has no invoice and no open period yet.",
                    "Come back when an outcome was verified.")  # fmt: skip
        return
    which, whom = st.columns(2, vertical_alignment="bottom")
    with which:
        period = _period(periods)
    with whom:
        everybody = st.toggle("For every customer in the text", key="trial_everybody")
    edited = st.text_area("Contract (YAML)", _text(row), height=HIGH, key=f"trial_{row['version']}", max_chars=500_000)
    about = row["version"], period, everybody
    if st.button("Compare", type="primary", key="trial_go"):
        _try(about, edited, period, "" if everybody else customer)
    kept = st.session_state.get("trial_result")
    if kept is not None and kept[0] == about:
        _results(kept[1])


def _text(row: Row) -> str:
    """What the editing begins with: the file, or the terms alone where the file is not all theirs to read."""
    return row["text"] if row["text"] is not None else json.dumps(row["terms"], indent=2, ensure_ascii=False)


def _periods(customer: str) -> list[str]:
    source = frame.source()
    billed = source.get("/api/invoices", customer=customer, limit=60)["invoices"]
    running = source.get("/api/drafts", customer=customer)["drafts"]
    return sorted({each["period"] for each in (*billed, *running)}, reverse=True)


def _period(periods: list[str]) -> str:
    now = frame.query("month")
    at = periods.index(now) if now in periods else 0
    chosen = st.selectbox("Period", periods, index=at, format_func=month,
                          key=frame.key("month"))  # fmt: skip
    frame.remember(month="" if chosen == periods[0] else chosen)
    return chosen


def _try(about: About, edited: str, period: str, customer: str) -> None:
    st.session_state.pop("trial_result", None)
    try:
        told = frame.source().post("/api/contracts/try", text=edited, period=period, customer=customer)
    except Declined as error:
        if error.status >= 500:
            raise
        _mistakes(error)
        return
    st.session_state["trial_result"] = (about, told["customers"])


def _mistakes(error: ComptrollerError) -> None:
    """What is wrong with the text, each with its line and what would help."""
    lines = [line.replace("body.text:", "Line ").strip() for line in str(error).splitlines() if line.strip()]
    said = tag("ul", *(tag("li", line) for line in lines))
    frame.put(tag("div", tag("strong", "✕ This text cannot be tried"), said, cls="ct-banner ct-failed", role="alert"))


def _results(customers: list[Told]) -> None:
    for one in customers:
        frame.section(f"{one['customer']}, {month(one['period'])}")
        frame.figures(_figures(one))
        unit_now, unit_then = one["now"]["currency"], one["then"]["currency"]
        rows = [_line(line, unit_now, unit_then) for line in one["lines"]]
        if rows:
            table.show(Table(HEADS, rows, f"Both sides of {one['customer']}"), key=f"trial_lines_{one['customer']}")
        _left_out(one)


def _figures(one: Told) -> list[Figure]:
    now, then, viewer = one["now"], one["then"], frame.viewer()
    change = amount(one["change"])
    tone = "plain" if not change else "ok" if change > 0 else "failed"
    return [
        _side("Revenue before tax", now, then, "revenue"),
        Figure("Change", viewer.money(change, then["currency"]), exact_money(change, then["currency"]),
               "between two currencies" if change is None else "more" if change > 0 else "less" if change else "none",
               tone),
        _side("Margin", now, then, "margin"),
        Figure("Outcomes that change", viewer.count(one["outcomes_that_change"]),
               note=f"of {viewer.count(now['outcomes'])}"),
        Figure("Left out", viewer.count(one["left_out_in_all"]), note="would earn nothing",
               tone="failed" if one["left_out_in_all"] else "plain"),
    ]  # fmt: skip


def _side(name: str, now: Told, then: Told, which: str) -> Figure:
    viewer = frame.viewer()
    before, after = amount(now[which]), amount(then[which])
    return Figure(name, viewer.money(after, then["currency"]), exact_money(after, then["currency"]),
                  f"came to {viewer.money(before, now['currency'])}")  # fmt: skip


def _line(line: Told, unit_now: str, unit_then: str) -> list[Cell]:
    change = amount(line["change"])
    sign = "+" if change and change > 0 else ""
    moved = money(line["change"], unit_then)
    return [
        Cell(line["title"], line["type"], below=line["type"]),
        *_cells(line["now"], unit_now),
        *_cells(line["then"], unit_then),
        Cell(f"{sign}{moved.text}", moved.exact, tone="" if not change else "ok" if change > 0 else "failed"),
    ]


def _cells(side: Told | None, unit: str) -> list[Cell]:
    if side is None:
        return [Cell("–"), Cell("–"), Cell("–")]
    return [Cell(side["quantity"]), Cell(side["unit"]), money(side["net"], unit)]


def _left_out(one: Told) -> None:
    if not one["left_out"]:
        return
    frame.put(tag("p", f"Outcomes that would earn nothing: {one['left_out_in_all']}", cls="ct-sub"))
    rows = [
        [Cell(f"…{each['outcome'][-8:]}", each["outcome"], frame.address("outcomes", id=each["outcome"]), code=True),
         Cell(each["because"])]
        for each in one["left_out"]
    ]  # fmt: skip
    table.show(Table(LEFT_OUT, rows, f"Left out of {one['customer']}"), key=f"trial_left_{one['customer']}")
