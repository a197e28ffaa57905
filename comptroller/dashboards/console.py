"""The script that Streamlit runs for every look at the console: who looks, which page, and its frame."""

import streamlit as st

from comptroller.core.errors import ComptrollerError
from comptroller.dashboards import frame, session
from comptroller.dashboards.look.markup import Markup, tag


def show() -> None:
    """One run of one page."""
    person = session.person()
    chosen = st.navigation(frame.pages(person.role), position="sidebar", expanded=True)
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
    said = [tag("strong", person.name), f" · {person.role}"]
    if person.who.customer:
        said.append(f" · {person.who.customer}")
    return tag("div", *said, cls="ct-who")


if __name__ == "__main__":
    st.set_page_config(page_title="Comptroller", page_icon=str(frame.LOGO), layout="wide")
    show()
