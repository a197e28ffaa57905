"""The nouns of a run that repeats itself: the ways it can, and what a policy says of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from comptroller.core.verdict import AskFor

Way = Literal["repeat", "rounds", "ping_pong", "retries", "growth", "depth", "width", "waste"]
Then = Literal["note", "slow", "ask", "deny", "stop"]


@dataclass(frozen=True, slots=True)
class Bound:
    """How far a run may go in one way, and what happens beyond."""

    way: Way
    most: int  # times, levels or agents; nanos of `unit`; thousandths of what was spent, where `after` says how much
    then: Then
    policy: str
    place: str  # file:line, for remedies
    shadow: bool = False
    delay_s: float = 0.0
    unit: str = ""
    after: int = 0  # nanos that must have been spent before a share says anything
    ask: AskFor | None = None

    @property
    def rule(self) -> str:
        """As it stands on record."""
        return f"loops.{self.way}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """All that applies to an agent in a workflow. Tools that are `ignored` may be called over and over."""

    models: tuple[Bound, ...]  # looked at when a model is asked
    tools: tuple[Bound, ...]  # when a tool is called
    passing: tuple[Bound, ...]  # when a tool is called that is ignored
    agents: tuple[Bound, ...]  # when an agent opens
    ignored: Callable[[str], bool]
