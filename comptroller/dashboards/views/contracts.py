"""Contracts: what was agreed with whom, since when and until when, and what another contract would have brought."""

from typing import Any

import streamlit as st

from comptroller.dashboards import frame, listing
from comptroller.dashboards.components.table import Cell, status
from comptroller.dashboards.listing import Column, Filter, Found, Listing, Row, Wanted
from comptroller.dashboards.look.markup import as_text, join, tag
from comptroller.dashboards.look.words import badge
from comptroller.dashboards.views import contract_terms, contract_trial, finance
from comptroller.dashboards.views.finance import day
from comptroller.office.switchboard import Declined

STANDINGS = {"in_force": "In force", "to_come": "To come", "ended": "Ended"}
TABS = {"terms": "Terms", "versions": "Versions", "text": "Text", "whatif": "What if"}
EXPORTED = (
    "contract", "customer", "version", "standing", "starts", "until", "currency", "period_months", "zone", "seats",
    "minimum", "most", "dispute_days", "grace_days", "due_days",
)  # fmt: skip
NOTHING = (
    "No contract yet",
    "A contract says what a customer pays for outcomes, seats, usage and model calls. Without one nothing is billed.",
    tag("span", "Write one as docs/contracts.md shows, name its file under ", tag("code", "contracts"),
        " in comptroller.yaml, and start again."),
)  # fmt: skip


def page() -> None:
    """The page."""
    customer = finance.said("customer")
    if customer:
        _one(customer)
        return
    frame.heading("Contracts", "What customers agreed to pay")
    listing.show(contracts())


def contracts() -> Listing:
    """Every version of every contract."""
    known = frame.source().get("/api/contracts")["contracts"]

    def find(wanted: Wanted) -> Found:
        rows = [row for row in known if _fits(row, wanted.said)]
        rows.sort(key=lambda row: str(row[wanted.sort] or ""), reverse=wanted.falling)
        return Found(rows[wanted.offset : wanted.offset + wanted.limit], len(rows))

    return Listing(
        "Contracts",
        columns(),
        find,
        [
            Filter("search", "Search", "search", hint="Customer or contract"),
            Filter("standing", "Standing", "one", tuple(STANDINGS), STANDINGS),
        ],
        sort="customer",
        exports=EXPORTED,
        nothing=NOTHING,
    )


def _fits(row: Row, said: Any) -> bool:
    text = f"{row['customer']}\n{row['contract']}".lower()
    return str(said.get("search", "")).lower() in text and said.get("standing") in (None, row["standing"])


def columns() -> list[Column]:
    """The columns of a list of contracts."""
    return [
        Column("customer", "Customer",
               lambda row: Cell(row["customer"], link=frame.address("contracts", customer=row["customer"])),
               sorts=True),
        Column("contract", "Contract", lambda row: Cell(row["contract"], row["version"])),
        Column("standing", "Standing", lambda row: status(row["standing"])),
        Column("starts", "Since", lambda row: Cell(day(row["starts"])), sorts=True),
        Column("until", "Until", lambda row: Cell(day(row["until"]) if row["until"] else "no end"), sorts=True),
        Column("currency", "Currency", lambda row: Cell(row["currency"])),
        Column("bills", "Bills", lambda row: Cell(bills(row)), wide=True),
        Column("invoices", "Invoices",
               lambda row: Cell("invoices", link=frame.address("invoices", customer=row["customer"]))),
    ]  # fmt: skip


def bills(row: Row) -> str:
    """What it bills, in a line."""
    parts = [price["title"] or price["name"] for price in (*row["outcomes"], *row["usage"])]
    parts += [f"{row['seats']} seats"] if row["seats"] else []
    parts += ["model calls"] if row["tokens_markup_percent"] is not None else []
    parts += ["a premium"] if row["premium_percent"] is not None else []
    parts += ["a minimum"] if row["minimum"] else []
    return ", ".join(parts) or "nothing"


def _one(customer: str) -> None:
    """One customer's contract."""
    try:
        versions = frame.source().get("/api/contract", customer=customer)["versions"]
    except Declined as error:
        if error.status not in (400, 404):
            raise
        frame.heading("Contract")
        frame.empty("There is no such contract", str(error), frame.link("All contracts", frame.address("contracts")))
        return
    shown = _shown(versions)
    links = join(
        frame.link("invoices", frame.address("invoices", customer=customer)), " · ",
        frame.link("outcomes", frame.address("outcomes", customer=customer)), " · ",
        frame.link("all contracts", frame.address("contracts")),
    )  # fmt: skip
    until = f" until {day(shown['until'])}" if shown["until"] else ""
    below = join(f"{shown['contract']} · since {day(shown['starts'])}{until} · ", links)
    frame.heading(f"Contract with {customer}", below, [badge(shown["standing"])])
    tab = _tab()
    if tab == "terms":
        contract_terms.draw(shown)
    elif tab == "versions":
        contract_terms.versions(versions)
    elif tab == "text":
        contract_terms.text(shown)
    else:
        contract_trial.draw(customer, shown)


def _shown(versions: list[Row]) -> Row:
    """The version the address names, else the one in force, else the newest."""
    wanted = frame.query("version")
    named = next((row for row in versions if row["version"] == wanted), None)
    return named or next((row for row in versions if row["standing"] == "in_force"), versions[-1])


def _tab() -> str:
    now = frame.query("tab", "terms")
    chosen = st.segmented_control(
        "Part",
        list(TABS),
        default=now if now in TABS else "terms",
        key=frame.key("tab"),
        format_func=lambda name: as_text(TABS[name]),
        label_visibility="collapsed",
    )
    frame.remember(tab="" if chosen in (None, "terms") else chosen)
    return chosen or "terms"
