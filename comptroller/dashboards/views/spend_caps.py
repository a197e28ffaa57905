"""Caps: what is settled and held on each, what is left, when it runs out at this pace; and a cap raised by hand."""

from calendar import monthrange
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing, session
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.listing import Column, Found, Listing, Row, Wanted
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.viewer import exact_time
from comptroller.dashboards.views import runs
from comptroller.office.keys import ORDERS

MOST = 200
LATELY = timedelta(days=3)
LENGTHS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
COUNTED = ("calls", "tokens")
EXPORTED = ("per", "who", "unit", "cap", "settled", "held", "left", "every", "resets", "over", "place")
NOTHING = (
    "No cap has anybody under it",
    f"Nobody whom a policy caps called in the last {LATELY.days} days. A cap refuses a call before it is made.",
    tag("span", "Write ", tag("code", "budgets: [{per: customer, cap: 50 USD, every: month}]"), " into a policy file."),
)


def draw() -> None:
    """The caps, those nearest to their end first."""
    frame.section(
        "Caps",
        f"Of whoever called in the last {LATELY.days} days, nearest to their end first. Held: for calls under way.",
    )
    rows = [_read(row) for row in _asked()]
    listing.show(
        Listing(
            "Caps",
            _columns(),
            lambda wanted: _page(rows, wanted),
            name="c_",
            size=15,
            exports=EXPORTED,
            nothing=NOTHING,
        )
    )
    _by_hand()
    if ORDERS in session.person().rights:
        _raise()


def _asked() -> list[Row]:
    """Those of whoever called lately: to look through all that ever called takes a second in large books."""
    since = (frame.today() - LATELY).replace(hour=0, minute=0, second=0, microsecond=0)
    rows: list[Row] = frame.source().get("/api/budgets", limit=MOST, since=since.isoformat())["budgets"]
    return rows


def _read(row: Row) -> dict[str, Any]:
    amounts = {name: Decimal(row[name]) for name in ("cap", "settled", "held", "left")}
    used = (amounts["settled"] + amounts["held"]) / amounts["cap"] if amounts["cap"] else Decimal(1)
    resets = datetime.fromisoformat(row["resets"]) if row["resets"] else None
    return {**row, **amounts, "used": used, "resets": resets}


def _columns() -> list[Column]:
    return [
        Column(
            "who",
            "Of",
            lambda row: Cell(row["who"] or f"every {row['per']}", row["place"], _runs(row), below=row["per"]),
        ),
        Column("used", "Used", _used, right=True),
        Column("cap", "Cap", lambda row: Cell(_amount(row, "cap"), row["place"], below=_every(row)), right=True),
        Column("settled", "Settled", lambda row: Cell(_amount(row, "settled")), right=True),
        Column("held", "Held", lambda row: Cell(_amount(row, "held")), right=True),
        Column("left", "Left", lambda row: Cell(_amount(row, "left")), right=True),
        Column("resets", "Starts anew", lambda row: runs.when(row["resets"]) if row["resets"] else Cell("never")),
        Column(
            "pace", "At this pace", _pace, wide=True, about="If it goes on as it has since the cap last started anew."
        ),
    ]


def _used(row: Row) -> Cell:
    tone = "failed" if row["used"] >= 1 else "asked" if row["used"] >= Decimal("0.8") else ""
    mark = "!" if tone else ""
    return Cell(frame.viewer().share(row["used"], 0), tone=tone, mark=mark, share=min(float(row["used"]), 1.0))


def _pace(row: Row) -> Cell:
    """When it would run out."""
    now, left = frame.today(), row["left"]
    if left <= 0:
        does = {
            "clamp": "calls are made smaller",
            "downgrade": "calls go to a smaller model",
            "ask": "a person is asked",
        }
        return Cell(f"Used up: {does.get(row['over'], 'calls are refused')}", tone="failed", mark="⊘")
    began = start_of(row["every"], row["resets"])
    if began is None or row["settled"] <= 0 or now <= began:
        return Cell("–")
    seconds = float(left) * (now - began).total_seconds() / float(row["settled"])
    if seconds > (row["resets"] - now).total_seconds():
        return Cell("Lasts until it starts anew")
    ends = now + timedelta(seconds=seconds)
    return Cell(f"Runs out {frame.viewer().time(ends)}", exact_time(ends), tone="asked", mark="!")


def start_of(every: str, resets: datetime | None) -> datetime | None:
    """When the window began that ends at `resets`; None where it has no end."""
    if resets is None:
        return None
    if every == "month":
        last = resets - timedelta(days=1)
        return resets - timedelta(days=monthrange(last.year, last.month)[1])
    return resets - LENGTHS[every] if every in LENGTHS else None


def _amount(row: Row, name: str) -> str:
    viewer, amount = frame.viewer(), row[name]
    return f"{viewer.count(int(amount))} {row['unit']}" if row["unit"] in COUNTED else viewer.money(amount, row["unit"])


def _every(row: Row) -> str:
    return f"a {row['every']}" if row["every"] not in ("", "run") else "in all"


def _runs(row: Row) -> str:
    if row["per"] == "run":
        return frame.address("run", id=row["who"])
    known = row["per"] in ("customer", "workflow", "agent", "model") and row["who"]
    return frame.address("runs", period="30d", **({row["per"]: row["who"]} if known else {}))


def _page(rows: list[dict[str, Any]], wanted: Wanted) -> Found:
    return Found(rows[wanted.offset : wanted.offset + wanted.limit], len(rows))


def _by_hand() -> None:
    """Caps that somebody set for a run."""
    caps = frame.source().get("/api/orders", limit=20)["caps"]
    if not caps:
        return
    frame.section("Caps set by hand")
    heads = [
        Head("run", "Run"),
        Head("cap", "Cap"),
        Head("by", "By"),
        Head("at", "When"),
        Head("because", "Why", wide=True),
    ]
    rows = [
        [runs.named(cap["run"]), Cell(cap["cap"]), Cell(cap["by"]), runs.when(datetime.fromisoformat(cap["at"])),
         Cell(cap["because"])]
        for cap in caps
    ]  # fmt: skip
    table.show(Table(heads, rows, "Caps set by hand"), key="spend_by_hand")


def _raise() -> None:
    """A run can be given another cap; that of a policy is changed in its file."""
    with st.expander("Raise the cap of a run"):
        frame.put(
            tag("p", "A cap of a customer or a tenant stands in a policy file, and is changed there.", cls="ct-sub")
        )
        run = st.text_input("Run", key="cap_run", max_chars=200, placeholder="Its id")
        cap = st.text_input("New cap", key="cap_new", max_chars=40, placeholder="5 USD")

        def raise_cap(because: str) -> str:
            told = frame.source().post("/api/orders/cap", run=run.strip(), cap=cap.strip(), because=because)
            return f"The cap of this run is {told['cap']} now."

        asks = f"Give the run {run.strip()} a cap of {cap.strip()}?"
        frame.act(
            "Set the cap", raise_cap, asks, key="cap_set", because=True, disabled=not (run.strip() and cap.strip())
        )
