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


def told(value: object) -> None:
    """What came back to Python, where a test can read it."""
    st.text("told " + json.dumps(value))


SHOWS: dict[str, Callable[[], None]] = {"waterfall": waterfall}
st.set_page_config(layout="wide")
SHOWS[st.query_params.get("show", "waterfall")]()
