"""Secrets that are told once: kept from the act that made them to the next run of the page, and no longer."""

import streamlit as st

_HELD = "_ct_secret_"


def keep(name: str, value: str) -> None:
    """Keep it until the next run of the page shows it."""
    st.session_state[_HELD + name] = value


def take(name: str) -> str:
    """Take it out of the session; nothing where none was made."""
    return str(st.session_state.pop(_HELD + name, ""))
