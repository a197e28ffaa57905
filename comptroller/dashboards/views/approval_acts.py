"""The answers to a call that waits: approve it, as it is or otherwise, deny it, let others answer."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from comptroller.core.errors import ComptrollerError
from comptroller.core.settings import ROLES
from comptroller.dashboards import frame, session
from comptroller.dashboards.listing import Row
from comptroller.dashboards.views import approval_editor, approval_request
from comptroller.office.keys import APPROVALS

LAST = "_ct_approval_said"  # what came of the last answer, and to which request
OVER = {"approved": "Approved.", "denied": "Denied.", "pending": "Your answer counts; it waits for others as well."}


def last(id: str) -> None:
    """Why the last answer to this one did not count, where it did not."""
    about, said = st.session_state.get(LAST, ("", ""))
    if about == id and said:
        frame.banner("failed", "Your answer is on record and changed nothing.", f"{said[0].upper()}{said[1:]}.", "✕")


def draw(row: Row, edit: Mapping[str, Any] | None, following: str) -> None:
    """What whoever looks can do, or why they can do nothing."""
    if not approval_request.open_still(row):
        return
    if APPROVALS not in session.person().rights:
        frame.banner("plain", "Your role looks at approvals and answers none.")
        return
    if not row["may_answer"]:
        frame.banner("plain", "You cannot answer this one.", f"{row['why_not'][0].upper()}{row['why_not'][1:]}.", "⊘")
        return
    with st.container(key="ap_acts"):
        _answers(row, edit, following)


def _answers(row: Row, edit: Mapping[str, Any] | None, following: str) -> None:
    id = row["approval"]
    editing = bool(st.session_state.get(f"ap_edit_{id}"))
    found = approval_editor.changes(row["request"]["args"] or {}, edit) if editing and edit is not None else []
    if found:
        frame.facts(approval_editor.rows_of(found))
    note = st.text_input("Note for the record (not needed to approve)", key=f"ap_note_{id}", max_chars=500)
    with st.container(horizontal=True):
        _approve(row, edit if found else None, found, note, following, stopped=editing and edit is None)
        _deny(row, following)
        with st.popover("Let others answer"):
            _escalate(row)
            st.divider()
            _delegate(row, following)


def _approve(
    row: Row,
    edit: Mapping[str, Any] | None,
    found: list[approval_editor.Change],
    note: str,
    following: str,
    stopped: bool,
) -> None:
    body: dict[str, Any] = {"because": note.strip(), "digest": row["digest"], **({"edit": dict(edit)} if edit else {})}
    asks = f"{approval_request.title(row)}. Exactly this call passes once, and your name goes on record."
    if edit is not None:
        asks = f"Approve {row['name']} with {'; '.join(map(str, found))}? The policies decide on it anew."
    frame.act(
        "Approve the edited call" if found else "Approve", _said(row, "approve", following, **body), asks,
        key=f"ap_yes_{row['approval']}", primary=True, disabled=stopped, confirm="Approve",
    )  # fmt: skip


def _deny(row: Row, following: str) -> None:
    def deny(because: str) -> str:
        return _said(row, "deny", following, because=because, digest=row["digest"])("")

    asks = "Deny this call? Whoever made it is told so, with your reason and your name."
    frame.act("Deny", deny, asks, key=f"ap_no_{row['approval']}", because=True)


def _escalate(row: Row) -> None:
    id = row["approval"]
    to = st.multiselect(
        "Let others answer as well", _known(row), key=f"ap_to_{id}", accept_new_options=True, max_selections=20,
        placeholder="Roles or people",
    )  # fmt: skip

    def escalate(because: str) -> str:
        return _said(row, "escalate", id, to=list(to), because=because)("")

    asks = f"Put this to {', '.join(to)} as well? They have the whole time to answer."
    frame.act("Escalate", escalate, asks, key=f"ap_more_{id}", because=True, disabled=not to)


def _delegate(row: Row, following: str) -> None:
    id = row["approval"]
    to = st.text_input("Hand your answer over to", key=f"ap_taker_{id}", max_chars=200, placeholder="A person's name")

    def delegate(because: str) -> str:
        return _said(row, "delegate", following, to=to.strip(), because=because)("")

    asks = f"Hand your answer over to {to.strip()}? You cannot answer this one any more."
    frame.act("Hand over", delegate, asks, key=f"ap_hand_{id}", because=True, disabled=not to.strip())


def _known(row: Row) -> list[str]:
    """Roles that may not answer yet, and people where the list of them can be seen."""
    try:
        people = frame.source().get("/api/people")["people"]
    except ComptrollerError:
        people = []
    names = [one["name"] for one in people if one.get("status") != "removed"]
    return [name for name in (*ROLES, *names) if name not in row["of"]]


def _said(row: Row, word: str, following: str, **body: Any) -> Callable[[str], str]:
    """Say it over `/api`; then the next one is shown, or why nothing came of it."""

    def do(_: str) -> str:
        id = row["approval"]
        told = frame.source().post(f"/api/approvals/{id}/{word}", **body)
        st.session_state[LAST] = (id, told["not_done"] or "")
        if told["not_done"]:
            return "Nothing came of it."
        if following != id:
            frame.remember(id=following)
        if word in ("escalate", "delegate"):
            return "Done, and on record."
        return OVER.get(told["state"], "On record.")

    return do
