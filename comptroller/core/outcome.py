"""Outcomes: what agents achieved and somebody may pay for; nouns only, their life is `metering/outcomes`."""

from dataclasses import dataclass, field
from typing import Literal

from comptroller.core.money import Money

State = Literal[
    "claimed",
    "pending",
    "verified",
    "billed",
    "final",
    "disputed",
    "disputed_unbilled",
    "rejected",
    "expired",
    "duplicate",
    "reversed",
    "clawed_back",
]
LIVE: tuple[State, ...] = ("claimed", "pending", "verified", "billed", "final", "disputed", "disputed_unbilled")

# How an outcome was attested, strongest first.
Method = Literal["deterministic", "customer", "human", "third_party", "judge", "silence"]
STRENGTH: tuple[Method, ...] = ("deterministic", "customer", "human", "third_party", "judge", "silence")

WHOLE = 1_000_000_000  # a degree of 1, in billionths


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """Something that was said of an outcome. Told again (same id) it changes nothing; where it may not happen it is
    on record as ignored.
    """

    id: str
    outcome: str  # key of the outcome
    type: str  # claim | verify_pass | verify_fail | confirm | human | silence | duplicate | takeover | reopen | ...
    at: int  # when it happened, ns since 1970
    actor: str = ""  # who did it: a person, an agent, a system
    attestor: str = ""  # who vouches for it, where somebody does
    method: Method | None = None
    evidence: tuple[str, ...] = ()  # digests
    data: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome as it stands: the fold of its events."""

    key: str
    tenant: str
    customer: str
    type: str
    subject: str
    state: State
    claim: str  # id of the claim that began it
    run: str
    workflow: str
    agents: tuple[str, ...]  # who performed it: none of them may attest it
    claimed_at: int
    window: int = 0  # number of the window the subject was counted in
    degree: int = WHOLE
    value: Money | None = None  # declared, for fees that are a share of it
    contract: str = ""
    price: str = ""  # version of the price, frozen when verified
    fee: Money | None = None
    method: Method | None = None
    attestor: str = ""
    evidence: tuple[str, ...] = ()
    attempts: int = 0  # verdicts asked for
    verified_at: int = 0
    billed_at: int = 0
    invoice: str = ""
    due_at: int = 0  # when the next deadline falls: of a verdict, of silence, of the dispute window
    duplicate_of: str = ""
    reversed_nanos: int = 0  # of the fee, so far
    because: str = ""
    ignored: int = 0  # events that came where they may not
