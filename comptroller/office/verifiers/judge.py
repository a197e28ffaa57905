"""The port for judges: models or services that decide whether an outcome was reached. None comes with us.

A package offers one under the entry point `comptroller.judges`; outcome types name it. What it says counts as the
method `judge`, which contracts may rank below what is deterministic or said by people.
"""

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Protocol

from comptroller.office.verifiers.verdict import Hearing, Verdict

GROUP = "comptroller.judges"


class Judge(Protocol):
    """Decides on a claim. It may take its time and may raise; then it is asked again later, each time on record."""

    name: str

    def judge(self, hearing: Hearing, asks: str) -> Verdict:
        """Whether what `asks` says was reached; its evidence and run are in the hearing."""
        ...


def installed_judges() -> Mapping[str, Judge]:
    """The judges that are installed here, by the names of their entry points."""
    return {entry.name: entry.load()() for entry in entry_points(group=GROUP)}
