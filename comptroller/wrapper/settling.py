"""Settling: what each counter that a call drew on is charged in the end."""

from typing import TYPE_CHECKING

from comptroller.core.facts import LIVE

if TYPE_CHECKING:
    from comptroller.wrapper.entry import Entry


def settled(entry: "Entry", cost: int, currency: str) -> list[list[object]]:
    """What each counter of the hold is really charged: one row per counter, however many caps it has."""
    rows: dict[tuple[str, str], list[object]] = {}
    for key, unit, amount, _ in entry.lines:
        used = cost if unit == currency else _actual(entry, unit, amount, cost, currency)
        rows[key, unit] = [key, unit, used]
    return [*rows.values()]


def rates_used(entry: "Entry") -> list[list[object]]:
    """What was taken of each rate, where it is not what was held: tokens, and a request that never went out."""
    return [
        [key, unit, _actual(entry, "tokens", 0, 0, "") if unit == "tokens" else 0]
        for key, unit, *_ in entry.rates
        if unit == "tokens" or not entry.sent
    ]


def _actual(entry: "Entry", unit: str, asked: int, cost: int, currency: str) -> int:
    if unit == "calls":
        return asked if entry.sent else 0
    if unit == LIVE:
        return 0
    if unit == "tokens":
        return 0 if entry.free or entry.usage is None else entry.usage.input + entry.usage.output
    return entry.desk.convert(cost, currency, unit) or 0
