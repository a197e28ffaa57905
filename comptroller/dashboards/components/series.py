"""Spend and failed calls over time, one above the other: periods into columns, the chosen period back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from comptroller.core.money import decimal_text
from comptroller.dashboards.components.asking import asked
from comptroller.dashboards.components.mounting import nothing, renderer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """What was spent and what failed from one moment to the next period's."""

    start: datetime
    nanos: int
    calls: int
    failed: int


def columns(periods: Sequence[Period], currency: str, title: str = "Spend") -> dict[str, Any]:
    """The periods as columns in the order of time; money as exact decimal text."""
    ordered = sorted(periods, key=lambda period: period.start)
    return {
        "at": [(period.start - EPOCH) // timedelta(milliseconds=1) for period in ordered],
        "cost": [decimal_text(period.nanos) for period in ordered],
        "calls": [period.calls for period in ordered],
        "failed": [period.failed for period in ordered],
        "ids": [period.start.astimezone(UTC).isoformat() for period in ordered],
        "currency": currency,
        "title": title,
    }


def series(
    data: Mapping[str, Any],
    *,
    key: str,
    selected: str = "",
    height: int = 260,
    on_select: Callable[[], None] = nothing,
) -> datetime | None:
    """Mount the chart; returns the start of the period that the viewer chose, None where none is chosen."""
    import streamlit as st

    wish = asked(st.session_state, key, selected)
    result = renderer("series")(data={**data, "ask": wish, "height": height}, key=key, on_selected_change=on_select)
    chosen = result.get("selected")
    chosen = wish[1] if chosen is None else str(chosen)
    return datetime.fromisoformat(chosen) if chosen in data["ids"] else None
