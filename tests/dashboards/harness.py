"""A page of made-up data on which the components can be tried: `?show=waterfall&case=small`."""

import json
from collections.abc import Callable

import streamlit as st

from tests.dashboards import made_up


def waterfall() -> None:
    from comptroller.dashboards.components.waterfall import columns
    from comptroller.dashboards.components.waterfall import waterfall as mount

    case = st.query_params.get("case", "small")
    rows, marks = made_up.trace(case)
    if st.button("Jump to the last call"):
        st.session_state["jump"] = str(rows[-1]["id"])
    told(
        mount(columns(rows, marks), key="tree", selected=st.session_state.get("jump", st.query_params.get("span", "")))
    )


def graph() -> None:
    from comptroller.dashboards.components.graph import columns, edges_of
    from comptroller.dashboards.components.graph import graph as mount

    case = st.query_params.get("case", "small")
    edges = made_up.fleet() if case == "fleet" else edges_of(made_up.trace(case)[0])
    told(mount(columns(edges), key="graph", selected=st.query_params.get("node", "")))


def series() -> None:
    from comptroller.dashboards.components.series import columns
    from comptroller.dashboards.components.series import series as mount

    periods = made_up.periods(0 if st.query_params.get("case") == "empty" else 48)
    chosen = mount(columns(periods, "EUR", "Spend <b>of all</b>"), key="series", selected=st.query_params.get("at", ""))
    told(chosen.isoformat() if chosen else "")


def messages() -> None:
    from comptroller.dashboards.components.messages import columns
    from comptroller.dashboards.components.messages import messages as mount

    mount(columns(*made_up.talk(st.query_params.get("case", "small"))), key="talk")


def told(value: object) -> None:
    """What came back to Python, where a test can read it."""
    st.text("told " + json.dumps(value))


SHOWS: dict[str, Callable[[], None]] = {
    "waterfall": waterfall,
    "graph": graph,
    "series": series,
    "messages": messages,
}
st.set_page_config(layout="wide")
SHOWS[st.query_params.get("show", "waterfall")]()
