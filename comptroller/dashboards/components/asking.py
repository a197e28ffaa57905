"""Which row the browser shall have selected: told once, so that a later choice by the viewer stands."""

from collections.abc import MutableMapping
from typing import Any


def asked(state: MutableMapping[Any, Any], key: str, wanted: str) -> tuple[int, str]:
    """The number and the row of the latest wish of the page; the browser obeys a number once.

    The wish does not change when the page merely repeats what the viewer chose: the data stays the same then,
    and Streamlit does not send megabytes again for a click.
    """
    memory = f"{key}.asked"
    number, row, seen = state.get(memory, (0, "", None))
    now = (wanted, _chosen(state, key))
    if wanted and wanted != now[1] and now != seen:
        number, row = number + 1, wanted
    state[memory] = (number, row, now)
    return number, row


def _chosen(state: MutableMapping[Any, Any], key: str) -> str:
    held = state.get(key)
    return str((held.get("selected") if held else "") or "")
