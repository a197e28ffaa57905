"""Who looks: the person of this script run, and what they may see."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from comptroller.dashboards.map import BY_KEY, WHOLE, may_see
from comptroller.office.people import Person
from comptroller.office.who import Who

if TYPE_CHECKING:
    from comptroller.dashboards.sessions import Sessions

__all__ = ["Person", "as_person", "person", "require", "signed_in", "still", "use"]

_sessions: "Sessions | None" = None  # of the server in this process; none runs in a test of a page
_stand_in: Person | None = None


def use(sessions: "Sessions") -> None:
    """Say, once for the process and before it serves, how a cookie is read. From then on nobody stands in."""
    global _sessions, _stand_in
    _sessions, _stand_in = sessions, None


@contextmanager
def as_person(who: Person) -> Iterator[None]:
    """Be somebody, in a test of a page. Where a server runs this is refused."""
    global _stand_in
    if _sessions is not None:
        raise RuntimeError("a server runs in this process, so its cookies say who looks")
    before, _stand_in = _stand_in, who
    try:
        yield
    finally:
        _stand_in = before


def person() -> Person:
    """Who looks in this run of the script. A run whose session has ended stops here, with words.

    What a page does by itself, again and again, is no look: a session nobody uses ends although its page is open.
    """
    cookies = st.context.cookies.to_dict()
    found = _stand_in if _sessions is None else _sessions.person(cookies, touch=not _of_itself())
    if found is None:
        st.html(
            '<div class="ct-banner" role="alert"><strong>Your session has ended.</strong> '
            '<a href="/signin" target="_self">Sign in again</a>.</div>'
        )
        st.stop()
    return found


def still() -> Callable[[], Who | None]:
    """What tells, also later and in another thread, who this run's person is by then; None once they are out."""
    sessions, stand_in = _sessions, _stand_in
    if sessions is None:
        return lambda: stand_in.who if stand_in is not None else None
    cookies = st.context.cookies.to_dict()

    def now() -> Who | None:
        sessions.roll.refresh()  # a role that was taken away counts at once, not at the next look
        found = sessions.person(cookies, touch=False)
        return found.who if found is not None else None

    return now


def _of_itself() -> bool:
    """True in a run of a part of a page alone."""
    run = get_script_run_ctx()
    return run is not None and bool(run.fragment_ids_this_run)


def signed_in() -> bool:
    """True where the person signed in; else whoever sits at this machine is taken at their word."""
    return person().id != ""


def require(key: str) -> Person:
    """Stop a run of a page that the person's role does not have; returns the person."""
    found = person()
    if not may_see(found.role, key, found.customer):
        page, whole = BY_KEY[key], (", of the whole tenant" if key in WHOLE else "")
        st.html(
            '<div class="ct"><div class="ct-banner ct-asked" role="alert"><strong>This page is not for your role.'
            f'</strong><span class="ct-remedy">{escape(page.title)} is for {page.whose}{whole}. An admin can change '
            'your role: <code>comptroller people change</code>. <a href="/">To the overview</a></span></div></div>'
        )
        st.stop()
    return found
