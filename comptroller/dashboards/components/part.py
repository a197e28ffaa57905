"""A custom part of a page: its `.js` and `.css` beside its Python file, registered once."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit

Mount = Callable[..., Any]


@cache
def part(name: str, isolated: bool = True) -> Mount:
    """The function that puts the part on a page."""
    here = Path(__file__).parent
    style, script = here / f"{name}.css", here / f"{name}.js"
    mount: Mount = streamlit.components.v2.component(
        f"comptroller_{name}",
        css=style.read_text(encoding="utf-8") if style.is_file() else None,
        js=script.read_text(encoding="utf-8"),
        isolate_styles=isolated,
    )
    return mount
