"""What was billed, as FOCUS: the file that tools for cloud costs read."""

from datetime import date, timedelta

import streamlit as st

from comptroller.dashboards import frame, session
from comptroller.dashboards.look.markup import tag
from comptroller.dashboards.source import Document
from comptroller.office.keys import BOOKS

VERSIONS = ("1.4", "1.2")
MONTHS = 12


def draw() -> None:
    """A month and a version, for whoever works with invoices."""
    if BOOKS not in session.person().rights:
        return
    with st.expander("What was billed, as FOCUS"):
        said = "A row for each line of an invoice that was finalised, in the columns of the FinOps specification."
        frame.put(tag("p", said, cls="ct-sub"))
        month, version, file = st.columns(3, vertical_alignment="bottom")
        period = month.selectbox("Month", months(frame.today().date()), index=1, key="focus_month")
        wanted = version.selectbox("Version", VERSIONS, key="focus_version")
        source = frame.source()

        def make() -> Document:
            return source.fetch("/api/books/focus", period=period, version=wanted)

        with file:
            frame.download("FOCUS", make, f"focus-{wanted}-{period}.csv", "text/csv", key="focus_file")


def months(today: date) -> list[str]:
    """The last months, this one first."""
    found = []
    day = today.replace(day=1)
    for _ in range(MONTHS):
        found.append(day.isoformat()[:7])
        day = (day - timedelta(days=1)).replace(day=1)
    return found
