"""Following a link within the console without loading it anew: one listener for every link of a page."""

from comptroller.dashboards.components.part import part


def mount() -> None:
    """Put the listener on the page."""
    part("navigator", isolated=False)(key="navigator", data={})
