"""The conversation of a run: what went to a model and came back, and what was new in it."""

from typing import Any

import streamlit as st

from comptroller.dashboards import frame, session
from comptroller.dashboards.components.messages import columns, messages
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.views.run_look import Looked, Row
from comptroller.office.keys import BODIES

MOST_OFFERED = 500  # calls in the choice: the others are reached from the trace


def draw(shown: Looked) -> None:
    """The tab."""
    if BODIES not in session.person().rights:
        frame.empty("Texts are not for your role", "What was said may hold personal data.", "Compliance can read it.")
        return
    asked = [row for row in shown.tree if row["row"] == "call" and row["kind"] == "model"]
    if not asked:
        frame.empty("No model was asked", "This run holds no call to a model.")
        return
    row = _choice(shown, asked)
    before = _before(asked, row)
    source = frame.source()
    now = source.get(f"/api/calls/{row['id']}/conversation")
    then = source.get(f"/api/calls/{before['id']}/conversation") if before is not None else None
    _what(now, before)
    compared = [*then["request"], *then["reply"]] if then is not None and st.session_state[frame.key("diff")] else None
    messages(columns([*now["request"], *now["reply"]], compared), key=f"talk_{row['id']}")


def _choice(shown: Looked, asked: list[Row]) -> Row:
    """Which call to read; in the address as the one chosen in the trace."""
    known = {row["id"]: row for row in asked[:MOST_OFFERED]}
    said = frame.query("span")
    if said not in known and (picked := next((row for row in asked if row["id"] == said), None)):
        known[said] = picked
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        chosen = st.selectbox(
            "Call",
            list(known),
            index=list(known).index(said) if said in known else len(known) - 1,
            format_func=lambda id: _title(shown, known[id]),
            key=frame.key("talk"),
        )
    with right:
        st.toggle("Mark what is new", value=True, key=frame.key("diff"))
    frame.remember(span=chosen)
    return known[chosen]


def _title(shown: Looked, row: Row) -> str:
    after = (row["started"] - shown.row["started"]).total_seconds()
    return f"+{frame.viewer().lasted(after)}  {row['agent'] or 'no agent'} asks {row['name']}  ({row['status']})"


def _before(asked: list[Row], row: Row) -> Row | None:
    """The model call before it, of the same agent."""
    earlier = [each for each in asked if each["agent"] == row["agent"] and each["started"] < row["started"]]
    return earlier[-1] if earlier else None


def _what(now: dict[str, Any], before: Row | None) -> None:
    if now["left_out"]:
        frame.put(tag("p", f"{now['left_out']} earlier messages are left out.", cls="ct-sub"))
    if before is None:
        frame.put(tag("p", "The first call of this agent: there is nothing to compare it with.", cls="ct-sub"))
