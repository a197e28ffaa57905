"""One invoice, or the draft of one: what is billed, what it cost us, and whether it is safe to close."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.look.markup import Markup, join, tag
from comptroller.dashboards.look.viewer import NONE, exact_money
from comptroller.dashboards.look.words import badge
from comptroller.dashboards.views import finance, invoice_acts, invoice_outcomes, invoice_papers
from comptroller.dashboards.views.finance import amount, day, margin, money, month
from comptroller.office.switchboard import Declined

Told = dict[str, Any]
HEADS = (
    Head("title", "Item", wide=True), Head("quantity", "Quantity", True), Head("unit", "Unit price", True),
    Head("net", "Amount", True), Head("cost", "Our cost", True, inner=True, about="For the house only"),
    Head("margin", "Margin", True, inner=True, about="For the house only"),
)  # fmt: skip
MARKS = {"ok": ("ok", "✓"), "warning": ("asked", "!"), "fault": ("failed", "✕")}
NAMED = 3  # examples beside a check


@dataclass(frozen=True, slots=True)
class Paper:
    """What is looked at: an invoice, or where `number` is empty the draft of one."""

    told: Told
    number: str = ""

    @property
    def here(self) -> dict[str, str]:
        """Its own address."""
        if self.number:
            return {"inv": self.number}
        return {"customer": self.told["customer"], "period": self.told["period"]}

    @property
    def currency(self) -> str:
        return str(self.told["currency"])


def invoice(number: str) -> None:
    """The page of one invoice."""
    try:
        told = frame.source().get(finance.path("invoices", number, "account"))
    except Declined as error:
        _missing(error)
        return
    _draw(Paper(told, number))


def draft(customer: str, period: str) -> None:
    """The page of an open period; where it was closed meanwhile, of its invoice."""
    source = frame.source()
    try:
        told = source.get("/api/draft", customer=customer, period=period)
    except Declined as error:
        if error.status != 404:
            _missing(error)
            return
        closed = source.get("/api/invoices", customer=customer, period=period, limit=1)["invoices"]
        if closed:
            invoice(closed[0]["number"])
        else:
            _missing(error)
        return
    _draw(Paper(told))


def _missing(error: Declined) -> None:
    if error.status not in (400, 404):
        raise error
    frame.heading("Invoice")
    frame.empty("There is no such invoice", str(error), frame.link("All invoices", frame.address("invoices")))


def _draw(paper: Paper) -> None:
    told = paper.told
    title = f"Invoice {paper.number}" if paper.number else f"Draft for {told['customer']}"
    frame.heading(title, _below(paper), [badge(told["status"] if paper.number else "draft")])
    frame.figures(_figures(paper))
    lines, beside = st.columns([5, 2], gap="medium")
    with lines:
        _lines(paper)
        _sums(paper)
        if paper.number:
            invoice_papers.settled(told)
    with beside:
        frame.section("Checks before closing" if not paper.number else "Checks")
        checks(paper)
        invoice_acts.draw(told, paper.number, lambda: checks(paper))
        invoice_papers.downloads(told, paper.number)
    invoice_outcomes.draw(told, paper.number, paper.here)


def _below(paper: Paper) -> Markup:
    told = paper.told
    customer = frame.link(told["customer"], frame.address("invoices", customer=told["customer"]))
    span = f" · {month(told['period'])}: {day(told['first'])} – {day(told['last'])} · "
    contract = frame.link("contract", frame.address("contracts", customer=told["customer"]))
    back = frame.link("all invoices", frame.address("invoices"))
    return join(customer, span, _until(paper), " · ", contract, " · ", back)


def _until(paper: Paper) -> Markup:
    """When it is due, or can be closed."""
    told = paper.told
    if paper.number:
        return join(tag("span", f"issued {day(told['issued'])}, due {day(told['due_on'])}"))
    words = "over, can be closed since " if told["over"] else "can be closed from "
    return join(words, finance.said_when(told["closes"]))


def _figures(paper: Paper) -> list[Figure]:
    told, unit, viewer = paper.told, paper.currency, frame.viewer()
    totals, economy = told["totals"], told["economy"]
    cost, left = amount(economy["cost"]), amount(economy["margin"])
    of = finance.share(economy["margin"], totals["net"])
    total, tax = amount(totals["total"]), amount(totals["tax"])
    held = f"{viewer.count(told['held_back'])} held back" if told["held_back"] else ""
    figures = [
        Figure("Invoice total", viewer.money(total, unit), exact_money(total, unit),
               f"with {viewer.money(tax, unit)} tax" if tax else "no tax"),
        Figure("Our cost", viewer.money(cost, unit), exact_money(cost, unit), "all work of the period",
               link=_runs(paper)),
        Figure("Margin", viewer.money(left, unit), exact_money(left, unit), viewer.share(of) if of is not None else "",
               "failed" if of is not None and of < 0 else "ok"),
        Figure("Verified outcomes", viewer.count(told["outcomes"]), note=held, tone="asked",
               link=frame.address("outcomes", invoice=paper.number) if paper.number
               else frame.address("outcomes", customer=told["customer"], state="verified")),
        Figure("Failed runs, not billed", viewer.count(told["failed"]), link=_runs(paper, "error")),
    ]  # fmt: skip
    return figures


def _runs(paper: Paper, status: str = "") -> str:
    return frame.address("runs", customer=paper.told["customer"], status=status, period="90d")


def _lines(paper: Paper) -> None:
    """What is billed; what only concerns us is shaded."""
    frame.section("Lines", "Shaded columns are for the house: they are on no paper that leaves it.")
    told, unit = paper.told, paper.currency
    rows = [_line(paper, line) for line in told["lines"]]
    if not rows:
        frame.empty("Nothing on it yet", "No outcome was verified and no seat or usage is billed in this period.")
        return
    economy, totals = told["economy"], told["totals"]
    total = [
        Cell(f"Total ({unit}, before tax)"),
        Cell(""),
        Cell(""),
        money(totals["net"], unit),
        money(economy["cost"], unit),
        Cell(frame.viewer().share(finance.share(economy["margin"], totals["net"]))),
    ]
    table.show(Table(HEADS, rows, "Lines", total=total), key="invoice_lines")


def _sums(paper: Paper) -> None:
    """How the lines come to what is owed."""
    totals, unit = paper.told["totals"], paper.currency
    shown = [("Discount", totals["discount"], "-"), ("Tax", totals["tax"], ""), ("Total", totals["total"], "")]
    if paper.number:
        notes = finance.added((note["total"], unit) for note in paper.told["credit_notes"]).get(unit)
        shown += [("Paid in advance", totals["credits"], "-"), ("Paid", paper.told["paid"], "-")]
        shown += [("Credit notes", str(notes), "-")] if notes else []
        shown += [("Still owed", paper.told["open"], "")]
    else:
        shown += [("Held back in dispute", paper.told["held_back_amount"], "")]
    always = ("Total", "Still owed")
    kept = [(name, f"{sign}{money(text, unit).text}") for name, text, sign in shown if amount(text) or name in always]
    frame.facts(kept)


def _line(paper: Paper, line: Told) -> list[Cell]:
    unit = paper.currency
    to = frame.address("invoices", **paper.here, line=line["line"]) if line["outcomes"] else ""
    discount = amount(line["discount"])
    less = f"less {frame.viewer().money(discount, unit)}" if discount else ""
    return [
        Cell(line["title"], line["type"], to, below=line["about"]),
        Cell(line["quantity"] or ""),
        _unit(line["unit"], unit),
        money(line["net"], unit, below=less),
        money(line["cost"], unit) if line["cost"] is not None else Cell(NONE, "It belongs to no single outcome"),
        margin(line["margin"], line["net"]),
    ]


def _unit(text: str, currency: str) -> Cell:
    """A unit price; a share in per cent stays as it is."""
    try:
        return money(text, currency) if text else Cell("")
    except ArithmeticError:
        return Cell(text)


def checks(paper: Paper) -> None:
    """Each question, its answer in words, and what it counts."""
    frame.put(tag("div", *(_check(paper, one) for one in paper.told["checks"])))


def _check(paper: Paper, one: Told) -> Markup:
    tone, mark = MARKS[one["level"]]
    text = f"{mark} {one['message']}"
    to = _counted(paper, one)
    head = frame.link(text, to) if to and one["count"] else tag("span", text)
    more: list[Markup] = []
    if one["level"] != "ok":
        more = [_example(one["id"], key) for key in one["examples"][:NAMED]]
        left = len(one["examples"]) - NAMED
        if left > 0:
            more.append(tag("span", f"and {left} more"))
    below = [join(each, " ") for each in more]
    return tag("div", head, tag("span", *below, cls="ct-more") if below else None, cls=f"ct-check ct-{tone}")


def _counted(paper: Paper, one: Told) -> str:
    """Where what a check counts is listed."""
    customer = paper.told["customer"]
    states = {"undecided": "claimed,pending", "disputed": "disputed,disputed_unbilled"}
    if one["id"] in states:
        return frame.address("outcomes", customer=customer, state=states[one["id"]])
    if one["id"] == "unpriced":
        return frame.address("runs", customer=customer, period="90d")
    return ""


def _example(check: str, key: str) -> Markup:
    if check in ("evidence", "disputed", "twice", "undecided"):
        return frame.link(f"…{key[-8:]}", frame.address("outcomes", id=key), title=key)
    return tag("code", key)
