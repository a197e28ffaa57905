"""What frames every page: heading, figures, banners, empty states, acts to confirm, and the line at the foot."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from comptroller.core.clock import SYSTEM
from comptroller.core.errors import ComptrollerError
from comptroller.dashboards import session
from comptroller.dashboards.components import navigator
from comptroller.dashboards.look.markup import Markup, as_text, join, tag
from comptroller.dashboards.look.viewer import Viewer
from comptroller.dashboards.map import BY_KEY, PAGES, Page, may_see, pages_of
from comptroller.dashboards.source import Document, Effort, Source

LOOK = Path(__file__).parent / "look"
LOGO, NAME = LOOK / "logo.svg", LOOK / "name.svg"
_BEGUN, _EFFORT, _TOLD = "_ct_begun", "_ct_effort", "_ct_told"
_SEEN = "_ct_seen"  # the pages that this run of the script may link to
_SAID, _TURN = "_ct_said", "_ct_turn"  # the address as we left it; how often somebody else changed it
_LENT: ContextVar[Source | None] = ContextVar("comptroller_source", default=None)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name, and what it leads to."""

    name: str
    value: str
    exact: str = ""
    note: str = ""
    tone: str = "plain"  # of the note
    link: str = ""
    picture: Markup | None = None  # its course (`look/bars`)


def begin() -> None:
    """The style, the listener for links, and what the last act had to say."""
    st.session_state[_BEGUN] = time.perf_counter()
    st.session_state[_EFFORT] = Effort()
    st.session_state[_SEEN] = _seen()
    if st.session_state.get(_SAID) != (said := st.query_params.to_dict()):
        st.session_state[_SAID] = said
        st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    st.html(f"<style>{_style(dark())}</style>")
    navigator.mount()
    told = st.session_state.pop(_TOLD, None)
    if told:
        st.toast(as_text(told))


def dark() -> bool:
    """True where the viewer's theme is dark."""
    return st.context.theme.type == "dark"


def viewer() -> Viewer:
    """How this viewer writes figures."""
    return Viewer(st.context.locale or "en-US", st.context.timezone or "UTC", today().year)


def today() -> datetime:
    """The present moment, in UTC."""
    return datetime.fromtimestamp(SYSTEM.now_ns() / 1e9, UTC)


def source() -> Source:
    """What this person may ask."""
    lent = _LENT.get()
    if lent is not None:
        return lent
    effort = st.session_state.setdefault(_EFFORT, Effort())
    return Source(session.person().who, effort, session.still())


def links(key: str) -> bool:
    """True where the person sees that page, so that a link to it leads somewhere.

    Asked once for a run: a table has a link in each row. The page itself asks again, as who follows it by then.
    """
    seen: frozenset[str] | None = st.session_state.get(_SEEN)
    return key in (_seen() if seen is None else seen)


def _seen() -> frozenset[str]:
    person = session.person()
    return frozenset(page.key for page in PAGES if may_see(person.role, page.key, person.customer))


def address(key: str, **query: object) -> str:
    """The address of a page, or nothing where the person does not see it."""
    if not links(key):
        return ""
    said = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return BY_KEY[key].path + (f"?{urlencode(said)}" if said else "")


def link(text: str, to: str, **more: str) -> Markup:
    """A text that leads somewhere, or stays text where there is nowhere to go."""
    return tag("a", text, href=to, **more) if to else tag("span", text, **more)


def heading(title: str, below: str | Markup = "", badges: Iterable[Markup] = ()) -> None:
    """The title of a page, with the line below it."""
    line = tag("p", below, cls="ct-sub") if below else None
    put(tag("header", tag("div", tag("h1", title), *badges, cls="ct-head"), line))


def section(title: str, below: str = "") -> None:
    """The title of a part of a page."""
    put(tag("h2", title, cls="ct-section"), tag("p", below, cls="ct-sub") if below else None)


def put(*pieces: Markup | None) -> None:
    """Show markup."""
    st.html(tag("div", *pieces, cls="ct"))


def figures(shown: Sequence[Figure], plain: bool = False) -> None:
    """Figures in a row, as cards or as a plain line."""
    put(tag("div", *(_figure(each) for each in shown), cls="ct-line" if plain else "ct-figures"))


def banner(tone: str, text: str, more: str | Markup = "", mark: str = "") -> None:
    """A sentence that matters, on the tone of a status; `more` is the remedy, or where to look."""
    head = tag("strong", f"{mark} {text}".strip())
    role = "alert" if tone == "failed" else "status"
    put(tag("div", head, tag("span", more, cls="ct-remedy") if more else None, cls=f"ct-banner ct-{tone}", role=role))


def facts(pairs: Iterable[tuple[str, str | Markup]]) -> None:
    """Names and what stands for them, below one another."""
    put(tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in pairs), cls="ct-facts"))


def cards(shown: Iterable[tuple[str | Markup, str, str | Markup]]) -> None:
    """Small cards: a title, a figure at its right, and a line below."""
    put(
        *(
            tag(
                "div",
                tag("div", tag("span", title), tag("span", figure), cls="ct-top"),
                tag("div", below, cls="ct-more"),
                cls="ct-card",
            )
            for title, figure, below in shown
        )
    )


def empty(title: str, why: str, act: str | Markup = "") -> None:
    """What is missing, why, and the next act."""
    put(tag("div", tag("h2", title), tag("p", why), tag("p", act) if act else None, cls="ct-empty"))


def problem(error: ComptrollerError) -> None:
    """An error in words, with its remedy."""
    text = str(error)
    head, _, rest = text.partition(". ")
    banner("failed", head + ("." if rest else ""), rest, "✕")


def broken(error: Exception) -> bool:
    """Say, in place of a page that failed by a mistake of ours, that it did; what happened stands in the log."""
    banner("failed", "This page failed, and it is not your mistake.", "The console's log says more. Try again.", "✕")
    return True


@contextmanager
def guarded() -> Iterator[None]:
    """Show what goes wrong inside as a banner, and let the rest of the page stand."""
    try:
        yield
    except ComptrollerError as error:
        problem(error)


def act(
    label: str,
    do: Callable[[str], str],
    question: str,
    *,
    key: str,
    primary: bool = False,
    because: bool = False,
    confirm: str = "",
    disabled: bool = False,
    about: str = "",
    show: Callable[[], None] | None = None,
) -> None:
    """A button that asks before it does something. `do` is given the reason and returns what to say afterwards.

    `show` draws what somebody should look at before they say yes.
    """
    pressed = st.button(
        as_text(label),
        key=key,
        type="primary" if primary else "secondary",
        disabled=disabled,
        help=as_text(about) or None,
    )
    if pressed and not disabled:  # Streamlit takes the browser's word for it
        _confirm(label, do, question, key, because, confirm or label, show)


def download(label: str, make: Callable[[], Document], name: str, media: str, *, key: str) -> None:
    """A button that makes a file when it is pressed."""
    drawn = source()

    def made() -> bytes:
        # Outside of any run of the page, where Streamlit knows no cookies any more.
        before = _LENT.set(drawn)
        try:
            return make().data
        finally:
            _LENT.reset(before)

    st.download_button(
        as_text(label), data=made, file_name=name, mime=media, key=key, on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip


def tell(text: str) -> None:
    """Say something on the next run of the page."""
    st.session_state[_TOLD] = text


def foot() -> None:
    """How long the page took and what it asked."""
    effort, begun = st.session_state[_EFFORT], st.session_state[_BEGUN]
    took = (time.perf_counter() - begun) * 1000
    asked = "1 query" if effort.queries == 1 else f"{effort.queries} queries"
    said = f"script {took:.0f} ms · {asked} {effort.seconds * 1000:.0f} ms"
    put(tag("div", said, cls="ct-foot"))


def query(name: str, otherwise: str = "") -> str:
    """What the address says."""
    value = st.query_params.get(name, otherwise)
    return value if len(value) <= 500 else otherwise


def key(name: str) -> str:
    """The key of a widget whose value lives in the address: a new one whenever a link or the browser changed that."""
    return f"ct_{name}_{st.session_state.get(_TURN, 0)}"


def remember(**said: object) -> None:
    """Make the address say it; nothing said is left out."""
    for name, value in said.items():
        if value in (None, ""):
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)
    st.session_state[_SAID] = st.query_params.to_dict()


def pages(person: session.Person) -> dict[str, list[Any]]:
    """The pages of a person, by group, as Streamlit wants them.

    Those of others are there unlisted: a colleague's link to one says whose it is, not that there is no such page.
    """
    grouped: dict[str, list[Any]] = {}
    theirs = pages_of(person.role, person.customer)
    for page in (*theirs, *(page for page in PAGES if page not in theirs)):
        made = st.Page(
            _drawing(page),
            title=page.title,
            icon=f":material/{page.icon}:",
            url_path=page.key,
            default=page.key == "overview",
            visibility="visible" if page.listed and page in theirs else "hidden",
        )
        grouped.setdefault(page.group if page in theirs else "", []).append(made)
    return grouped


def _drawing(page: Page) -> Callable[[], None]:
    """What Streamlit calls to draw a page: checked again, as whoever knows an address can ask for it."""

    def draw() -> None:
        session.require(page.key)
        page.draw()

    draw.__name__ = page.key
    return draw


@st.dialog("Please confirm")
def _confirm(
    label: str,
    do: Callable[[str], str],
    question: str,
    key: str,
    because: bool,
    confirm: str,
    show: Callable[[], None] | None,
) -> None:
    st.write(as_text(question))
    if show is not None:
        show()
    reason = st.text_input("Why? It goes on record with your name.", key=f"{key}_why", max_chars=500) if because else ""
    if not st.button(as_text(confirm), key=f"{key}_yes", type="primary"):
        return
    if because and not reason.strip():
        st.caption("Say why in a few words first.")
        return
    try:
        tell(do(reason.strip()))
    except ComptrollerError as error:
        problem(error)
        return
    st.rerun()


def _figure(shown: Figure) -> Markup:
    value = tag("span", link(shown.value, shown.link), cls="ct-value", title=shown.exact or None)
    note = tag("span", tag("span", shown.note, cls=f"ct-badge ct-{shown.tone}"), cls="ct-note") if shown.note else None
    return tag("div", tag("span", shown.name, cls="ct-name"), value, note, shown.picture, cls="ct-figure")


@lru_cache(maxsize=2)
def _style(at_night: bool) -> str:
    names = ("style.css", "dark.css") if at_night else ("style.css",)
    return "\n".join((LOOK / name).read_text(encoding="utf-8") for name in names)
