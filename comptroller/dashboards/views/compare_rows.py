"""All calls of two runs in two columns, agent by agent: equal ones folded, others with what differs."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from urllib.parse import quote

import streamlit as st

from comptroller.dashboards import export, frame
from comptroller.dashboards.look.markup import Markup, as_text, join, tag
from comptroller.dashboards.look.viewer import exact_money
from comptroller.dashboards.look.words import badge
from comptroller.dashboards.source import Document

Row = Mapping[str, Any]
SIZE = 200  # rows of a page
MOST = 20_000  # rows of an export
LARGEST = 1000  # rows of one answer
TEXTS = ("prompt", "args", "reply", "result")
UNTOLD = {"args": "other arguments", "reply": "another reply", "result": "another result", "prompt": "other messages"}
FIELDS = (
    "what", "lane", "kind", "name", "count", "differs", "good_call", "good_status", "good_error", "good_cost",
    "good_currency", "bad_call", "bad_status", "bad_error", "bad_cost", "bad_currency",
)  # fmt: skip


def wanted_row() -> int:
    """The number of the row that the address names; -1 for none."""
    said = frame.query("row")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 9 else -1


def wanted_page() -> int:
    """The page that the address names; 0 for none."""
    said = frame.query("page")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 6 else 0


def draw(bad: Row, good: Row, laid: Row, first: int, course: int) -> None:
    """The table with its pages and its export."""
    frame.section("Call by call", _counted(laid["counts"]))
    if not laid["rows"]:
        frame.empty("Every call is equal", "Both runs asked the same and got the same.", "Show equal calls above.")
        return
    frame.put(tag("div", _table(bad, good, laid["rows"], first, course), cls="ct-wide"))
    _below(bad, good, laid)


def _counted(counts: Row) -> str:
    words = {
        "equal": "equal", "changed": "changed", "only_good": "only in the good run", "only_bad": "only in the bad run",
        "not_reached": "not reached",
    }  # fmt: skip
    viewer = frame.viewer()
    return " · ".join(f"{viewer.count(counts[what])} {word}" for what, word in words.items() if counts[what])


def _table(bad: Row, good: Row, rows: Sequence[Row], first: int, course: int) -> Markup:
    heads = tag("tr", tag("th", "Good run", scope="col"), tag("th", "Bad run", scope="col"))
    lines: list[Markup] = []
    for path, lane in groupby(rows, key=lambda row: row["path"]):
        lines.append(tag("tr", tag("th", _lane(path), colspan="2", scope="rowgroup"), cls="ct-lane"))
        lines += [_line(bad, good, row, first, course) for row in lane]
    return tag("table", tag("thead", heads), tag("tbody", *lines), cls="ct-diff")


def _lane(path: Sequence[str]) -> str:
    return " › ".join(path) or "the run itself"


def _line(bad: Row, good: Row, row: Row, first: int, course: int) -> Markup:
    chosen = "ct-chosen" if row["at"] == wanted_row() else None
    if row["what"] == "equal":
        many = f"{frame.viewer().count(row['count'])} equal call{'s' * (row['count'] != 1)}"
        text = join(many, ": ", _named(good, row["good"], row), "" if row["count"] == 1 else " and those after it")
        return tag("tr", tag("td", text, colspan="2", cls="ct-equal"), cls=chosen)
    marks = [tag("span", "First difference", cls="ct-badge ct-failed")] if row["at"] == first else []
    if row["at"] == course and course != first:
        marks.append(tag("span", "First other step", cls="ct-badge ct-failed"))
    here = _side(bad, row["bad"], row, join(*marks, *_differs(bad, row)) if row["bad"] else None)
    if row["what"] == "not_reached":
        here = tag("td", tag("span", "Not reached", cls="ct-sub"), *marks, cls="ct-gone")
    elif row["bad"] is None:
        here = tag("td", tag("span", "Not made", cls="ct-sub"), *marks, cls="ct-gone")
    there = _side(good, row["good"], row, None)
    return tag("tr", there, here, cls=" ".join(filter(None, (chosen, "ct-first" if marks else ""))) or None)


def _side(run: Row, side: Row | None, row: Row, below: Markup | None) -> Markup:
    """A call as one run has it; hatched where it has none."""
    if side is None:
        return tag("td", tag("span", "Not made", cls="ct-sub"), cls="ct-gone")
    status = None if side["status"] == "ok" else badge(side["status"])
    head = tag("div", tag("span", _named(run, side, row), " ", status), tag("span", _figures(side)), cls="ct-top")
    error = tag("div", str(side["error"])[:400], cls="ct-error") if side["error"] else None
    more = tag("div", below, cls="ct-sub") if below else None
    trouble = side["status"] not in ("ok", "open")
    return tag("td", head, error, more, cls="ct-trouble" if trouble else None)


def _named(run: Row, side: Row | None, row: Row) -> Markup:
    name = str(side["name"] if side else row["name"]) or "?"
    to = frame.address("run", id=run["run"], span=side["call"]) if side else ""
    return join(tag("span", row["kind"] + " ", cls="ct-kind"), frame.link(name, to))


def _figures(side: Row) -> Markup:
    viewer = frame.viewer()
    cost = Decimal(side["cost"])
    begun, ended = (datetime.fromisoformat(side[name]) if side[name] else None for name in ("started", "ended"))
    took = viewer.lasted((ended - begun).total_seconds()) if begun and ended else "under way"
    money = f" · {viewer.money(cost, side['currency'])}" if cost else ""
    return tag("span", f"{took}{money}", cls="ct-nums", title=exact_money(cost, side["currency"]) if cost else None)


def _differs(bad: Row, row: Row) -> Iterator[Markup | str]:
    """What is different, and the way to the texts where they are."""
    for change in row["changes"]:
        yield join(" ", _change(change), ". ")
    if row["what"] == "only_bad":
        yield " Only the bad run made this call. "
    if any(change["what"] in TEXTS for change in row["changes"]):
        to = frame.address(
            "compare", bad=bad["run"], good=frame.query("good"), only=frame.query("only"), row=row["at"]
        )  # fmt: skip
        yield frame.link("What was said", to)


def _change(change: Row) -> str:
    if change["what"] in UNTOLD:
        since = f" from number {change['message']:,} on" if change["message"] else ""
        return UNTOLD[change["what"]] + since
    if change["what"] in ("cost", "duration"):
        return f"{change['what']} {change['bad']}, not {change['good']}"
    if change["what"] in ("status", "error"):
        return f"another {change['what']}"
    return f"{change['what']} {change['bad'] or 'none'}, not {change['good'] or 'none'}"


def _below(bad: Row, good: Row, laid: Row) -> None:
    """Where one is among the rows, the pages, and the export."""
    count, turn, out = st.columns([3, 4, 3], vertical_alignment="center")
    viewer, begin = frame.viewer(), laid["offset"]
    page, pages = begin // SIZE + 1, -(-laid["total"] // SIZE)
    with count:
        said = (
            f"{viewer.count(begin + 1)}–{viewer.count(begin + len(laid['rows']))} of {viewer.count(laid['total'])} rows"
        )
        frame.put(tag("span", said, cls="ct-sub"))
    with turn:
        _turn(page, pages)
    with out:
        _export(str(bad["run"]), str(good["run"]))


def _turn(page: int, pages: int) -> None:
    if pages < 2:
        return
    back, at, on = st.columns([1, 2, 1], vertical_alignment="center")
    if back.button("Back", key="ct_rows_back", disabled=page <= 1, icon=":material/chevron_left:"):
        frame.remember(page=page - 1, row="")
        st.rerun()
    with at:
        frame.put(tag("span", f"Page {page} of {frame.viewer().count(pages)}", cls="ct-sub"))
    if on.button("Next", key="ct_rows_next", disabled=page >= pages, icon=":material/chevron_right:"):
        frame.remember(page=page + 1, row="")
        st.rerun()


def _export(bad: str, good: str) -> None:
    source, only = frame.source(), frame.query("only") != "no"

    def rows() -> list[Row]:
        found: list[Row] = []
        while len(found) < MOST:
            laid = source.get(
                f"/api/runs/{quote(bad, safe='/:@+=')}/diff", good=good, differences="true" if only else "false",
                limit=LARGEST, offset=len(found),
            )  # fmt: skip
            found += [flat(row) for row in laid["rows"]]
            if len(laid["rows"]) < LARGEST:
                break
        return found

    with st.popover("Export", icon=":material/download:"):
        st.caption(as_text(f"All rows as they are shown, the first {MOST:,}."))
        for form in ("csv", "json"):

            def make(form: str = form) -> Document:
                return Document(export.write(form, FIELDS, rows()), export.MEDIA[form], "comparison")

            frame.download(form.upper(), make, f"comparison.{form}", export.MEDIA[form], key=f"ct_rows_{form}")


def flat(row: Row) -> Row:
    """A row of the comparison as one of a file."""
    flat: dict[str, Any] = {name: row[name] for name in ("what", "kind", "name", "count")}
    flat["lane"] = _lane(row["path"])
    flat["differs"] = "; ".join(_change(change) for change in row["changes"])
    for which in ("good", "bad"):
        side = row[which] or {}
        flat |= {f"{which}_{name}": side.get(name, "") for name in ("call", "status", "error", "cost", "currency")}
    return flat
