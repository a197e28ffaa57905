"""The script that Streamlit runs for every look at the console: who looks, which page, and its frame."""

import streamlit as st

from comptroller.core.errors import ComptrollerError
from comptroller.dashboards import frame, session
from comptroller.dashboards.look.markup import Markup, tag


def show() -> None:
    """One run of one page."""
    person = session.person()
    chosen = st.navigation(frame.pages(person), position="sidebar", expanded=True)
    frame.begin()
    st.logo(str(frame.NAME), size="large", icon_image=str(frame.LOGO), link=None)
    with st.sidebar:
        frame.put(_signed_in(person))
    try:
        chosen.run()
    except ComptrollerError as error:
        frame.problem(error)
    frame.foot()


def _signed_in(person: session.Person) -> Markup:
    if not session.signed_in():
        return tag("div", "Nobody signs in here: whoever sits at this machine sees and does all.", cls="ct-who")
    whose = " · ".join(filter(None, (person.role, person.customer)))
    leave = tag("a", "Sign out", href="/leave", target="_self")
    return tag("div", tag("div", tag("strong", person.name), f" · {whose}"), leave, cls="ct ct-who")


if __name__ == "__main__":
    st.set_page_config(page_title="Comptroller", page_icon=str(frame.LOGO), layout="wide")
    show()
