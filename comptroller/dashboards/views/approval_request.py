"""One call that a person must approve: who wants what, why it is asked, what became of its like, and the answer."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.core.errors import SettingsError
from comptroller.dashboards import frame, session
from comptroller.dashboards.components import table
from comptroller.dashboards.components.table import Cell, Head, Table, status
from comptroller.dashboards.listing import Row
from comptroller.dashboards.look.markup import Markup, tag
from comptroller.dashboards.look.viewer import exact_time
from comptroller.dashboards.look.words import badge
from comptroller.dashboards.views import approval_acts, approval_editor, approvals, finance, runs
from comptroller.office.keys import BODIES

MOST_CAPS = 100
WANTS = {
    "tool": "{who} wants to call {name}",
    "model": "{who} wants to ask {name}",
    "reply": "A reply of {name} waits to be handed to {who}",
    "result": "What {name} returned waits to be read by {who}",
    "agent": "{who} wants to begin",
    "outcome": "{who} claims {name}",
}
ORIGINS = {
    "user": ("From the user", "ok"),
    "system": ("From the system prompt", "ok"),
    "trusted": ("From a trusted tool", "ok"),
    "model": ("Made by the model", "plain"),
    "untrusted": ("From an untrusted source", "failed"),
}
EVENTS = {
    "asked": "Asked", "approve": "Approved", "deny": "Denied", "escalated": "Put to others as well",
    "delegated": "Handed over", "reminded": "Reminded", "expired": "Time over", "voided": "Void", "used": "Call made",
}  # fmt: skip


def draw(id: str, following: str) -> None:
    """The request; `following` is shown once this one is answered."""
    row: Row = frame.source().get(finance.path("approvals", id))
    if "approval" not in row:  # `/api` has something else by that name
        raise SettingsError(f"There is no approval {id[:128]!r}. Choose one from the list.")
    frame.put(frame.link("← All that wait", frame.address("approvals"), cls="ct-phone"))
    frame.put(tag("h2", title(row), " ", _state(row), cls="ct-section"))
    frame.put(tag("p", *_said(row), cls="ct-sub"))
    approval_acts.last(id)
    frame.banner("asked" if row["state"] == "pending" else "plain", _consequence(row), _why(row), "?")
    if row["outdated"]:
        frame.banner("failed", "The policies have changed since this was asked.",
                     "No answer counts any more. The call is asked for anew when it is made again.", "✕")  # fmt: skip
    frame.facts(_facts(row))
    edit = _matter(row)
    approval_acts.draw(row, edit, following)
    _similar(row)
    _history(row)


def title(row: Row) -> str:
    """Who wants what."""
    who = row["agent"] or row["workflow"] or row["user"] or "Somebody"
    return WANTS.get(row["stage"], "{who} wants {name}").format(who=who, name=row["name"] or "something")


def open_still(row: Row) -> bool:
    """True while an answer counts."""
    until = approvals.moment(row["until"])
    return row["state"] == "pending" and (until is None or until > frame.today()) and not row["outdated"]


def _state(row: Row) -> Markup:
    return badge("pending", "Waits for a person") if row["state"] == "pending" else badge(row["state"])


def _said(row: Row) -> list[Markup]:
    viewer, asked = frame.viewer(), approvals.moment(row["asked"])
    pieces = [tag("span", f"asked {viewer.time(asked)}", title=exact_time(asked))]
    pieces += [tag("span", f" · {name} {row[name]}") for name in ("customer", "user", "workflow") if row[name]]
    return [*pieces, tag("span", f" · …{row['approval'][-8:]}", title=row["approval"])]


def _consequence(row: Row) -> str:
    """What happens if nobody does anything; or what happened."""
    viewer, until = frame.viewer(), approvals.moment(row["until"])
    if row["state"] == "pending":
        then = "it is let through" if row["otherwise"] == "allow" else "it is denied"
        if until is None:
            return "It waits until somebody answers."
        rest = approvals.left(viewer, until, frame.today())
        return f"If nobody answers by {viewer.time(until)}, {then} ({rest})."
    if row["state"] == "expired" and not row["people"]:
        return "Nobody answered in time."
    if row["state"] == "approved":
        return f"Approved: the same call passes once, until {viewer.time(until)}." if until else "Approved."
    return {"denied": "Denied.", "used": "Approved, and the call was made.", "void": "Void: no answer counts."}.get(
        row["state"], "Over."
    )


def _why(row: Row) -> Markup:
    rule = frame.link(row["rule"] or "a guard", frame.address("policies", rule=row["rule"], version=row["version"]))
    because = f"{row['because'].rstrip('.')}." if row["because"] else "The rule gives no reason."
    ended = f" It ended because {row['ended'].rstrip('.')}." if row["ended"] else ""
    return tag("span", tag("strong", rule, title=row["place"] or None), f": {because}{ended}")


def _facts(row: Row) -> list[tuple[str, str | Markup]]:
    like = row["alike"]
    said: list[tuple[str, str | Markup]] = [("Run", _run(row))]
    if spent := _spent(row):
        said.append(("Spent so far", spent))
    counted = f"{like['approved']} approved, {like['denied']} denied, {like['expired']} unanswered"
    said.append(("Similar", f"{counted} in {like['days']} days"))
    said.append(("Who may answer", ", ".join(row["of"]) or "Whoever may answer approvals"))
    if row["quorum"] > 1 or row["votes"]:
        said.append(("Answers", _votes(row)))
    if row["delegates"]:
        said.append(("Handed over", ", ".join(f"{giver} to {taker}" for giver, taker in row["delegates"].items())))
    return said


def _run(row: Row) -> Markup:
    short = f"…{row['run'][-8:]}" if len(row["run"]) > 12 else row["run"]
    return frame.link(short or "–", frame.address("run", id=row["run"], span=row["call"]), title=row["run"])


def _spent(row: Row) -> str:
    run = frame.source().one("console_run", run=row["run"]) if row["run"] else None
    if run is None:
        return ""
    viewer = frame.viewer()
    caps = frame.source().get("/api/budgets", run=row["run"], limit=MOST_CAPS)["budgets"]
    own = next((cap for cap in caps if cap["per"] == "run" and cap["unit"] not in ("calls", "tokens")), None)
    if own is None:
        calls = f"{viewer.count(run['calls'])} {'call' if run['calls'] == 1 else 'calls'}"
        return f"{viewer.money(run['cost'], run['currency'])} in {calls}; the run has no cap"
    spent, cap = (viewer.money(Decimal(own[name]), own["unit"]) for name in ("settled", "cap"))
    return f"{spent} of the run's {cap}"


def _votes(row: Row) -> Markup:
    agreed = sum(1 for vote in row["votes"] if vote["answer"] == "approve")
    said = [f"{agreed} of {row['quorum']} approvals."]
    for vote in row["votes"]:
        word = "approves other arguments" if vote["edited"] else "approves" if vote["answer"] == "approve" else "denies"
        stead = f" in place of {vote['stead']}" if vote["stead"] else ""
        because = f": {vote['because'].rstrip('.')}" if vote["because"] else ""
        said.append(f" {vote['person']}{stead} {word}{because}.")
    return tag("span", *said)


def _matter(row: Row) -> dict[str, Any] | None:
    """What is asked about; returns the arguments as edited, where somebody edits them and all of them fit."""
    request = row["request"]
    if request is None:
        frame.put(tag("p", _unseen(row), cls="ct-sub"))
        return None
    if "args" not in request:
        text = str(request.get("text") or "")
        if request.get("model"):
            frame.facts([("Model", str(request["model"])), ("Tools", ", ".join(map(str, request.get("tools") or ())))])
        frame.put(
            tag("pre", text[: approval_editor.MOST_SHOWN] or "(no text)", cls="ct-text", dir="auto", tabindex="0")
        )
        return None
    frame.put(tag("h3", "Arguments", cls="ct-part"))
    args, types = request["args"] or {}, row["types"]
    editable = row["stage"] == "tool" and row["may_answer"] and open_still(row)
    if not editable or not st.toggle("Edit the arguments before approving", key=f"ap_edit_{row['approval']}"):
        approval_editor.shown(args, types, _origins(row))
        _edits(row)
        return None
    frame.put(
        tag("p", "What stands in brackets was redacted; left as it is, it goes out as the agent said it.", cls="ct-sub")
    )
    with st.container(border=True):
        after, wrong = approval_editor.edited(args, types, f"ap_{row['approval']}")
    for why in wrong:
        frame.banner("failed", why, mark="✕")
    return None if wrong else after


def _unseen(row: Row) -> str:
    if not row["kept"]:
        return "What is asked about was not kept: the settings keep no texts of this workflow."
    if BODIES in session.person().rights or row["may_answer"]:
        return "What was asked about is not there any more: it was erased, or its time was over."
    return "What is asked about is shown to whoever may answer it."


def _edits(row: Row) -> None:
    """What those who answered approved instead."""
    for edit in row["edits"]:
        names = ", ".join([*edit["changed"], *(f"{name} taken out" for name in edit["dropped"])])
        frame.banner(
            "asked", f"{edit['person']} approved other arguments: {names}", approval_editor.written(edit["args"])
        )


def _origins(row: Row) -> dict[str, Markup]:
    """Where each argument came from, where policies have values followed."""
    if not row["run"]:
        return {}
    found: dict[str, Markup] = {}
    for one in frame.source().rows("run_origins", run=row["run"]):
        if one["call"] != row["call"]:
            continue
        word, tone = ORIGINS.get(one["label"], (one["label"], "plain"))
        tools = ", ".join(sorted({name for name in one["tools"] or () if name}))
        said = f"{word}: {tools}" if tools else word
        found[one["arg"]] = tag("span", said, cls=f"ct-badge ct-{tone}", title=", ".join(one["sources"] or ()))
    return found


def _similar(row: Row) -> None:
    if not row["similar"]:
        return
    frame.put(tag("h3", "The latest like it", cls="ct-part"))
    heads = [Head("state", "Became"), Head("asked", "Asked"), Head("who", "Answered by"), Head("why", "Why", wide=True)]
    table.show(Table(heads, [_like(one) for one in row["similar"][:5]], "Similar requests"), key="ct_ap_similar")


def _like(one: Row) -> list[Cell]:
    last: Mapping[str, Any] = one["votes"][-1] if one["votes"] else {}
    edited = " with other arguments" if one["edited"] else ""
    return [
        status(one["state"], exact=one["approval"]),
        Cell(runs.when(approvals.moment(one["asked"])).text, link=frame.address("approvals", id=one["approval"])),
        Cell((last.get("person") or "–") + edited),
        Cell(last.get("because") or one["ended"]),
    ]


def _history(row: Row) -> None:
    frame.put(tag("h3", "What was said of it", cls="ct-part"))
    heads = [Head("at", "When"), Head("event", "What"), Head("by", "By"), Head("because", "Why", wide=True)]
    table.show(Table(heads, [_event(said) for said in row["history"]], "History"), key="ct_ap_history")


def _event(said: Row) -> list[Cell]:
    what = EVENTS.get(said["event"]) or str(said["event"])
    to = said["to"] if isinstance(said["to"], str) else ", ".join(said["to"] or ())
    what += f" to {to}" if to else " with other arguments" if said["edited"] else ""
    why = " · ".join(filter(None, (said["because"], f"Did not count: {said['ignored']}" if said["ignored"] else "")))
    by = (said["by"] or "") + (f" for {said['stead']}" if said["stead"] else "")
    return [runs.when(approvals.moment(said["at"])), Cell(what), Cell(by), Cell(why)]
