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
FOREVER = 0  # of a time span: it has no end


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one outcome: its type's, made stricter by the contract, frozen when it is claimed."""

    deadline_ns: int  # from the claim to its verdict, and from a passed check to who attests it
    lookback_ns: int  # how long after it was verified the subject coming back takes it away
    dispute_ns: int  # how long after it was billed it can be disputed
    resolve_ns: int  # how long both sides may add evidence to a dispute
    silence_ns: int = 0  # of nothing said, and a passed claim is verified; 0: silence says nothing
    checks: tuple[str, ...] = ()  # the verifiers that must all pass it
    waits: bool = True  # once they have, somebody (or silence) must attest it
    ways: tuple[Method, ...] = ()  # how it can be attested then; empty: in any
    minimum: Method = "silence"
    factors: tuple[tuple[Method, int], ...] = ()  # of the fee, in billionths; a method not named pays it whole
    silence_most: int = 0  # outcomes verified by silence, per customer and month; 0: as many as there are
    most: int = 0  # outcomes verified at all, likewise
    freeze: Literal["claimed", "verified"] = "verified"  # when the version of the price is settled
    clawback: int = WHOLE  # the share of a fee that can be clawed back after all, in billionths
    clawback_for: tuple[str, ...] = ()  # the reasons it can be clawed back for
    zone: str = "UTC"  # of months
    split: str = "last"  # how the fee is attributed to the agents


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """Something that was said of an outcome. Told again (same id) it changes nothing; where it may not happen it is
    on record as ignored.
    """

    id: str
    outcome: str  # key of the outcome
    type: str  # claim | evidence | verify_pass | verify_fail | verify_unsure | confirm | human | third_party | judge |
    # silence | reject | takeover | duplicate | reopen | deadline | dispute | upheld | denied | invoice | credit |
    # window_end | clawback
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
    identity: str = ""  # hash of contract, type, subject and window: at most one live outcome has it
    claimant: str = ""  # the key it was claimed with, which cannot attest it either
    terms: Terms | None = None
    pending_at: int = 0
    disputed_at: int = 0
    disputes: int = 0
    reopened: int = 0  # how often its subject came back
    # Verifiers that spoke, what they said, and how much evidence there was: (id, verdict, pieces of evidence).
    verdicts: tuple[tuple[str, str, int], ...] = ()
    weights: tuple[tuple[str, int], ...] = ()  # by agent: how the fee is split
