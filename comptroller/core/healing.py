"""The nouns of a call that heals itself: when a model is asked again, and who takes over from whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

SHAPE = "structured.shape"  # the rule on record where a reply is not the JSON that was asked for
MOST = 3  # further tries of one request, whatever asks for them


@dataclass(frozen=True, slots=True)
class Retry:
    """What is refused is asked for again, so often, with a hint beside the reason."""

    times: int
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Structured:
    """What happens where a reply is not the JSON that was asked for."""

    mend: bool
    retry: Retry | None
    otherwise: Literal["pass", "deny"]
    policy: str
    place: str  # file:line, for remedies


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who or what takes over from an agent whose tries failed so often in a run."""

    to: str  # a model; or
    agent: str  # another agent
    after: int
    until: int  # calls that succeed before it goes back; 0 is the run's end
    holds_for: Callable[[str], bool]  # of agents
    policy: str
    place: str


@dataclass(frozen=True, slots=True)
class Healing:
    """All that policies say about an agent's calls that fail."""

    retries: Mapping[str, Retry] = field(default_factory=dict)  # by the rule as it stands on record
    structured: Structured | None = None
    fallbacks: tuple[Fallback, ...] = ()

    @property
    def asks_again(self) -> bool:
        """Whether any reply may be asked for again, or mended."""
        return bool(self.retries) or self.structured is not None
