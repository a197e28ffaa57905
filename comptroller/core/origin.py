"""The nouns of data flow: where a value in a tool call came from, and what a run has read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from comptroller.core.intent import Wish

Label = Literal["user", "system", "trusted", "model", "untrusted"]
Secrecy = Literal["public", "internal", "secret"]
LABELS: Mapping[str, int] = {"user": 0, "system": 1, "trusted": 2, "model": 3, "untrusted": 4}  # worst last
SECRECY: Mapping[str, int] = {"public": 0, "internal": 1, "secret": 2}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one argument came from: its worst label, and the sources of its parts in the order they appear.

    A source is `user`, `system`, `model`, `result:ID` or `agent:NAME`, and `unknown` where that cannot be told.
    """

    label: Label
    sources: tuple[str, ...]
    secrecy: Secrecy = "public"
    whole: bool = False  # copied in one piece from one source: nothing was put into it on the way
    named: bool = False  # something untrusted names the same value, and the user does not
    reach: Label | None = None  # the worst label of the addresses, links and accounts inside; None where there are none


class Origins(Protocol):
    """What the data flow of a run says of one tool call, and of the run."""

    @property
    def tainted(self) -> bool:
        """Whether anything untrusted was read in the run, or may have been."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """The worst trust and the highest secrecy of all that was read."""
        ...

    def of(self, name: str) -> Origin | None:
        """The origin of an argument; None where it is absent or null."""
        ...

    def called_for(self, wish: Wish) -> bool | None:
        """Whether the user's own words ask for it, or those of the instructions; None where nobody spoke."""
        ...

    @property
    def handed_over(self) -> bool:
        """Whether the user told the agent to do what some text says."""
        ...


def worst(labels: Sequence[Label]) -> Label:
    """The label that wins where several parts have one each."""
    return max(labels, key=LABELS.__getitem__, default="user")
