"""How a component gets into the page: its script and style read from beside this file, with what all of them share."""

from functools import cache
from importlib.resources import files
from typing import Any

HTML = '<div class="root"></div>'


def nothing() -> None:
    """A callback that only says that a state exists: Streamlit returns no state it was not told of."""


@cache
def renderer(name: str, *more: str) -> Any:
    """What mounts the component of this name; registered once in a process, when a page first shows it.

    `more` are further scripts of its own.
    """
    from streamlit.components.v2 import component  # half a second to load: the pure parts do without it

    made = component(
        f"comptroller.{name}", html=HTML, css=_read("css", "shared", name), js=_read("js", "shared", *more, name)
    )

    def mount(*, key: str, **rest: Any) -> Any:
        return made(key=safe(key), **rest)

    return mount


def safe(key: str) -> str:
    """A key that Streamlit takes: ids that others gave are part of some, and two low lines part its own."""
    while "__" in key:
        key = key.replace("__", "_-_")
    return key


def _read(ending: str, *parts: str) -> str:
    # Joined into one module: a script from a blob has no address from which it could import another.
    folder = files(__package__)
    return "\n".join((folder / f"{part}.{ending}").read_text("utf-8") for part in parts)
