"""A table of a page: real links, badges, exact values on hover, headers that sort, cards on a phone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from comptroller.dashboards.components.mounting import nothing, renderer
from comptroller.dashboards.look.markup import local
from comptroller.dashboards.look.words import word_for


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one place: a text, and what belongs to it."""

    text: str
    exact: str = ""  # shown on hover
    link: str = ""  # within the console
    tone: str = ""  # ok | failed | asked | redacted | plain: as a badge
    mark: str = ""  # before the text of a badge
    below: str = ""  # a second, smaller line
    share: float | None = None  # of one, drawn as a bar behind
    code: bool = False
    course: Sequence[int] = ()  # of a figure over time, drawn as columns below the text


@dataclass(frozen=True, slots=True)
class Head:
    """A column."""

    field: str
    title: str
    right: bool = False
    sorts: bool = False
    inner: bool = False  # for the house only: shaded
    wide: bool = False  # takes the room that is left, and wraps
    about: str = ""  # what the figures mean, on hover


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody did with a table."""

    sort: str = ""
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """All that is shown."""

    heads: Sequence[Head]
    rows: Sequence[Sequence[Cell]]
    caption: str  # for whoever does not see it
    keys: Sequence[str] = field(default_factory=tuple)  # of the rows, where one can be chosen
    chosen: str = ""
    sort: str = ""  # a field, with `-` before it where the highest is first
    total: Sequence[Cell] = ()


def status(word: str, text: str = "", exact: str = "") -> Cell:
    """A status as a badge."""
    said = word_for(word)
    return Cell(text or said.word, exact, tone=said.tone, mark=said.mark)


def show(table: Table, key: str) -> Asked:
    """Put a table on the page; what somebody did with it comes back once."""
    told = renderer("table")(key=key, data=_data(table), on_sort_change=nothing, on_choose_change=nothing)
    return Asked(str(told.get("sort") or ""), str(told.get("choose") or ""))


def _data(table: Table) -> dict[str, Any]:
    return {
        "caption": table.caption,
        "heads": [
            {"f": h.field, "t": h.title, "r": h.right, "s": h.sorts, "i": h.inner, "w": h.wide, "a": h.about}
            for h in table.heads
        ],
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
        "keys": list(table.keys),
        "chosen": table.chosen,
        "sort": table.sort,
        "total": [_cell(cell) for cell in table.total],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    """Only what is said: most cells are a text alone."""
    said: dict[str, Any] = {"t": cell.text}
    for name, value in (("x", cell.exact), ("n", cell.tone), ("m", cell.mark), ("b", cell.below), ("p", cell.share)):
        if value not in ("", None):
            said[name] = value
    if cell.link:
        said["h"] = local(cell.link)
    if cell.code:
        said["c"] = 1
    if any(cell.course):
        most = max(cell.course)
        said["v"] = [value * 100 // most for value in cell.course]
    return said
