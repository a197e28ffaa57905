"""Papers of an invoice: what can be taken away, and what came in or was given back."""

import json
from typing import Any

import streamlit as st

from comptroller.dashboards import export, frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.source import Document
from comptroller.dashboards.views.finance import money, path, when

Told = dict[str, Any]
LINES = (
    "line", "kind", "title", "about", "quantity", "unit", "amount", "discount", "net", "tax", "currency", "type",
    "period", "outcomes", "cost", "margin",
)  # fmt: skip
FORMS = {"pdf": "application/pdf", "html": "text/html", "json": "application/json"}
PAYMENTS = (Head("at", "Paid on"), Head("reference", "Reference", wide=True), Head("amount", "Amount", True))
NOTES = (
    Head("number", "Credit note"), Head("at", "Issued"), Head("because", "Why", wide=True), Head("outcome", "Outcome"),
    Head("net", "Before tax", True), Head("total", "Total", True),
)  # fmt: skip
DRAWN = 12  # credit notes that can be taken away from here


def downloads(told: Told, number: str) -> None:
    """The files."""
    name = number or f"draft-{told['customer']}-{told['period']}"
    with st.popover("Download", icon=":material/download:", width="stretch"):
        for form, media in FORMS.items() if number else ():
            frame.download(form.upper(), _drawn(number, form), f"{name}.{form}", media, key=f"inv_{form}")
        if number:
            frame.download("Recount pack", _pack(number), f"{name}-recount.zip", "application/zip", key="inv_pack")
        else:
            frame.download("JSON", lambda: _json(told, name), f"{name}.json", "application/json", key="inv_json")
        frame.download("CSV of lines", lambda: _lines(told, name), f"{name}.csv", "text/csv", key="inv_csv")


def _drawn(number: str, form: str) -> Any:
    source = frame.source()
    return lambda: source.fetch(path("invoices", number), form=form)


def _pack(number: str) -> Any:
    source = frame.source()
    return lambda: source.fetch(path("invoices", number, "pack"))


def _json(told: Told, name: str) -> Document:
    return Document(json.dumps(told, indent=1, ensure_ascii=False).encode(), "application/json", name)


def _lines(told: Told, name: str) -> Document:
    rows = [{**line, "currency": told["currency"]} for line in told["lines"]]
    return Document(export.as_csv(LINES, rows), "text/csv", name)


def settled(told: Told) -> None:
    """Payments and credit notes, where there are any."""
    unit = told["currency"]
    if told["payments"]:
        frame.section("Payments")
        rows = [[when(one["at"]), Cell(one["reference"]), money(one["amount"], unit)] for one in told["payments"]]
        table.show(Table(PAYMENTS, rows, "Payments"), key="inv_payments")
    if told["credit_notes"]:
        frame.section("Credit notes")
        table.show(Table(NOTES, [_note(one, unit) for one in told["credit_notes"]], "Credit notes"), key="inv_notes")
        _drawn_notes(told["credit_notes"])


def _note(one: Told, unit: str) -> list[Cell]:
    outcome = one["outcome"]
    return [
        Cell(one["number"]),
        when(one["at"]),
        Cell(one["because"] or "–"),
        Cell(f"…{outcome[-8:]}", outcome, frame.address("outcomes", id=outcome), code=True) if outcome else Cell("–"),
        money(one["net"], unit),
        money(one["total"], unit),
    ]


def _drawn_notes(notes: list[Told]) -> None:
    source = frame.source()
    numbered = [note["number"] for note in notes if note["number"]][:DRAWN]
    if not numbered:
        return
    with st.popover("Credit notes as PDF", icon=":material/download:"):
        for number in numbered:

            def make(number: str = number) -> Document:
                return source.fetch(path("credit-notes", number))

            frame.download(number, make, f"{number}.pdf", "application/pdf", key=f"note_{number}")
