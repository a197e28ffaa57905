"""What a verifier is told, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from comptroller.core.outcome import Outcome
from comptroller.metering.attribution import Weights
from comptroller.metering.outcome_types import OutcomeType


@dataclass(frozen=True, slots=True)
class Hearing:
    """A claim as verifiers see it. `run` is what the books know of its run; empty where they do not know it yet."""

    outcome: Outcome
    type: OutcomeType
    evidence: Mapping[str, object]
    run: Mapping[str, object] = field(default_factory=dict)
    lost: bool = False  # some of the evidence cannot be read any more


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verifier found. `passed` of None is no verdict: it was asked and could not say, or not yet."""

    passed: bool | None
    because: str = ""
    degree: int | None = None  # billionths, where less was reached than was claimed
    weights: Weights = ()  # who earned it, where the verifier can tell
    attestor: str = ""
