"""Unit economics: what an outcome costs and earns, month by month, and what moved the margin."""

from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.look.bars import bars
from comptroller.dashboards.look.markup import as_text, tag
from comptroller.dashboards.look.viewer import exact_money
from comptroller.dashboards.views import economics_movers
from comptroller.dashboards.views.finance import amount, margin, money, month, said, said_month, share

BY = {"type": "Outcome type", "customer": "Customer", "workflow": "Workflow"}
MONTHS = 12
TREND = (
    Head("month", "Month"), Head("outcomes", "Outcomes", True), Head("fees", "Revenue", True),
    Head("back", "Taken back", True), Head("cost", "Cost", True, inner=True),
    Head("margin", "Margin", True, inner=True),
    Head("share", "Margin %", True, inner=True), Head("each", "Cost per success", True, inner=True),
)  # fmt: skip
EXPORTED = (
    "name", "currency", "outcomes", "fees", "taken_back", "cost", "cost_in_vain", "runs_in_vain", "cost_per_success",
    "margin", "margin_before", "change", "mover_price", "mover_mix", "mover_cost_per_success", "mover_disputes",
)  # fmt: skip
NOTHING = (
    "Nothing was earned or spent in these two months",
    "An outcome counts in the month it was verified in, a run that came to nothing in the month it began.",
    "Choose another month, or let an agent claim an outcome.",
)
VAIN = "came to nothing"


def page() -> None:
    """The page."""
    title, by_what, when = st.columns([3, 3, 2], vertical_alignment="center")
    with title:
        frame.heading("Unit economics")
    with by_what:
        by = _by()
    with when:
        label = _month()
    told = frame.source().get("/api/economics", month=label or None, by=by, months=MONTHS, **_narrowed())
    if not told["totals"]:
        frame.empty(*NOTHING)
    for total in sorted(told["totals"], key=lambda one: -one["now"]["outcomes"]):
        _currency(told, total, by)


def _currency(told: Row, total: Row, by: str) -> None:
    """All that concerns one currency: what is earned in it is never mixed with another."""
    unit = total["currency"]
    if len(told["totals"]) > 1:
        frame.section(f"In {unit}")
    trend = [row for row in told["trend"] if row["currency"] == unit]
    frame.figures(_figures(told, total, trend))
    _unknown(total)
    economics_movers.draw(told, total, _narrowed())
    listing.show(_rows(told, unit, by))
    _trend(trend, unit)


def _by() -> str:
    now = frame.query("by", "type")
    chosen = st.segmented_control("By", list(BY), default=now if now in BY else "type", key=frame.key("by"),
                                  format_func=lambda one: as_text(BY[one]), label_visibility="collapsed")  # fmt: skip
    frame.remember(by="" if chosen in (None, "type") else chosen)
    return chosen or "type"


def _month() -> str:
    """The month in the address, chosen among the last ones; the present one where it says none."""
    known = _months()
    now = said_month("month") or known[0]
    options = known if now in known else [now, *known]
    chosen = st.selectbox("Month", options, index=options.index(now), format_func=_named, key=frame.key("month"),
                          label_visibility="collapsed")  # fmt: skip
    frame.remember(month="" if chosen == known[0] else chosen)
    return chosen


def _months() -> list[str]:
    today = frame.today()
    count = today.year * 12 + today.month - 1
    return [f"{(count - back) // 12:04}-{(count - back) % 12 + 1:02}" for back in range(24)]


def _named(label: str) -> str:
    return month(label)


def _narrowed() -> dict[str, str]:
    """What the address narrows all figures to."""
    return {name: value for name in BY if (value := said(name))}


def _figures(told: Row, total: Row, trend: list[Row]) -> list[Figure]:
    viewer, unit, now = frame.viewer(), total["currency"], total["now"]
    left, change = amount(now["margin"]), amount(total["change"])
    spent, each = _spent(now), amount(now["cost_per_success"])
    back = amount(now["taken_back"])
    whose = _narrowed()
    of = share(now["margin"], now["fees"])
    return [
        Figure("Revenue", viewer.money(amount(now["fees"]), unit), exact_money(amount(now["fees"]), unit),
               f"{viewer.count(now['outcomes'])} outcomes", picture=_bars(trend, "fees"),
               link=frame.address("outcomes", verified=told["month"], **whose)),
        Figure("Taken back", viewer.money(back, unit), exact_money(back, unit), "disputes, claw-backs" if back else "",
               "failed" if back else "plain", frame.address("outcomes", taken_back=told["month"], **whose)),
        Figure("Cost", viewer.money(spent, unit), exact_money(spent, unit),
               f"{viewer.count(now['runs_in_vain'])} runs in vain" if now["runs_in_vain"] else "",
               link=frame.address("runs", period="30d", status="error" if now["runs_in_vain"] else "")),
        Figure("Margin" if of is None else f"Margin · {viewer.share(of)} of revenue",
               viewer.money(left, unit), exact_money(left, unit),
               _moved(change, unit), "failed" if change and change < 0 else "ok", picture=_bars(trend, "margin")),
        Figure("Cost per success", viewer.money(each, unit), exact_money(each, unit), "failures included",
               picture=_bars(trend, "cost_per_success")),
    ]  # fmt: skip


def _spent(unit: Row) -> Decimal:
    return Decimal(unit["cost"]) + Decimal(unit["cost_in_vain"])


def _moved(change: Decimal | None, unit: str) -> str:
    if not change:
        return "as the month before"
    return f"{'↑' if change > 0 else '↓'} {frame.viewer().money(abs(change), unit)} vs before"


def _bars(trend: list[Row], name: str) -> Any:
    values = [max(amount(row["unit"][name]) or Decimal(0), Decimal(0)) for row in trend]
    return bars(values) if len(values) > 1 else None


def _unknown(total: Row) -> None:
    if total["now"]["costs_unknown"]:
        count = frame.viewer().count(total["now"]["costs_unknown"])
        frame.banner("asked", f"The cost of {count} runs has no rate of exchange",
                     "It is left out, so the margin looks too good. Add the rate under `fx`.", "!")  # fmt: skip


def _rows(told: Row, unit: str, by: str) -> Listing:
    """Each type, customer or workflow in the month beside the one before."""
    frame.section(f"By {BY[by].lower()}")
    known = [_flat(row) for row in told["rows"] if row["currency"] == unit]

    def find(wanted: Wanted) -> Found:
        text = str(wanted.said.get("search", "")).lower()
        rows = [row for row in known if text in row["name"].lower()]
        rows.sort(key=lambda row: _rank(row, wanted.sort), reverse=wanted.falling)
        return Found(rows[wanted.offset : wanted.offset + wanted.limit], len(rows))

    filters = [Filter("search", "Search", "search", hint=BY[by])] if len(known) > 8 else []
    return Listing(f"Unit economics by {by} in {unit}", _columns(told, by), find, filters, sort="-margin",
                   name=f"{unit.lower()}_", exports=EXPORTED, nothing=NOTHING)  # fmt: skip


def _rank(row: Row, name: str) -> Any:
    return str(row[name]).lower() if name == "name" else Decimal(row[name] or 0)


def _flat(row: Row) -> dict[str, Any]:
    movers = {f"mover_{name}": value for name, value in row["movers"].items()}
    more = {"margin_before": row["before"]["margin"], "change": row["change"], "spent": str(_spent(row["now"]))}
    return {"name": row["name"], "currency": row["currency"], **row["now"], **more, **movers}


def _columns(told: Row, by: str) -> list[Column]:
    def name(row: Row) -> Cell:
        if not row["name"]:
            return Cell(VAIN, "Runs that claimed nothing", frame.address("runs", period="30d"))
        return Cell(row["name"], link=frame.address("outcomes", verified=told["month"], **{by: row["name"]}))

    def of(field: str) -> Any:
        return lambda row: money(row[field], row["currency"])

    def back(row: Row) -> Cell:
        found = money(row["taken_back"], row["currency"])
        to = frame.address("outcomes", taken_back=told["month"], **{by: row["name"]})
        return Cell(found.text, found.exact, to if Decimal(row["taken_back"]) else "")

    return [
        Column("name", BY[by], name, sorts=True),
        Column("outcomes", "Outcomes", lambda row: Cell(frame.viewer().count(row["outcomes"])), right=True, sorts=True),
        Column("fees", "Revenue", of("fees"), right=True, sorts=True),
        Column("taken_back", "Taken back", back, right=True, sorts=True),
        Column("spent", "Cost", of("spent"), right=True, sorts=True, inner=True, about="Failed attempts included"),
        Column("cost_per_success", "Per success", of("cost_per_success"), right=True, sorts=True, inner=True),
        Column("margin", "Margin", of("margin"), right=True, sorts=True, inner=True),
        Column("share", "Margin %", lambda row: margin(row["margin"], row["fees"]), right=True, inner=True),
        Column("change", "Against month before", _change, right=True, sorts=True, inner=True),
    ]


def _change(row: Row) -> Cell:
    found, value = money(row["change"], row["currency"]), Decimal(row["change"])
    if not value:
        return Cell("–")
    return Cell(f"{'+' if value > 0 else ''}{found.text}", found.exact, tone="ok" if value > 0 else "failed",
                mark="↑" if value > 0 else "↓")  # fmt: skip


def _trend(trend: list[Row], unit: str) -> None:
    frame.section("Months")
    rows = [_of_month(row, unit) for row in reversed(trend)]
    table.show(Table(TREND, rows, f"Months in {unit}"), key=f"trend_{unit}")
    frame.put(tag("p", "Revenue counts in the month (UTC) an outcome is verified in; what is taken back, in the month "
                  "of that.", cls="ct-sub"))  # fmt: skip


def _of_month(row: Row, unit: str) -> list[Cell]:
    one = row["unit"]
    to = frame.address("economics", month=row["month"], by=frame.query("by"), **_narrowed())
    return [
        Cell(month(row["month"]), row["month"], to),
        Cell(frame.viewer().count(one["outcomes"]), link=frame.address("outcomes", verified=row["month"])),
        money(one["fees"], unit),
        money(one["taken_back"], unit),
        money(str(_spent(one)), unit),
        money(one["margin"], unit),
        margin(one["margin"], one["fees"]),
        money(one["cost_per_success"], unit),
    ]
