"""Outcomes: which successes can be billed, on what evidence, and what each brought."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.look.markup import join, tag
from comptroller.dashboards.views import finance, outcome_one

PENDING, DISPUTED, REJECTED = "claimed,pending", "disputed,disputed_unbilled", "rejected,expired"
BILLED, BACK = "billed,final", "reversed,clawed_back"
STATES = {
    PENDING: "Pending", "verified": "Verified", BILLED: "Billed", DISPUTED: "Disputed", REJECTED: "Rejected",
    "duplicate": "Duplicate", BACK: "Taken back",
}  # fmt: skip
NARROWED = {  # what a link may narrow the list by, whatever the period
    "verified": "verified in {}", "taken_back": "of which something was taken back in {}",
    "invoice": "on {}", "run": "of run {}",
}  # fmt: skip
EXPORTED = (
    "outcome", "type", "subject", "customer", "workflow", "run", "state", "because", "method", "attestor", "fee",
    "currency", "reversed", "cost", "cost_currency", "margin", "invoice", "claimed", "verified", "billed", "due",
)  # fmt: skip
NOTHING = (
    "No outcome was claimed yet",
    "An outcome is a success that somebody may pay for. It shows here from the moment an agent claims it.",
    tag("span", "An agent claims one with ", tag("code", "run.claim(type, subject, evidence)"), "; what counts is "
        "written in the files under ", tag("code", "outcomes"), ", see docs/outcomes.md."),
)  # fmt: skip


def page() -> None:
    """The page."""
    id = frame.query("id")
    if id:
        outcome_one.draw(id)
        return
    title, when = st.columns([3, 2], vertical_alignment="center")
    narrowed = {name: value for name in NARROWED if (value := _asked(name))}
    bounds: dict[str, str] = {}
    with title:
        frame.heading("Outcomes", _narrowed(narrowed) if narrowed else "Successes by when they were claimed")
    if not narrowed:
        with when:
            since, until = listing.period("90d")
        bounds = {"since": since.isoformat(), "until": until.isoformat()}
    standing = frame.source().get("/api/books/outcomes", **bounds)
    if not narrowed:
        frame.figures(_figures(standing["states"]))
    listing.show(outcomes(standing, {**bounds, **narrowed}))


def _asked(name: str) -> str:
    return finance.said_month(name) if name in ("verified", "taken_back") else finance.said(name)


def outcomes(standing: Mapping[str, Any], fixed: Mapping[str, object]) -> Listing:
    """The list of outcomes."""

    def find(wanted: Wanted) -> Found:
        return finance.pages("/api/outcomes", "outcomes", wanted, **fixed)

    return Listing(
        "Outcomes",
        columns(),
        find,
        [
            Filter("search", "Search", "search", hint="Subject, id, run or reason"),
            Filter("state", "State", "one", tuple(STATES), STATES),
            Filter("type", "Type", "one", standing["types"]),
            Filter("customer", "Customer", "one", standing["customers"]),
            Filter("workflow", "Workflow", "one", standing["workflows"]),
        ],
        sort="-claimed",
        exports=EXPORTED,
        nothing=NOTHING,
    )


def columns() -> list[Column]:
    """The columns of a list of outcomes."""
    return [
        Column("subject", "Outcome", _named),
        Column("state", "State", lambda row: status(row["state"], exact=row["because"])),
        Column("customer", "Customer", lambda row: Cell(row["customer"])),
        Column("claimed", "Claimed", lambda row: finance.when(row["claimed"]), sorts=True),
        Column("verified", "Verified", _verified, sorts=True, about="When, and on whose word"),
        Column("fee", "Fee", _fee, right=True, sorts=True),
        Column("cost", "Our cost", lambda row: finance.money(row["cost"], row["cost_currency"]), right=True, inner=True,
               about="Its part of what its run spent"),
        Column("margin", "Margin", lambda row: finance.margin(row["margin"], row["fee"]), right=True, inner=True,
               about="What is left of the fee, less what was taken back and what its run cost"),
        Column("invoice", "Invoice", _invoice),
        Column("due", "Deadline", lambda row: finance.when(row["due"]), sorts=True),
    ]  # fmt: skip


def _named(row: Row) -> Cell:
    return Cell(
        finance.short(row["subject"]) or row["type"],
        f"{row['subject']} ({row['outcome']})",
        frame.address("outcomes", id=row["outcome"]),
        below=row["type"],
    )


def _verified(row: Row) -> Cell:
    if not row["verified"]:
        return Cell("–")
    at = finance.when(row["verified"])
    return Cell(at.text, at.exact, below=row["attestor"] or row["method"] or "")


def _fee(row: Row) -> Cell:
    back = Decimal(row["reversed"])
    below = f"less {frame.viewer().money(back, row['currency'])}" if back else ""
    return finance.money(row["fee"], row["currency"], below=below)


def _invoice(row: Row) -> Cell:
    number = row["invoice"]
    return Cell(number or "–", link=frame.address("invoices", inv=number) if number else "")


def _figures(states: list[Row]) -> list[Figure]:
    return [
        _counted("Verified, not billed", "verified", states),
        _counted("Pending", PENDING, states, "not attested yet"),
        _counted("Disputed", DISPUTED, states),
        _counted("Rejected", REJECTED, states, "earn nothing"),
        _billed(states),
    ]


def _counted(name: str, group: str, states: list[Row], note: str = "") -> Figure:
    """How many are in some states, and what they come to."""
    mine = [row for row in states if row["state"] in group.split(",")]
    shown, exact = finance.sums(finance.added((fee, unit) for row in mine for unit, fee in row["fees"].items()))
    tone = "asked" if mine and group == DISPUTED else "plain"
    count = sum(row["outcomes"] for row in mine)
    said = (shown if exact else note) if count else ""
    return Figure(name, frame.viewer().count(count), exact, said, tone, frame.address("outcomes", state=group, **_at()))


def _billed(states: list[Row]) -> Figure:
    """What is billed and still stands."""
    mine = [row for row in states if row["state"] in (*BILLED.split(","), "disputed")]
    total = finance.added((fee, unit) for row in mine for unit, fee in row["fees"].items())
    for row in mine:
        for unit, back in row["reversed"].items():
            total[unit] -= Decimal(back)
    shown, exact = finance.sums(total)
    count = frame.viewer().count(sum(row["outcomes"] for row in mine))
    to = frame.address("outcomes", state=f"{BILLED},disputed", **_at())
    return Figure("Billed", shown, exact, f"{count} outcomes", link=to)


def _at() -> dict[str, str]:
    return {"period": frame.query("period")}


def _narrowed(narrowed: Mapping[str, str]) -> Any:
    """What the list is about where a link narrowed it, and the way out."""
    said = [NARROWED[name].format(_told(name, value)) for name, value in narrowed.items()]
    return join(f"Those {' and '.join(said)} · ", frame.link("show all", frame.address("outcomes")))


def _told(name: str, value: str) -> str:
    if name in ("verified", "taken_back"):
        return finance.month(value)
    return value[-12:] if name == "run" else value
