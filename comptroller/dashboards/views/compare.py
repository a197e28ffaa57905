"""Compare: what differed between a run that failed and one that went well."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Column, Found, Listing, Wanted, total
from comptroller.dashboards.look.markup import Markup, join, tag
from comptroller.dashboards.look.viewer import exact_money, exact_time
from comptroller.dashboards.look.words import badge
from comptroller.dashboards.views import compare_rows, compare_texts, runs

Row = Mapping[str, Any]
OFFERED = 20  # good runs in the choice
TONES = {"same": ("ok", "✓"), "input": ("asked", "≠"), "output": ("failed", "≠"), "extra": ("failed", "+"),
         "missing": ("failed", "–")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs side by side, and the rows of one page of their comparison."""

    bad: Row
    good: Row
    laid: Row

    @property
    def first(self) -> int:
        """The number of the row where they part; -1 where nothing differs."""
        return int(self.laid["first"]["at"]) if self.laid["first"] else -1

    @property
    def course(self) -> int:
        """The number of the row where another step is first taken; -1 where none is."""
        return int(self.laid["course"]["at"]) if self.laid["course"] else -1


def page() -> None:
    """The page."""
    id = frame.query("bad")
    if not id:
        _which()
        return
    source = frame.source()
    bad = source.one("console_run", run=id)
    if bad is None:
        frame.heading("Compare")
        frame.empty("There is no such run", "Its id may be misspelt, or it belongs to somebody else.", _others())
        return
    frame.heading("Compare", _below(bad))
    good = _good(bad)
    if good is None:
        return
    pair = Pair(bad, good, _laid(id, str(good["run"]), _only()))
    _verdict(pair)
    _cards(pair)
    _versions(pair)
    compare_texts.draw(pair.bad, pair.good, pair.laid)
    compare_rows.draw(pair.bad, pair.good, pair.laid, pair.first, pair.course)


def _which() -> None:
    """The failed runs of late, each a link to its comparison."""
    title, when = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.heading("Compare", "Choose the run that went wrong: it is laid beside the last good one like it.")
    with when:
        since, until = listing.period("30d")
    listing.show(_failed(since, until))


def _failed(since: datetime, until: datetime) -> Listing:
    source = frame.source()
    bounds: dict[str, Any] = {"since": since.isoformat(), "until": until.isoformat(), "status": "error"}

    def find(wanted: Wanted) -> Found:
        rows = source.rows("console_runs", **bounds, **wanted.params)
        return Found(rows, total(rows))

    shown = [column for column in runs.columns() if column.field not in ("run", "status")]
    return Listing(
        "Failed runs",
        [Column("run", "Compare", _to_compare), *shown],
        find,
        [runs.SEARCH],
        sort="-started",
        exports=runs.EXPORTED,
        nothing=("No run failed", "No run of this period ended with an error.", _others()),
    )


def _to_compare(row: Row) -> Cell:
    run = str(row["run"])
    return Cell(runs.named(run).text, run, frame.address("compare", bad=run), code=True)


def _others() -> Markup:
    return frame.link("Look among all runs", frame.address("runs"))


def _below(bad: Row) -> Markup:
    said = [bad["workflow"] or "no workflow", bad["customer"], frame.viewer().time(bad["started"])]
    return join(" · ".join(each for each in said if each))


def _good(bad: Row) -> Row | None:
    """The run to hold it against: the one the address names, or the last good one like it."""
    source = frame.source()
    found = source.one("last_good_run", run=bad["run"])
    likely = str(found["run"]) if found else ""
    chosen = _choice(bad, likely)
    if not chosen:
        frame.empty(
            "There is nothing to compare it with",
            f"No run of {bad['workflow'] or 'its workflow'} ended well before it.",
            tag("span", "Name one in the address: ", tag("code", "/compare?bad=RUN&good=RUN"), "."),
        )
        return None
    if chosen == bad["run"]:
        frame.empty("This is the same run twice", "A run differs from itself in nothing.", "Choose another above.")
        return None
    row = source.one("console_run", run=chosen)
    if row is None:
        frame.empty("There is no such good run", "Its id may be misspelt, or it belongs to somebody else.", _others())
    return row


def _choice(bad: Row, likely: str) -> str:
    source, viewer = frame.source(), frame.viewer()
    found = source.rows("console_good_runs", workflow=bad["workflow"], before=bad["started"].isoformat(), limit=OFFERED)
    known = {str(row["run"]): row for row in found}
    said = frame.query("good", likely)
    options = list(dict.fromkeys(each for each in (likely, said, *known) if each))
    if not options:
        return ""

    def word(id: str) -> str:
        row = known.get(id)
        told = [runs.named(id).text, "the last good run like it" if id == likely else ""]
        told += (
            [viewer.time(row["started"]), row["customer"], viewer.money(row["cost"], row["currency"])] if row else []
        )
        return " · ".join(each for each in told if each)

    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        chosen = str(
            st.selectbox(
                "Compare with", options, index=options.index(said), format_func=word, key=frame.key("good")
            )
        )  # fmt: skip
    with right:
        only = st.toggle("Only differences", value=_only(), key=frame.key("only"))
    if chosen != frame.query("good", likely) or only != _only():
        frame.remember(good="" if chosen == likely else chosen, only="" if only else "no", page="", row="")
    return chosen


def _only() -> bool:
    return frame.query("only") != "no"


def _laid(bad: str, good: str, only: bool) -> Row:
    row, page = compare_rows.wanted_row(), compare_rows.wanted_page()
    where: dict[str, object] = {"offset": (page - 1) * compare_rows.SIZE} if page else {"around": max(row, 0)}
    laid: Row = frame.source().get(
        f"/api/runs/{quote(bad, safe='/:@+=')}/diff",
        good=good,
        differences="true" if only else "false",
        limit=compare_rows.SIZE,
        **where,
    )
    return laid


def _verdict(pair: Pair) -> None:
    """Where they part, in words, with the way there."""
    laid = pair.laid
    tone, mark = TONES[laid["kind"]]
    ways: list[str | Markup] = []
    if pair.first >= 0:
        ways.append(frame.link("Show the first difference", _at(pair, pair.first)))
    if pair.course not in (-1, pair.first):
        ways += [" · ", frame.link("Show where their steps part", _at(pair, pair.course))]
    frame.banner(tone, laid["verdict"], join(*ways), mark)


def _at(pair: Pair, row: int) -> str:
    return frame.address(
        "compare", bad=pair.bad["run"], good=frame.query("good"), only=frame.query("only"), row=row
    )  # fmt: skip


def _cards(pair: Pair) -> None:
    left, right = st.columns(2)
    with left, st.container(border=True):
        _card("Good run", pair.good, None)
    with right, st.container(border=True):
        _card("Bad run", pair.bad, pair.good)


def _card(title: str, row: Row, against: Row | None) -> None:
    id, viewer = str(row["run"]), frame.viewer()
    link = frame.link(runs.named(id).text, frame.address("run", id=id), title=id)
    when = tag("span", viewer.time(row["started"]), cls="ct-sub", title=exact_time(row["started"]))
    frame.put(tag("h2", f"{title} ", tag("code", link), " ", badge(row["status"]), " ", when, cls="ct-section"))
    frame.figures(_figures(row, against), plain=True)


def _figures(row: Row, against: Row | None) -> list[Figure]:
    """What a run came to, and how far that is from the other."""
    viewer, spent = frame.viewer(), row["cost"] or Decimal(0)
    before = against or {}
    others = "".join(f" + {viewer.money(each['cost'], each['currency'])}" for each in row["other_costs"] or ())
    cheaper = before.get("cost") if before.get("currency") == row["currency"] else None
    took = _took(row)
    return [
        Figure("Took", viewer.lasted(took), "", _change(took, _took(against))),
        Figure(
            "Cost",
            viewer.money(spent, row["currency"]) + others,
            exact_money(spent, row["currency"]),
            _change(spent, cheaper),
        ),
        Figure("Calls", viewer.count(row["calls"]), "", _change(row["calls"], before.get("calls"))),
        Figure("Failed", viewer.count(row["failed"]), "", _more(row["failed"], before.get("failed"))),
        Figure("Refused", viewer.count(row["refused"]), "", _more(row["refused"], before.get("refused"))),
    ]


def _took(row: Row | None) -> float | None:
    if row is None:
        return None
    end = row["ended"] or row["latest"]
    return (end - row["started"]).total_seconds() if end else None


def _change(now: Any, before: Any) -> str:
    """Against the good run, in per cent; nothing where there is nothing to compare with."""
    if now is None or not before or now == before:
        return ""
    share = (Decimal(str(now)) - Decimal(str(before))) / Decimal(str(before))
    sign = "+" if share > 0 else "−"
    return f"{sign}{frame.viewer().share(abs(share), 0)}"


def _more(now: int, before: int | None) -> str:
    return "" if before is None or now == before else f"{now - before:+d}"


def _versions(pair: Pair) -> None:
    """Policies, prices and models that were not the same: they may explain all the rest."""
    names = {"policy": "Policy version", "price": "Price version", "model": "Models"}
    changes = pair.laid["versions"]
    if changes:
        frame.section("Not the same versions")
        frame.facts(
            (names.get(one["what"], one["what"]), _sides(one["good"] or "none", one["bad"] or "none"))
            for one in changes
        )


def _sides(good: str, bad: str) -> Markup:
    return join(tag("code", good), " → ", tag("code", bad))
