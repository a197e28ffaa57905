"""A contract in words: prices with their tiers, seats, premium, minimum and dates; its text; its versions."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table, status
from comptroller.dashboards.listing import Row
from comptroller.dashboards.look.markup import Markup, tag
from comptroller.dashboards.views.finance import day

PRICES = (Head("title", "For"), Head("price", "Price", wide=True), Head("most", "At most in a period", True))
TIERS = (Head("from", "From", True), Head("to", "Up to", True), Head("price", "Each", True), Head("flat", "Flat", True))
SEATS = (
    Head("name", "Seats"), Head("count", "How many", True), Head("price", "Each", True), Head("agents", "Agents"),
    Head("holds", "Holds", wide=True), Head("over", "Beyond that", wide=True),
)  # fmt: skip
VERSIONS = (
    Head("version", "Version"), Head("standing", "Standing"), Head("since", "Since"), Head("until", "Until"),
    Head("bills", "Bills", wide=True), Head("place", "Written in", wide=True),
)  # fmt: skip
MODELS = {
    "graduated": "graduated: each unit at the price of its tier",
    "volume": "by volume: all units at the price of the tier reached",
    "cost_plus": "what the run cost, times a factor",
}
CALENDARS = {1: "a month", 3: "a quarter", 12: "a year"}
SHOWN = ("outcomes", "usage", "seats", "contract", "customer", "from", "until", "currency", "zone", "calendar")
PARTIES = ("seller", "buyer")


def draw(row: Row) -> None:
    """The terms of one version."""
    terms, unit = row["terms"], row["currency"]
    if not terms:
        frame.empty("Its file has changed", "The text of this version is not in the files that are configured.",
                    "What it bills is under Versions.")  # fmt: skip
        return
    for name, title in (("outcomes", "Prices of outcomes"), ("usage", "Prices of usage")):
        if terms.get(name):
            _prices(title, terms[name], unit)
    if terms.get("seats"):
        _seats(terms["seats"], unit)
    left, right = st.columns(2, gap="medium")
    with left:
        frame.section("What else holds")
        frame.facts(_rest(terms, unit))
    with right:
        frame.section("Periods and dates")
        frame.facts(_dates(row))
        _parties(terms)


def money(value: object, unit: str) -> str:
    """An amount as it is written: a number, or one with its currency."""
    text, _, named = str(value).partition(" ")
    try:
        return frame.viewer().money(Decimal(text), named or unit)
    except InvalidOperation:
        return str(value)


def _prices(title: str, prices: Mapping[str, Any], unit: str) -> None:
    frame.section(title)
    rows, tiered = [], []
    for name, said in prices.items():
        whole = said if isinstance(said, dict) and "price" in said else {"price": said}
        price, named = whole["price"], str(whole.get("title") or name)
        most = money(whole["most"], unit) if whole.get("most") else "–"
        rows.append([Cell(named, name, below=name if named != name else ""), Cell(worded(price, unit)), Cell(most)])
        if isinstance(price, dict) and price.get("tiers"):
            tiered.append((name, named, price["tiers"]))
    table.show(Table(PRICES, rows, title), key=f"prices_{title}")
    for name, named, tiers in tiered:
        frame.put(tag("p", f"Tiers of {named}", cls="ct-sub"))
        table.show(Table(TIERS, list(_tiers(tiers, unit)), f"Tiers of {named}"), key=f"tiers_{name}")


def worded(price: object, unit: str) -> str:
    """A price in words."""
    if not isinstance(price, dict):
        return f"{money(price, unit)} each"
    model = str(price.get("model", ""))
    words = [MODELS.get(model, model.replace("_", " "))]
    words += [f"{name.replace('_', ' ')} {plain(value)}" for name, value in price.items()
              if name not in ("model", "tiers")]  # fmt: skip
    words += [f"{len(price['tiers'])} tiers, below"] if price.get("tiers") else []
    return "; ".join(filter(None, words))


def _tiers(tiers: Iterable[Mapping[str, Any]], unit: str) -> Iterable[list[Cell]]:
    first: object = 0
    for tier in tiers:
        to = tier.get("up_to")
        flat = money(tier["flat"], unit) if tier.get("flat") is not None else "–"
        each = money(tier["unit"], unit) if tier.get("unit") is not None else "–"
        yield [Cell(f"over {first}"), Cell("no end" if to is None else str(to)), Cell(each), Cell(flat)]
        first = to


def _seats(seats: Iterable[Mapping[str, Any]], unit: str) -> None:
    frame.section("Seats")
    rows = [
        [
            Cell(str(one["name"])),
            Cell(str(one["count"])),
            Cell(money(one["price"], unit)),
            Cell(", ".join(map(str, one.get("agents") or ("all",)))),
            Cell(", ".join(f"{size} {what}" for what, size in (one.get("holds") or {}).items()) or "no bound"),
            Cell(", ".join(f"{money(price, unit)} for each of {what}"
                           for what, price in (one.get("overage") or {}).items()) or "refused"),
        ]
        for one in seats
    ]  # fmt: skip
    table.show(Table(SEATS, rows, "Seats"), key="contract_seats")


def _rest(terms: Mapping[str, Any], unit: str) -> list[tuple[str, str | Markup]]:
    """Every other term, so that none is left out."""
    known = {"tokens": _tokens, "premium": _premium, "tax": _tax, "minimum": _minimum}
    pairs: list[tuple[str, str | Markup]] = []
    for name, value in terms.items():
        if name in (*SHOWN, *PARTIES) or name.endswith("_days"):
            continue
        said = known[name](value, unit) if name in known else plain(value)
        pairs.append((name.replace("_", " ").capitalize(), said))
    return pairs or [("–", "Nothing else was agreed.")]


def _tokens(value: Any, unit: str) -> str:
    percent = str(value.get("markup_percent", 0))
    return "model calls at cost" if Decimal(percent) == 0 else f"model calls at cost and {percent} % on top"


def _premium(value: Any, unit: str) -> str:
    parts = [f"{value['percent']} % of what model calls cost"] if value.get("percent") else []
    parts += [f"{money(value['per_run'], unit)} for each run"] if value.get("per_run") else []
    return " and ".join(parts)


def _minimum(value: Any, unit: str) -> str:
    if isinstance(value, dict):
        return f"at least {money(value['amount'], unit)} in {value.get('periods', 1)} periods"
    return f"at least {money(value, unit)} in a period"


def _tax(value: Any, unit: str) -> str:
    return " ".join(filter(None, (str(value.get("name", "")), f"{value.get('percent', 0)} %", value.get("note"))))


def _dates(row: Row) -> list[tuple[str, str | Markup]]:
    months = row["period_months"]
    return [
        ("Holds", f"{day(row['starts'])} – {day(row['until']) if row['until'] else 'no end'}"),
        ("A period is", f"{CALENDARS.get(months, f'{months} months')}, {row['zone']}"),
        ("Closes after", f"{row['grace_days']} days of grace"),
        ("Due within", f"{row['due_days']} days"),
        ("Disputes within", f"{row['dispute_days']} days of the invoice"),
        ("Version", tag("code", row["version"])),
    ]


def _parties(terms: Mapping[str, Any]) -> None:
    said: list[tuple[str, str | Markup]] = []
    for name in PARTIES:
        party = terms.get(name)
        if isinstance(party, dict):
            parts = [party.get("name"), *(party.get("address") or ()), party.get("tax_id")]
            said.append((name.capitalize(), ", ".join(str(part) for part in parts if part)))
    if said:
        frame.facts(said)


def plain(value: object) -> str:
    """A term as a line of words."""
    if isinstance(value, dict):
        return ", ".join(f"{str(name).replace('_', ' ')} {plain(each)}" for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(plain(each) for each in value)
    return str(value)


def text(row: Row) -> None:
    """Its file as it is written."""
    if row["text"] is None:
        frame.empty("This text is not yours to read", "Its file holds contracts of others too.",
                    "The terms that are yours are under Terms.")  # fmt: skip
        return
    frame.put(tag("p", tag("code", row["place"]), cls="ct-sub"))
    st.code(row["text"], language="yaml")


def versions(rows: list[Row]) -> None:
    """All versions over time, the newest first."""
    from comptroller.dashboards.views.contracts import bills

    shown = [
        [
            Cell(row["version"], link=_version(row), code=True),
            status(row["standing"]),
            Cell(day(row["starts"])),
            Cell(day(row["until"]) if row["until"] else "no end"),
            Cell(bills(row)),
            Cell(row["place"]),
        ]
        for row in reversed(rows)
    ]
    table.show(Table(VERSIONS, shown, "Versions"), key="contract_versions")


def _version(row: Row) -> str:
    return frame.address("contracts", customer=row["customer"], version=row["version"])
