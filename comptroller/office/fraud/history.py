"""What the search for gaming looks at: outcomes with all that was said of them, and what it says when it finds some."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol

from comptroller.core.outcome import Outcome, OutcomeEvent

Signal = Literal["silence_drift", "subject_splitting", "judge_retries", "cherry_picking", "self_dealing", "back_dating"]
DAY = 86_400_000_000_000
MONTH = 30 * DAY


class Entry(Protocol):
    """An event as it is on record."""

    @property
    def event(self) -> OutcomeEvent: ...
    @property
    def recorded_at(self) -> int: ...
    @property
    def ignored(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of one workflow for one customer that began on one day, by the number of the day since 1970."""

    tenant: str
    customer: str
    workflow: str
    day: int
    count: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """One version of a contract: from when on it holds, and when it was first on record."""

    tenant: str
    customer: str
    contract: str
    version: str
    starts: int
    loaded_at: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """Everything the signals are found in."""

    outcomes: Sequence[Outcome]
    entries: Mapping[str, Sequence[Entry]] = field(default_factory=dict)  # by outcome
    runs: Sequence[Runs] = ()
    contracts: Sequence[Loaded] = ()
    now: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """From where on something is a finding. Each bound is what keeps honest work out of it."""

    least: int = 20  # outcomes (or runs) on each side before shares are compared
    drift: Fraction = Fraction(15, 100)  # how far a share has to move
    deviations: int = 3  # and how many standard deviations that has to be
    window: int = MONTH  # what counts as now, back from the newest outcome
    pieces: int = 3  # subjects that look like parts of one
    pieces_within: int = DAY
    retries: int = 2  # failed verdicts before the one that passed
    retried_least: int = 5  # outcomes of an agent that passed at a second try
    retried_share: Fraction = Fraction(1, 5)
    returns: int = 3  # outcomes that two attested for each other, each way
    lag: int = DAY  # how long after it happened an event may come


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks like gaming, and the outcomes it is about: for a person to look at."""

    signal: Signal
    tenant: str
    customer: str
    type: str
    who: str  # agent, attestor or workflow it points at, where it points at one
    message: str
    outcomes: tuple[str, ...]
    figures: Mapping[str, int | str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str, str, tuple[str, ...]]:
        """What it is ordered by."""
        return self.signal, self.tenant, self.customer, self.type, self.who, self.outcomes


def percent(share: Fraction) -> str:
    """A share as whole percent, a half up."""
    return f"{(share * 200 + 1) // 2} %"


def share_of(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)


def moved(part: int, whole: int, part_before: int, whole_before: int, bounds: Bounds) -> bool:
    """True where a share grew by more than chance explains: far enough, over enough cases, and by enough deviations.

    In whole fractions: the same figures say the same on every machine.
    """
    if whole < bounds.least or whole_before < bounds.least:
        return False
    gap = share_of(part, whole) - share_of(part_before, whole_before)
    if gap < bounds.drift:
        return False
    both = Fraction(part + part_before, whole + whole_before)
    variance = both * (1 - both) * (Fraction(1, whole) + Fraction(1, whole_before))
    return gap * gap >= bounds.deviations**2 * variance


def keys(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """The keys of outcomes, in order of their claims."""
    return tuple(one.key for one in sorted(outcomes, key=lambda one: (one.claimed_at, one.key)))
