"""Lists whose rows all lie in memory: narrowed, ordered and cut to a page here."""

from collections.abc import Sequence
from typing import Any

from comptroller.dashboards.listing import Found, Row, Wanted


def found(rows: Sequence[Row], wanted: Wanted, looked: Sequence[str] = ()) -> Found:
    """The page that is wanted; a search looks into the fields `looked`."""
    said = dict(wanted.said)
    search = str(said.pop("search", "")).lower()
    fitting = [row for row in rows if all(row[name] == value for name, value in said.items())]
    if search:
        fitting = [row for row in fitting if any(search in str(row[name] or "").lower() for name in looked)]
    if wanted.sort:
        fitting.sort(key=lambda row: _order(row[wanted.sort]), reverse=wanted.falling)
    return Found(fitting[wanted.offset : wanted.offset + wanted.limit], len(fitting))


def _order(value: object) -> tuple[bool, Any]:
    """What is not there comes before what is."""
    return value is not None, value
