"""A list to pick from, as an inbox has it: two lines for each thing, one of them chosen, by keyboard too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comptroller.dashboards.components.mounting import nothing, renderer


@dataclass(frozen=True, slots=True)
class Item:
    """One thing; `tone` is of its badge: ok | failed | asked | plain."""

    key: str
    title: str
    right: str = ""
    below: str = ""
    below_right: str = ""
    badge: str = ""
    tone: str = "plain"
    hover: str = ""


def picklist(items: Sequence[Item], chosen: str, label: str, key: str) -> str:
    """Put the list on the page; returns the key of what somebody has just picked, once."""
    rows = [
        {"k": one.key, "t": one.title, "r": one.right, "b": one.below, "c": one.below_right, "w": one.badge,
         "n": one.tone, "x": one.hover}
        for one in items
    ]  # fmt: skip
    data: dict[str, Any] = {"items": rows, "chosen": chosen, "label": label}
    told = renderer("picklist")(key=key, data=data, on_pick_change=nothing)
    return str(told.get("pick") or "")
