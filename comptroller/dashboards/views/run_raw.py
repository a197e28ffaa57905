"""The run as the books have it, for machines and for whoever wants to see everything."""

import json
from datetime import datetime
from decimal import Decimal

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.look.viewer import exact_time
from comptroller.dashboards.views.run_look import Looked

MOST = 500  # calls shown here


def draw(shown: Looked) -> None:
    """The tab."""
    told = {**shown.row, "calls_in_order": list(shown.tree[:MOST]), "decisions": list(shown.decisions[:MOST])}
    if len(shown.tree) > MOST:
        frame.put(tag("p", f"The first {MOST} calls. The download has all of them.", cls="ct-sub"))
    st.code(json.dumps(told, indent=1, ensure_ascii=False, default=_plain), language="json", wrap_lines=True)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return exact_time(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)
