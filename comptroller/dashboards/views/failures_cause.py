"""One cause of failures: how often on which day, what helps, and the runs it struck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.core.money import NANOS
from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.series import Period, columns, series
from comptroller.dashboards.components.table import Cell
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Wanted, total
from comptroller.dashboards.look import money
from comptroller.dashboards.look.markup import join, tag
from comptroller.dashboards.look.viewer import exact_time
from comptroller.dashboards.look.words import word_for
from comptroller.dashboards.views import runs
from comptroller.dashboards.views.run_look import bounds
from comptroller.tracing.remedies import PROGRAM, remedy_for
from comptroller.tracing.step import FAILED, Step

Row = Mapping[str, Any]
LARGEST = 5_000  # calls of a run that is looked through for the one that failed so


@dataclass(frozen=True, slots=True)
class Cause:
    """What failures have in common: the message without what differs, and where. Empty: any."""

    text: str
    kind: str = ""
    name: str = ""
    status: str = ""

    @classmethod
    def of(cls, row: Row) -> "Cause":
        """That of a row of `console_causes`."""
        return cls(row["cause"], row["kind"], row["name"], row["status"])

    @property
    def words(self) -> str:
        """What it is called: by its message, or by how the calls ended where they left none."""
        if any(letter.isalpha() for letter in self.text):
            return self.text
        ended = word_for(self.status).word if self.status else "Failed"
        return f"{ended}: {self.text}" if self.text else ended

    def address(self, **more: object) -> str:
        """Where it is shown, in the same period."""
        said = {"cause": self.text, "of": self.kind, "place": self.name, "ended": self.status}
        return frame.address("failures", period=frame.query("period"), **said, **more)

    @property
    def params(self) -> dict[str, str]:
        """As `console_runs` asks for it."""
        said = {"cause_kind": self.kind, "cause_name": self.name, "cause_status": self.status}
        return {"cause": self.text} | {name: value for name, value in said.items() if value}

    def fits(self, row: Row) -> bool:
        """Whether a row of `console_causes` is one of its."""
        mine = (self.kind, self.name, self.status)
        return row["cause"] == self.text and all(
            not said or said == row[name] for name, said in zip(("kind", "name", "status"), mine, strict=True)
        )


def named() -> Cause | None:
    """The cause that the address names."""
    said = st.query_params
    if "cause" not in said and "ended" not in said:
        return None
    return Cause(frame.query("cause"), frame.query("of"), frame.query("place"), frame.query("ended"))


def draw(cause: Cause, span: Mapping[str, str], days: Sequence[date]) -> None:
    """Everything about one cause."""
    back = frame.link("All failures", frame.address("failures", period=frame.query("period")))
    where = " ".join(each for each in (cause.kind, cause.name) if each)
    frame.section(cause.words)
    frame.put(tag("p", join(back, " · ", where) if where else back, cls="ct-sub"))
    kind = {"kind": cause.kind} if cause.kind else {}
    found = frame.source().rows("console_causes", cause=cause.text, limit=1000, **kind, **span)
    groups = [row for row in found if cause.fits(row)]
    if not groups:
        frame.empty("It did not strike in this period", "Nothing failed so.", "Look further back.")
        return
    newest = max(groups, key=lambda row: row["latest"])
    _help(newest)
    frame.figures(_figures(cause, groups, span))
    if len(groups) > 1:
        _places(groups)
    _trend(groups, span, days)
    _runs(cause, span)


def _help(newest: Row) -> None:
    """What was said last, what helps, and the ways to look closer."""
    run = frame.source().one("console_run", run=newest["last_run"])
    call = _call(newest, run) if run else None
    remedy = remedy_for(_step(call)) if call else PROGRAM if newest["kind"] == "run" else ""
    said = str(call["error"] if call else run["error"] if run else "")[:500]
    links = [frame.link("Newest run", frame.address("run", id=newest["last_run"], span=call["id"] if call else ""))]
    if frame.links("compare"):
        to = frame.address("compare", bad=newest["last_run"])
        links += [tag("span", " · "), frame.link("Compare it with the last good run", to)]
    frame.banner("failed", said or "It left no message.", join(f"{remedy} " if remedy else "", *links), "✕")


def _call(newest: Row, run: Row) -> Row | None:
    """The call of a run that failed so, the last of them; none in a run too long to look through for it."""
    if run["calls"] > LARGEST or newest["kind"] == "run":
        return None
    tree = frame.source().rows("run_tree", run=run["run"], **bounds(run))
    mine = Cause.of(newest)
    alike = [row for row in tree if (row["kind"], row["name"], row["status"]) == (mine.kind, mine.name, mine.status)]
    return next((row for row in reversed(alike) if row["status"] in FAILED), None)


def _step(call: Row) -> Step:
    return Step(
        call["id"], call["parent"], call["kind"], call["name"], call["status"], call["started"],
        place=call["place"], upstream_status=call["upstream_status"],
    )  # fmt: skip


def _figures(cause: Cause, groups: Sequence[Row], span: Mapping[str, str]) -> list[Figure]:
    viewer = frame.viewer()
    first, latest = min(row["first_ever"] for row in groups), max(row["latest"] for row in groups)
    struck = frame.source().one("console_runs_count", **cause.params, **span)
    costs = _costs(groups)
    new = all(row["is_new"] for row in groups)
    return [
        Figure("Times", viewer.count(sum(row["calls"] for row in groups))),
        Figure("Runs struck", viewer.count(struck["runs"] if struck else None)),
        Figure("Spent in vain", money.shown(viewer, costs), money.exact(costs)),
        Figure("First seen", viewer.time(first), exact_time(first), "New in this period" if new else "", "asked"),
        Figure("Latest", viewer.time(latest), exact_time(latest)),
    ]


def _costs(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What several rows cost together, by currency."""
    sums: dict[str, Decimal] = {}
    for each in (cost for row in rows for cost in row["costs"] or ()):
        sums[each["currency"]] = sums.get(each["currency"], Decimal(0)) + each["cost"]
    return [{"currency": currency, "cost": cost} for currency, cost in sums.items()]


def _places(groups: Sequence[Row]) -> None:
    """Where it struck, where that is in several places."""
    frame.section("Where")
    frame.cards(
        (
            frame.link(f"{row['kind']} {row['name']}", Cause.of(row).address()),
            frame.viewer().count(row["calls"]),
            word_for(row["status"]).word,
        )
        for row in groups
    )


def _trend(groups: Sequence[Row], span: Mapping[str, str], days: Sequence[date]) -> None:
    """Day by day."""
    frame.section("By day")
    wanted = {(row["kind"], row["name"], row["status"]) for row in groups}
    rows = frame.source().rows("console_cause_trend", cause=groups[0]["cause"], **span)
    rows = [row for row in rows if (row["kind"], row["name"], row["status"]) in wanted]
    currency = money.main(_costs(rows))[1]
    periods = []
    for day in days:
        struck = [row for row in rows if row["day"] == day]
        lost = int(money.of(_costs(struck), currency) * NANOS)
        times = sum(row["calls"] for row in struck)
        periods.append(Period(datetime.combine(day, time(), UTC), lost, times, times))
    series(columns(periods, currency or "USD", "Spent in vain"), key="cause_trend", height=220)


def _runs(cause: Cause, span: Mapping[str, str]) -> None:
    """The runs it struck; each can be compared with a good one."""
    frame.section("Runs it struck")
    source = frame.source()
    fixed = {**cause.params, **span}

    def find(wanted: Wanted) -> Found:
        rows = source.rows("console_runs", **fixed, **wanted.params)
        return Found(rows, total(rows))

    listing.show(
        Listing(
            "Runs it struck",
            [*runs.columns(), *([Column("compare", "Compare", _compare)] if frame.links("compare") else [])],
            find,
            [runs.SEARCH, Filter("status", "How the run ended", "one", runs.STATUSES, runs.WORDS)],
            sort="-started",
            name="r_",
            exports=runs.EXPORTED,
            nothing=(
                "No run of this period",
                "The calls that failed so belong to runs that began before it.",
                "Look further back.",
            ),
        )
    )


def _compare(row: Row) -> Cell:
    if row["status"] in ("ok", "open"):
        return Cell("")
    return Cell("with a good run", link=frame.address("compare", bad=row["run"]))
