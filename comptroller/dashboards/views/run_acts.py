"""What can be done with a run: compare it, take it away as a file, give it more money, stop it."""

import streamlit as st

from comptroller.dashboards import frame, session
from comptroller.dashboards.source import Document
from comptroller.dashboards.views.run_look import Looked
from comptroller.office.keys import ORDERS


def draw(shown: Looked) -> None:
    """The links and buttons beside the title."""
    compare = frame.address("compare", bad=shown.id)
    left, right = st.columns(2)
    with left:
        if compare and shown.row["status"] != "ok":
            frame.put(frame.link("Compare with the last good run", compare))
    with right:
        _file(shown)
    if shown.live and ORDERS in session.person().rights:
        _orders(shown)


def _file(shown: Looked) -> None:
    source = frame.source()

    def make() -> Document:
        return source.fetch(f"/api/runs/{shown.id}")

    frame.download("JSON", make, f"run-{shown.id[-8:]}.json", "application/json", key="run_json")


def _orders(shown: Looked) -> None:
    """A live run can be given more money, or be stopped."""
    source, row = frame.source(), shown.row
    more, stop = st.columns(2)
    with more, st.popover("Raise the cap"):
        cap = st.text_input("New cap", f"{row['budget'] or '1.00'} {row['budget_currency'] or 'USD'}", key="cap")

        def raise_cap(because: str) -> str:
            source.post("/api/orders/cap", run=shown.id, cap=cap, because=because)
            return f"The cap of this run is {cap} now."

        frame.act("Raise", raise_cap, f"Give this run a cap of {cap}?", key="raise", because=True)
    with stop:

        def kill(because: str) -> str:
            source.post("/api/orders/kill", run=shown.id, because=because)
            return "The run is stopped: every further call of it is refused."

        frame.act("Kill", kill, "Stop this run? Its calls under way are cut off.", key="kill", because=True)
