"""One outcome: who said what of it, when and on what evidence, what it brought, and until when that can change."""

import json
from typing import Any

import streamlit as st

from comptroller.core.errors import ComptrollerError
from comptroller.dashboards import frame
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table
from comptroller.dashboards.frame import Figure
from comptroller.dashboards.look.markup import Markup, join, tag
from comptroller.dashboards.look.viewer import exact_money
from comptroller.dashboards.look.words import badge
from comptroller.dashboards.views import finance, outcome_acts
from comptroller.dashboards.views.finance import amount, money
from comptroller.office.keys import BODIES
from comptroller.office.switchboard import Declined

Told = dict[str, Any]
HEADS = (
    Head("at", "When"), Head("what", "What"), Head("who", "Who said it"), Head("because", "Why", wide=True),
    Head("evidence", "Evidence"), Head("counted", "Counted"),
)  # fmt: skip
EVENTS = {
    "claim": "Claimed", "evidence": "Evidence added", "verify_pass": "Check passed", "verify_fail": "Check failed",
    "verify_unsure": "Check could not say", "confirm": "Confirmed by the customer", "human": "Confirmed by a person",
    "third_party": "Confirmed by a third party", "judge": "Judged", "silence": "Nobody objected in time",
    "reject": "Rejected", "takeover": "A person took over", "duplicate": "Found to be a duplicate",
    "reopen": "The subject came back", "deadline": "Deadline past", "dispute": "Disputed", "upheld": "Dispute upheld",
    "denied": "Dispute refused", "invoice": "Put on an invoice", "credit": "Credited",
    "window_end": "Dispute window over", "clawback": "Clawed back",
}  # fmt: skip
THEN = {
    "expires": ("It has to be attested by {}; then it expires and earns nothing.", "asked"),
    "verified": ("It counts as verified at {} if nobody objects before.", "plain"),
    "final": ("It can be disputed until {}; then the fee is final.", "plain"),
    "shown": ("In dispute: both sides can add evidence until {}. It is decided here.", "asked"),
}
LIMIT = 20_000  # characters of a piece of evidence that are shown


def draw(id: str) -> None:
    """The page of one outcome."""
    try:
        told = frame.source().get(finance.path("outcomes", id))
    except Declined as error:
        if error.status not in (400, 404):
            raise
        _missing(error)
        return
    title, acts = st.columns([3, 2], vertical_alignment="center")
    with title:
        frame.heading(told["subject"][:120] or told["type"], _below(told), [badge(told["state"])])
    with acts:
        outcome_acts.draw(told)
    _deadline(told)
    frame.figures(_figures(told))
    _history(told)
    left, right = st.columns(2, gap="medium")
    with left:
        _evidence(told)
    with right:
        _facts(told)


def _missing(error: ComptrollerError) -> None:
    frame.heading("Outcome")
    frame.empty(
        "There is no such outcome",
        f"{error} Or it belongs to somebody else.",
        frame.link("Look among all outcomes", frame.address("outcomes")),
    )


def _below(told: Told) -> Markup:
    customer = frame.link(told["customer"] or "no customer", frame.address("outcomes", customer=told["customer"]))
    run = frame.link(f"run …{told['run'][-8:]}", frame.address("run", id=told["run"], tab="billing"))
    parts: list[Markup] = [tag("code", told["type"]), customer, tag("span", told["workflow"]), run]
    back = frame.link("all outcomes", frame.address("outcomes"))
    return join(*(join(part, " · ") for part in parts), back)


def _deadline(told: Told) -> None:
    """What can still happen to it, in words."""
    if told["then"] is not None:
        words, tone = THEN[told["then"]]
        before, after = words.split("{}")
        line = join(before, tag("strong", finance.said_when(told["due"])), after)
        frame.put(tag("div", line, cls=f"ct-banner ct-{tone}", role="status"))
    elif told["because"]:
        frame.banner("plain", f"{badge_word(told)}: {told['because']}")


def badge_word(told: Told) -> str:
    """Its state as a word."""
    return str(told["state"]).replace("_", " ").capitalize()


def _figures(told: Told) -> list[Figure]:
    viewer, unit = frame.viewer(), told["currency"] or ""
    fee, back, cost = amount(told["fee"]), amount(told["reversed"]), amount(told["cost"])
    left = amount(told["margin"])
    degree = amount(told["degree"])
    share = finance.share(told["margin"], told["fee"])
    reached = "" if degree == 1 else f"for {viewer.share(degree)} reached"
    return [
        Figure("Fee", viewer.money(fee, unit), exact_money(fee, unit), reached if fee else "not agreed yet"),
        Figure("Taken back", viewer.money(back, unit), exact_money(back, unit), tone="asked"),
        Figure("Our cost", viewer.money(cost, told["cost_currency"]), exact_money(cost, told["cost_currency"]),
               "its part of its run", link=frame.address("run", id=told["run"])),
        Figure("Margin", viewer.money(left, unit), exact_money(left, unit),
               viewer.share(share) if share is not None else "",
               "failed" if share is not None and share < 0 else "ok"),
        Figure("Invoice", told["invoice"] or "–", note="" if told["invoice"] else "not billed",
               link=frame.address("invoices", inv=told["invoice"]) if told["invoice"] else ""),
    ]  # fmt: skip


def _history(told: Told) -> None:
    """All that was said of it."""
    frame.section("History", "Everything that was said of it, also what changed nothing.")
    rows = [_event(event) for event in told["events"]]
    table.show(Table(HEADS, rows, "History of this outcome"), key="outcome_history")


def _event(event: Told) -> list[Cell]:
    speaker = event["actor"] or event["attestor"] or "–"
    vouched = f"vouched for by {event['attestor']}" if event["attestor"] not in ("", speaker) else ""
    pieces = [digest[:8] for digest in event["evidence"]]
    why = str(event["ignored"] or "")
    counted = (
        Cell("Changed nothing", why, tone="asked", mark="!", below=why) if why else Cell("Yes", tone="ok", mark="✓")
    )
    return [
        finance.when(event["at"]),
        Cell(EVENTS.get(str(event["type"])) or str(event["type"]), str(event["type"])),
        Cell(speaker, str(event["method"] or ""), below=vouched),
        Cell(event["because"] or "–"),
        Cell(", ".join(pieces) or "–", ", ".join(event["evidence"]), code=bool(pieces)),
        counted,
    ]


def _evidence(told: Told) -> None:
    """Its checks, and what was given to show it."""
    frame.section("Checks and evidence")
    if told["checks"]:
        frame.put(tag("div", *(_check(one) for one in told["checks"])))
    if not told["evidence"]:
        frame.put(tag("p", "No evidence was given.", cls="ct-sub"))
    elif not finance.may(BODIES):
        count = len(told["evidence"])
        said = f"{count} piece{'' if count == 1 else 's'} of evidence; their texts are for admin and compliance."
        frame.put(tag("p", said, cls="ct-sub"))
    else:
        with frame.guarded():
            for piece in frame.source().get(finance.path("outcomes", told["outcome"], "evidence"))["pieces"]:
                _piece(piece)


def _check(one: Told) -> Markup:
    tone, mark, word = {
        "pass": ("ok", "✓", "passed"),
        "fail": ("failed", "✕", "failed"),
    }.get(one["verdict"], ("asked", "?", "has not said anything yet"))
    return tag("div", f"{mark} Check {one['check']} {word}", cls=f"ct-check ct-{tone}")


def _piece(piece: Told) -> None:
    title = tag("code", piece["digest"][:16], title=piece["digest"])
    if not piece["kept"]:
        frame.put(tag("p", title, " was erased.", cls="ct-sub"))
        return
    text = json.dumps(piece["content"], indent=2, ensure_ascii=False)
    more = f"\n… {len(text) - LIMIT:,} characters more" if len(text) > LIMIT else ""
    frame.put(tag("p", title, cls="ct-sub"))
    st.code(text[:LIMIT] + more, language=None, wrap_lines=True)


def _facts(told: Told) -> None:
    """Where it comes from, who earned which share, and the papers about it."""
    frame.section("Particulars")
    pairs: list[tuple[str, str | Markup]] = [
        ("Id", tag("code", told["outcome"])),
        ("Claimed", finance.said_when(told["claimed"])),
        ("Verified", finance.said_when(told["verified"])),
        ("Billed", finance.said_when(told["billed"])),
        ("Attested by", f"{told['attestor'] or '–'} ({told['method'] or 'nobody yet'})"),
        ("Contract", frame.link(told["contract"] or "none", frame.address("contracts", customer=told["customer"]))),
    ]
    if told["duplicate_of"]:
        twin = frame.link(told["duplicate_of"], frame.address("outcomes", id=told["duplicate_of"]))
        pairs.append(("Duplicate of", twin))
    pairs += [(f"Share of {agent}", money(part, told["currency"]).text) for agent, part in told["shares"].items()]
    pairs += [("Credit note", note) for note in _notes(told)]
    frame.facts(pairs)


def _notes(told: Told) -> list[Markup]:
    """The credit notes that gave it back."""
    if not told["invoice"]:
        return []
    found = frame.source().get("/api/credit-notes", invoice=told["invoice"], limit=1000)["credit_notes"]
    to = frame.address("invoices", inv=told["invoice"])
    return [
        join(frame.link(note["number"], to), f" · {money(note['total'], note['currency']).text}")
        for note in found
        if note["outcome"] == told["outcome"]
    ]
