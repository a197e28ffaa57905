"""Amounts over time as columns made of parts, one colour and one word for each part."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from comptroller.dashboards.components.mounting import renderer

MOST = 7  # parts: more colours than that nobody tells apart


@dataclass(frozen=True, slots=True)
class Part:
    """One part of every column; `values` has one amount for each column."""

    name: str
    values: Sequence[Decimal]


def columns(labels: Sequence[str], parts: Sequence[Part], currency: str, title: str) -> dict[str, Any]:
    """The chart as data; money as exact decimal text. `labels` are days as the viewer writes them."""
    return {
        "labels": list(labels),
        "parts": [
            {"name": part.name, "values": [format(value, "f") for value in part.values]} for part in parts[:MOST]
        ],
        "currency": currency,
        "title": title,
    }


def stack(data: dict[str, Any], *, key: str, height: int = 260) -> None:
    """Put the chart on the page."""
    renderer("stack")(key=key, data={**data, "height": height})
