"""What a guard is, and how guards from elsewhere are found."""

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

from comptroller.core.errors import SettingsError
from comptroller.core.verdict import Finding

GROUP = "comptroller.guards"


@runtime_checkable
class Guard(Protocol):
    """Recognises something in a text. Offsets are characters; it must neither change nor keep the text."""

    name: str

    def inspect(self, text: str) -> Sequence[Finding]:
        """Every place it recognises."""
        ...


def installed_guards() -> list[Guard]:
    """Guards that other packages offer under the entry point group `comptroller.guards`, in order of their names."""
    found: list[Guard] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        made = entry.load()
        guard = made() if isinstance(made, type) else made
        if not isinstance(guard, Guard):
            raise SettingsError(
                f"{entry.value} (entry point {GROUP}: {entry.name}) is not a guard. "
                "It needs a `name` and `inspect(text)`; correct it or uninstall its package."
            )
        found.append(guard)
    return found
