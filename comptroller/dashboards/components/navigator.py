"""Following a link within the console without loading it anew: one listener for every link of a page."""

from comptroller.dashboards.components.mounting import renderer


def mount() -> None:
    """Put the listener on the page."""
    renderer("navigator")(key="navigator", data={})
