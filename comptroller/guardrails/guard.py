"""What a guard is, and how guards from elsewhere are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from comptroller.core.errors import SettingsError
from comptroller.core.verdict import Finding

GROUP = "comptroller.guards"
OURS = ("secrets", "privacy")


@runtime_checkable
class Guard(Protocol):
    """Recognises something in a text. Offsets are characters; it must neither change nor keep the text."""

    name: str

    def inspect(self, text: str) -> Sequence[Finding]:
        """Every place it recognises."""
        ...


class Unanswered(Exception):
    """A guard said nothing of a text; in words, why."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A guard that another package offers. Nothing of it is loaded here: that is done where it runs."""

    name: str  # of its entry point: what policies call it
    value: str  # where it is found, as `package.module:name`
    package: str = ""  # which brings it, with its version


def installed_guards() -> list[Installed]:
    """Guards that other packages offer under the entry point group `comptroller.guards`, in order of their names."""
    found: dict[str, Installed] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        guard = Installed(entry.name, entry.value, _package(entry))
        other = found.setdefault(entry.name, guard)
        if other != guard or entry.name in OURS:
            raise SettingsError(
                f"{guard.package or guard.value} offers a guard named {guard.name!r} (entry point {GROUP}), as does "
                f"{'Comptroller itself' if entry.name in OURS else other.package or other.value}. "
                "A policy could not tell them apart: uninstall one of them, or have it renamed."
            )
    return list(found.values())


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else ""
