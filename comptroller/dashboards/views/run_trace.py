"""The trace of a run: the waterfall, and beside it all there is to say of the call that was chosen."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from comptroller.dashboards import frame, session
from comptroller.dashboards.components.waterfall import waterfall
from comptroller.dashboards.look.markup import Markup, join, tag
from comptroller.dashboards.look.viewer import exact_money, exact_time
from comptroller.dashboards.look.words import badge
from comptroller.dashboards.views.run_look import Looked, Row
from comptroller.office.keys import BODIES

MOST_TEXT = 20_000  # letters of a text beside the trace; the conversation has all of it


def draw(shown: Looked) -> None:
    """The tab."""
    said = frame.query("span") or (shown.found.cause.id if shown.found.cause else "")
    if not shown.tree:
        frame.empty("No call yet", "The run was opened, and nothing was called in it so far.", "Come back in a moment.")
        return
    tree, beside = st.columns([2.6, 1], gap="medium")
    with tree:
        chosen = waterfall(shown.trace, key="trace", selected=said, height=600)
    frame.remember(span=chosen)
    row = shown.call(chosen)
    with beside:
        if row is None:
            frame.empty("No call is chosen", "Choose a row to see its arguments, result, decisions and cost.")
        else:
            _call(shown, row)


def _call(shown: Looked, row: Row) -> None:
    """One agent or call."""
    frame.put(tag("h2", row["name"] or row["kind"], " ", badge(row["status"]), cls="ct-section"))
    frame.facts(_facts(shown, row))
    if row["error"]:
        frame.banner("failed", str(row["error"])[:2_000], mark="✕")
    if row["rule"]:
        _verdict(row)
    for one in shown.found.handovers:
        if one.at == row["id"]:
            frame.banner("asked", f"Handed over to {one.to}", one.because)
    if row["row"] != "call":
        return
    if BODIES not in session.person().rights:
        frame.put(tag("p", "Its texts are not for your role.", cls="ct-sub"))
        return
    with frame.guarded():
        _texts(frame.source().get(f"/api/calls/{row['id']}", bodies=True))


def _verdict(row: Row) -> None:
    """The rule that decided, why, and for what was held or refused how to find out what would have passed."""
    to = frame.address("policies", rule=str(row["rule"]).removeprefix("retry."), version=row["policy"])
    more = tag("span", str(row["because"]), " ", frame.link("See the rule", to) if to else None)
    frame.banner("asked" if row["action"] in ("ask", "note") else "failed", str(row["rule"]), more)
    if row["row"] == "call" and row["action"] in ("ask", "deny"):
        command = tag("code", f"comptroller policy explain {row['id']}")
        to = frame.address("policies", tab="explain", call=row["id"])
        here = join(frame.link("explain it here", to), ", or ") if to else None
        frame.put(tag("p", "What the rule saw, and what would let the call pass: ", here, command, cls="ct-sub"))


def _facts(shown: Looked, row: Row) -> list[tuple[str, str | Markup]]:
    viewer = frame.viewer()
    after = (row["started"] - shown.row["started"]).total_seconds()
    took = (row["ended"] - row["started"]).total_seconds() if row["ended"] else None
    cost = exact_money(row["cost"], row["currency"])
    said: list[tuple[str, str | Markup]] = [
        ("Kind", row["kind"]),
        ("Agent", row["agent"] or "–"),
        ("Started", tag("span", f"+{viewer.lasted(after)}", title=exact_time(row["started"]))),
        ("Took", viewer.lasted(took)),
        ("Cost", tag("span", viewer.money(row["cost"], row["currency"]), title=cost)),
        ("Tokens", f"{viewer.count(row['input'])} in, {viewer.count(row['output'])} out"),
    ]  # fmt: skip
    for name, title in (("model", "Model"), ("attempt", "Attempt"), ("effect", "Effect"), ("price", "Price version")):
        if row[name] and row[name] not in (row["name"], 1):
            said.append((title, str(row[name])))
    if row["upstream_status"]:
        said.append(("Upstream", f"{row['upstream_status']} {row['upstream_id']}".strip()))
    if row["policy"]:
        said.append(("Policies", frame.link(row["policy"], frame.address("policies", version=row["policy"]))))
    said.append(("Call", tag("code", row["id"])))
    return said


def _texts(call: Mapping[str, Any]) -> None:
    """What went in and what came out, as far as it was kept."""
    bodies = call["bodies"] or {}
    if bodies.get("args") is not None:
        frame.section("Arguments")
        _code(bodies["args"])
    for title, side in (("Input", "request"), ("Output", "reply")):
        kept = bodies.get(side) or []
        if not kept:
            continue
        frame.section(title)
        shown = kept[-1] if side == "request" else kept
        cut = _code(shown)
        if cut or (side == "request" and call["kind"] == "model"):
            whole = frame.address("run", id=call["run"], tab="talk", span=call["call"])
            frame.put(tag("p", frame.link("All of it, with what is new", whole), cls="ct-sub"))


def _code(value: object) -> bool:
    """A text or a structure as it is; true where it was too long to be shown whole."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    st.code(text[:MOST_TEXT], language=None if isinstance(value, str) else "json", wrap_lines=True)
    return len(text) > MOST_TEXT
