"""Approvals: what waits for a person, what happens if nobody answers, and how often each rule asks."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.components.picklist import Item, picklist
from comptroller.dashboards.listing import Row
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.viewer import Viewer, exact_time
from comptroller.dashboards.views import approval_lists, approval_request

WAITING, ALL, RULES = "waiting", "all", "rules"
VIEWS = {WAITING: "Waiting", ALL: "All", RULES: "How often rules ask"}
ORDERS = {"stake": "Largest first", "time": "Soonest first"}
MOST = 200  # of those that wait
SOON = timedelta(minutes=30)
PINNED, STAMP = "_ct_approval_pinned", "_ct_approval_stamp"
NOTHING = (
    "Nothing waits for a person",
    "A rule that says then: ask holds a call until somebody has decided on it. It appears here at once.",
    tag(
        "span", "How to write one stands in docs/approvals.md; ", tag("code", "comptroller policy check"), " tries it."
    ),
)


def page() -> None:
    """The page."""
    title, how = st.columns([2, 3], vertical_alignment="center")
    with title:
        frame.heading("Approvals")
    with how:
        view = _view()
    if view == RULES:
        approval_lists.rules()
    elif view == ALL:
        approval_lists.everything()
    else:
        _inbox()


def waiting() -> list[Row]:
    """What waits for a person, as far as whoever looks may see it; those whose time is over are left out."""
    rows: list[Row] = frame.source().get("/api/approvals", state="pending", limit=MOST)["approvals"]
    now = frame.today()
    return [row for row in rows if (until := moment(row["until"])) is None or until > now]


def moment(text: str | None) -> datetime | None:
    """A moment as `/api` tells it."""
    return datetime.fromisoformat(text) if text else None


def left(viewer: Viewer, until: datetime | None, now: datetime) -> str:
    """How long there is left, by the minute: it is drawn anew every few seconds."""
    if until is None:
        return ""
    minutes = int((until - now).total_seconds()) // 60
    if minutes < 1:
        return "under a minute left"
    hours, rest = divmod(minutes, 60)
    if hours >= 48:
        return f"{viewer.count(hours // 24)} days left"
    return f"{hours} h {rest} min left" if hours else f"{minutes} min left"


def _view() -> str:
    said = frame.query("view", ALL if frame.query("state") not in ("", "pending") else WAITING)
    said = said if said in VIEWS else WAITING
    chosen = st.segmented_control(
        "View", list(VIEWS), default=said, format_func=lambda one: VIEWS[one], key=frame.key("view"),
        label_visibility="collapsed",
    )  # fmt: skip
    chosen = chosen or said
    if chosen != said:
        frame.remember(view="" if chosen == WAITING else chosen, state="", id="")
    return chosen


def _inbox() -> None:
    """The list, and beside it the request; on a phone one of them."""
    asked = frame.query("id")
    rows = ordered(waiting(), _order())
    chosen = asked or _pinned(rows)
    listed, beside = st.columns([2, 3], gap="medium")
    with listed, st.container(key="ap_list_behind" if asked else "ap_list"):
        _list(chosen)
    with beside, st.container(key="ap_request" if asked else "ap_request_first"):
        if chosen:
            with frame.guarded():
                approval_request.draw(chosen, following(rows, chosen))
    st.session_state[STAMP] = _stamp(rows, chosen)


def _pinned(rows: Sequence[Row]) -> str:
    """Which is shown where the address names none: the same as before, so that it does not change under a hand."""
    ids = [row["approval"] for row in rows]
    pinned = str(st.session_state.get(PINNED, ""))
    if pinned not in ids:
        pinned = ids[0] if ids else ""
    st.session_state[PINNED] = pinned
    return pinned


def following(rows: Sequence[Row], chosen: str) -> str:
    """Which comes next once this one is answered: one for whoever looks before any other."""
    others = [row for row in rows if row["approval"] != chosen]
    return str(others[0]["approval"]) if others else ""


def ordered(rows: Sequence[Row], order: str) -> list[Row]:
    """Mine first; then by what is at stake, or by the time that is left."""
    far = "9999"
    if order == "time":
        return sorted(rows, key=lambda row: (not row["may_answer"], row["until"] or far, row["asked"] or ""))
    return sorted(rows, key=lambda row: (not row["may_answer"], -_amount(row), row["until"] or far))


def _amount(row: Row) -> Decimal:
    found = Decimal(row["amount"] or 0)
    return found if found.is_finite() else Decimal(0)


def _order() -> str:
    said = frame.query("order", "stake")
    return said if said in ORDERS else "stake"


@st.fragment(run_every="3s")
def _list(chosen: str) -> None:
    """What waits; looks again by itself, and has the page drawn anew only where the chosen one has changed."""
    rows = ordered(waiting(), _order())
    if st.session_state.get(STAMP, "") not in ("", _stamp(rows, chosen)):
        st.session_state[STAMP] = ""
        st.rerun()
    frame.put(tag("p", *_summary(rows), cls="ct-sub", role="status"))
    if not rows:
        frame.empty(*NOTHING)
        return
    if len(rows) > 1:
        _ordering()
    picked = picklist([_item(row) for row in rows], chosen, "Calls that wait for a person", key="ct_ap_pick")
    frame.put(tag("p", tag("kbd", "↑"), " ", tag("kbd", "↓"), " move, ", tag("kbd", "Enter"), " shows", cls="ct-sub"))
    if picked and picked != frame.query("id"):
        frame.remember(id=picked)
        st.rerun()


def _ordering() -> None:
    said = _order()
    order = st.segmented_control(
        "Order", list(ORDERS), default=said, format_func=lambda one: ORDERS[one], key=frame.key("order"),
        label_visibility="collapsed",
    )  # fmt: skip
    if order and order != said:
        frame.remember(order="" if order == "stake" else order)
        st.rerun()


def _summary(rows: Sequence[Row]) -> list[str]:
    viewer = frame.viewer()
    mine = sum(1 for row in rows if row["may_answer"])
    said = f"{viewer.count(mine)} for you to answer"
    return [said, f", {viewer.count(len(rows) - mine)} for others" if len(rows) > mine else ""]


def _item(row: Row) -> Item:
    viewer, now, until = frame.viewer(), frame.today(), moment(row["until"])
    soon = until is not None and until - now < SOON
    badge, tone = (
        ("For others", "plain") if not row["may_answer"] else ("Soon over", "failed") if soon else ("", "plain")
    )
    whose = row["agent"] or row["workflow"] or row["user"]
    return Item(
        row["approval"], row["name"] or row["stage"], left(viewer, until, now),
        " · ".join(filter(None, (whose, row["rule"]))), stake(viewer, row), badge, tone,
        f"{row['approval']}, until {exact_time(until)}" if until else row["approval"],
    )  # fmt: skip


def stake(viewer: Viewer, row: Row) -> str:
    """What is at stake, as the arguments say it."""
    return viewer.money(_amount(row), row["currency"]) if row["amount"] is not None else ""


def _stamp(rows: Sequence[Row], chosen: str) -> str:
    """What of the chosen one, had it changed, would make its page wrong."""
    found: dict[str, Any] = next((dict(row) for row in rows if row["approval"] == chosen), {})
    told = ("approval", "state", "until", "of", "votes", "delegates", "may_answer", "escalated")
    return repr([found.get(name) for name in told])
