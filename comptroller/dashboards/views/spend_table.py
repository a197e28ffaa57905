"""Spend as a table: by one dimension or two, beside what it was before."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.look.viewer import exact_money
from comptroller.dashboards.views.spend_look import DIMENSIONS, Spent, asked, named

MEASURES = ("cost", "before", "calls", "refused", "failed", "input", "output", "cached", "saved")


def draw(spent: Spent) -> None:
    """The table with its filters."""
    title, more = st.columns([3, 4], vertical_alignment="bottom")
    with title:
        frame.section("Who spent what")
    with more:
        then = _then(spent.by)
    by = [spent.by, *([then] if then else [])]
    rows = joined(spent, by)
    most = max((row["cost"] for row in rows), default=Decimal(0))
    listing.show(
        Listing(
            "Spend", _columns(spent, by, most), lambda wanted: _find(rows, by, wanted),
            [Filter("search", "Search", "search", hint="A name")],
            sort="-cost", exports=[*by, "currency", *MEASURES],
            nothing=("Nothing was spent", "No call was made in this time.", "Choose a longer period."),
        )
    )  # fmt: skip


def joined(spent: Spent, by: Sequence[str]) -> list[dict[str, Any]]:
    """What was spent by these dimensions, with what it was in the period before."""
    chosen = {f"by_{one}": True for one in by}
    before = {_key(row, by): row["cost"] for row in asked(spent.since_before, spent.until_before, **chosen)}
    now = asked(spent.since, spent.until, **chosen)
    return [{**row, "before": before.get(_key(row, by), Decimal(0))} for row in now]


def _key(row: Row, by: Sequence[str]) -> tuple[str, ...]:
    return (row["currency"], *(row[one] for one in by))


def _then(by: str) -> str:
    others = [one for one in DIMENSIONS if one != by]
    said = frame.query("then")
    said = said if said in others else ""
    chosen = st.segmented_control(
        "And by", others, default=said or None, format_func=lambda one: f"and {DIMENSIONS[one].lower()}",
        key=frame.key(f"then_{by}"), label_visibility="collapsed",
    ) or ""  # fmt: skip
    if chosen != said:
        frame.remember(then=chosen, page="")
    return chosen


def _columns(spent: Spent, by: Sequence[str], most: Decimal) -> list[Column]:
    viewer = frame.viewer()

    def dimension(one: str) -> Column:
        return Column(
            one, DIMENSIONS[one], lambda row: Cell(named(one, row[one]), link=_link(spent, row, by)), sorts=True
        )

    def count(name: str, title: str) -> Column:
        return Column(name, title, lambda row: Cell(viewer.count(row[name])), right=True, sorts=True)

    def cost(row: Row) -> Cell:
        unit = row["currency"]
        share = float(row["cost"] / most) if most and unit == spent.currency else None
        return Cell(viewer.money(row["cost"], unit), exact_money(row["cost"], unit), _link(spent, row, by), share=share)

    return [
        *(dimension(one) for one in by),
        Column("cost", "Spent", cost, right=True, sorts=True),
        Column("before", "Before", lambda row: _money(row, "before"), right=True, sorts=True, about=spent.against),
        count("calls", "Calls"),
        count("refused", "Refused"),
        count("failed", "Failed"),
        count("input", "Tokens in"),
        count("output", "Tokens out"),
        Column("saved", "Saved", lambda row: _money(row, "saved"), right=True, sorts=True, about="By the cache."),
    ]


def _money(row: Row, name: str) -> Cell:
    amount = row[name]
    return Cell(frame.viewer().money(amount, row["currency"]) if amount else "–", exact_money(amount, row["currency"]))


def _link(spent: Spent, row: Row, by: Sequence[str]) -> str:
    return spent.link(**{one: row[one] for one in by})


def _find(rows: Sequence[Row], by: Sequence[str], wanted: Wanted) -> Found:
    text = str(wanted.said.get("search", "")).casefold()
    fitting = [row for row in rows if any(text in row[one].casefold() for one in by)]
    fitting.sort(key=lambda row: (row[wanted.sort] is not None, row[wanted.sort]), reverse=wanted.falling)
    return Found(fitting[wanted.offset : wanted.offset + wanted.limit], len(fitting))
