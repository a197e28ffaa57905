"""Lists: filters, search, order and pages that live in the address, and an export of exactly what they show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

import streamlit as st

from comptroller.dashboards import export, frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.look.markup import Markup, as_text, tag
from comptroller.dashboards.source import Document

Row = Mapping[str, Any]
Kind = Literal["search", "one", "several", "text", "amount", "period"]
SIZE = 50  # rows of a page
MOST_EXPORTED = 100_000
PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30), "90d": timedelta(days=90)}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how a row's cell is drawn, and what an export says for it."""

    field: str
    title: str
    cell: Callable[[Row], Cell]
    right: bool = False
    sorts: bool = False
    inner: bool = False
    wide: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """One way to narrow the list; `name` is what the address calls it."""

    name: str
    title: str
    kind: Kind = "one"
    options: Sequence[str] = ()
    words: Mapping[str, str] = field(default_factory=dict)  # how options are called, where not by themselves
    hint: str = ""
    otherwise: str = ""  # what holds where the address says nothing


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page of the list should hold."""

    said: Mapping[str, Any]  # by filter; those that narrow nothing are left out
    sort: str
    falling: bool
    limit: int
    offset: int

    @property
    def params(self) -> dict[str, Any]:
        """The same as parameters of a named query."""
        return {**self.said, "sort": self.sort, "rising": not self.falling, "limit": self.limit, "offset": self.offset}


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one page, and how many there are in all."""

    rows: Sequence[Row]
    total: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A list. `name` goes before its parts in the address where a page has several lists."""

    title: str  # for whoever does not see it, and of exported files
    columns: Sequence[Column]
    find: Callable[[Wanted], Found]
    filters: Sequence[Filter] = ()
    sort: str = ""  # the order where the address says none; `-` before it: the highest first
    name: str = ""
    size: int = SIZE
    key: str = ""  # the field that tells rows apart, where one can be chosen
    exports: Sequence[str] = ()  # fields of an export; else those of the columns
    lines: bool = False  # also as JSON, a row a line
    nothing: tuple[str, str, str | Markup] = ("Nothing yet", "There is nothing to list.", "")


def show(listing: Listing) -> Row | None:
    """Draw the list; returns the chosen row, where rows can be chosen."""
    said = _filters(listing)
    return _list(listing, said)


def period(otherwise: str = "7d", name: str = "period") -> tuple[datetime, datetime]:
    """A choice of how far back to look; lives in the address. Ends with the hour, so that answers can be kept."""
    known = list(PERIODS)
    now = _known(frame.query(name, otherwise), known, otherwise)
    widget = st.segmented_control("Period", known, default=now, key=frame.key(name), label_visibility="collapsed")
    chosen = widget or otherwise
    frame.remember(**{name: "" if chosen == otherwise else chosen})
    until = frame.today().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return until - PERIODS[chosen], until


def _filters(listing: Listing) -> dict[str, Any]:
    """The widgets of the filters, and what they say."""
    if not listing.filters:
        return {}
    widths = [3 if each.kind in ("search", "several") else 2 for each in listing.filters]
    said: dict[str, Any] = {}
    for place, each in zip(st.columns(widths, vertical_alignment="bottom"), listing.filters, strict=True):
        with place:
            value = _widget(listing, each)
        if value not in (None, "", []):
            said[each.name] = value
    return said


def _widget(listing: Listing, one: Filter) -> Any:
    name = listing.name + one.name
    key, now = frame.key(name), frame.query(name, one.otherwise)
    label = as_text(one.title)

    def word(option: str) -> str:
        return one.words.get(option, option)

    value: Any
    if one.kind == "several":
        chosen = [option for option in now.split(",") if option in one.options]
        value = st.pills(
            label,
            one.options,
            selection_mode="multi",
            default=chosen,
            format_func=lambda option: as_text(word(option)),
            key=key,
        )
        _narrow(listing, name, ",".join(value))
        return value
    if one.kind == "one":
        options = ["", *one.options, *([now] if now and now not in one.options else [])]
        value = st.selectbox(
            label, options, index=options.index(now), format_func=lambda o: word(o) if o else "All", key=key
        )
    else:
        value = st.text_input(label, now, key=key, placeholder=as_text(one.hint) if one.hint else None, max_chars=200)
    _narrow(listing, name, "" if value == one.otherwise else value)
    return value


def _narrow(listing: Listing, name: str, value: str) -> None:
    """Make the address say it; another choice begins at the first page again."""
    if value != frame.query(name):
        frame.remember(**{name: value, listing.name + "page": ""})


def _list(listing: Listing, said: dict[str, Any]) -> Row | None:
    sort = _sort(listing)
    number = frame.query(listing.name + "page", "1")
    page = max(int(number) if number.isdecimal() and len(number) < 8 else 1, 1)  # no list has more
    wanted = Wanted(said, sort.lstrip("-"), sort.startswith("-"), listing.size, (page - 1) * listing.size)
    found = listing.find(wanted)
    if page > 1 and not found.rows:  # the filters were narrowed since
        frame.remember(**{listing.name + "page": ""})
        page, wanted = 1, Wanted(said, wanted.sort, wanted.falling, listing.size, 0)
        found = listing.find(wanted)
    if not found.rows:
        _nothing(listing, said)
        return None
    chosen = _table(listing, found, sort)
    _below(listing, wanted, found, page)
    return chosen


def _sort(listing: Listing) -> str:
    said = frame.query(listing.name + "sort", listing.sort)
    fields = [column.field for column in listing.columns if column.sorts]
    return said if said.lstrip("-") in fields else listing.sort


def _table(listing: Listing, found: Found, sort: str) -> Row | None:
    heads = [Head(c.field, c.title, c.right, c.sorts, c.inner, c.wide, c.about) for c in listing.columns]
    rows = [[column.cell(row) for column in listing.columns] for row in found.rows]
    keys = [str(row[listing.key]) for row in found.rows] if listing.key else []
    chosen = frame.query(listing.name + "chosen")
    asked = table.show(Table(heads, rows, listing.title, keys, chosen, sort), key=f"ct_{listing.name}table")
    if asked.sort and asked.sort != sort:
        frame.remember(
            **{listing.name + "sort": "" if asked.sort == listing.sort else asked.sort, listing.name + "page": ""}
        )
        st.rerun()
    if asked.chosen and asked.chosen != chosen:
        frame.remember(**{listing.name + "chosen": asked.chosen})
        st.rerun()
    return next((row for row, key in zip(found.rows, keys, strict=False) if key == chosen), None)


def _below(listing: Listing, wanted: Wanted, found: Found, page: int) -> None:
    """How many there are, the pages, and the export."""
    count, turn, out = st.columns([3, 4, 3], vertical_alignment="center")
    pages = max(-(-found.total // listing.size), 1)
    with count:
        first = wanted.offset + 1
        viewer = frame.viewer()
        frame.put(
            _text(
                f"{viewer.count(first)}–{viewer.count(wanted.offset + len(found.rows))} of {viewer.count(found.total)}"
            )
        )
    if pages > 1:
        with turn:
            _pager(listing, page, pages)
    with out:
        _export(listing, wanted, found.total)


def _pager(listing: Listing, page: int, pages: int) -> None:
    before, at, after = st.columns([1, 2, 1], vertical_alignment="center")
    name = listing.name + "page"
    if before.button("Back", key=f"ct_{name}_back", disabled=page <= 1, icon=":material/chevron_left:"):
        frame.remember(**{name: page - 1 if page > 2 else ""})
        st.rerun()
    with at:
        frame.put(_text(f"Page {page} of {frame.viewer().count(pages)}"))
    if after.button("Next", key=f"ct_{name}_next", disabled=page >= pages, icon=":material/chevron_right:"):
        frame.remember(**{name: page + 1})
        st.rerun()


def _export(listing: Listing, wanted: Wanted, total: int) -> None:
    """All rows that the filters let through, in the same order."""
    fields = listing.exports or [column.field for column in listing.columns]
    everything = Wanted(wanted.said, wanted.sort, wanted.falling, MOST_EXPORTED, 0)
    name = listing.title.lower().replace(" ", "-")
    with st.popover("Export", icon=":material/download:", key=f"ct_export_{listing.name}"):
        more = f" The first {MOST_EXPORTED:,}." if total > MOST_EXPORTED else ""
        st.caption(f"What the filters let through, in this order.{more}")
        more_forms = {export.LINES: "application/x-ndjson"} if listing.lines else {}
        for form, media in (export.MEDIA | more_forms).items():

            def make(form: str = form, media: str = media) -> Document:
                return Document(export.write(form, fields, listing.find(everything).rows), media, name)

            frame.download(form.upper(), make, f"{name}.{form}", media, key=f"ct_{listing.name}export_{form}")


def _nothing(listing: Listing, said: dict[str, Any]) -> None:
    if said:
        frame.empty(
            "Nothing matches these filters",
            "There is something, but none of it fits all of them.",
            "Clear a filter, or look further back.",
        )
    else:
        frame.empty(*listing.nothing)


def _text(text: str) -> Markup:
    return tag("span", text, cls="ct-sub")


def _known(value: str, options: Sequence[str], otherwise: str) -> str:
    return value if value in options else otherwise


def total(rows: Sequence[Row]) -> int:
    """How many rows there are in all, as each row of a page of them says."""
    return int(rows[0]["total"]) if rows else 0


def as_date(moment: datetime | date) -> str:
    """For parameters that want a day."""
    return moment.date().isoformat() if isinstance(moment, datetime) else moment.isoformat()
