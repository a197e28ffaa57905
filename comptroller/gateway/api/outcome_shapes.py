"""Outcomes as `/api` takes and tells them."""

from typing import Annotated, Literal, get_args

from pydantic import Field, JsonValue

from comptroller.core.outcome import State
from comptroller.gateway.api.pages import Offset
from comptroller.gateway.api.shapes import AMOUNT, PLAIN, Because, Costs, Moment, Money, Name, Said, Time, Told

DEGREE = r"^(1|1\.0{1,9}|0\.(0{0,8}[1-9][0-9]{0,8}))$"
STATES = rf"^({'|'.join(get_args(State))})(,({'|'.join(get_args(State))}))*$"
Month = Annotated[str, Field(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$", examples=["2026-11"])]
DURATION = r"^[0-9]{1,4}(s|m|h|d)$"
Evidence = dict[str, JsonValue]


class OutcomeRow(Told):
    """An outcome as it stands; its id is its claim's."""

    outcome: str
    type: str
    subject: str
    customer: str
    workflow: str
    run: str
    state: State
    because: str
    contract: str
    price: str
    degree: str
    method: str | None
    attestor: str
    fee: Money | None
    currency: str | None
    reversed: Money
    value: str | None
    invoice: str | None
    duplicate_of: str | None
    agents: list[str]
    attempts: int
    ignored: int
    claimed: Moment | None
    verified: Moment | None
    billed: Moment | None
    due: Moment | None
    cost: Annotated[Money | None, Field(description="Its part of what its run spent; null without a rate.")]
    cost_currency: str
    margin: Money | None


class OutcomePage(Told):
    """Outcomes, the latest claim first unless sorted otherwise; `next` is the id to go on after."""

    outcomes: list[OutcomeRow]
    total: int
    next: str | None


class EventRow(Told):
    """Something that was said of it; `ignored` says why it changed nothing."""

    event: str
    type: str
    at: Moment | None
    recorded: Moment | None
    actor: str
    attestor: str
    method: str | None
    evidence: list[str]
    because: str
    ignored: str | None


class CheckSaid(Told):
    """A check that its type asks for, and what it said; null where it has said nothing yet."""

    check: str
    verdict: str | None


class OutcomeAccount(OutcomeRow):
    """An outcome with its whole life."""

    evidence: list[str]
    shares: dict[str, str]
    checks: list[CheckSaid]
    clawback_reasons: list[str]
    disputable_until: Moment | None
    then: Annotated[
        Literal["expires", "verified", "final", "shown"] | None,
        Field(description="What its being due means: it expires, silence verifies it, it is final, evidence is in."),
    ]
    events: list[EventRow]


class PieceTold(Told):
    """One piece of evidence; `kept` is false where it was erased."""

    digest: str
    kept: bool
    content: dict[str, JsonValue] | None


class EvidenceTold(Told):
    """What shows it, in the order it was given."""

    outcome: str
    pieces: list[PieceTold]


class OutcomesAsked(Said):
    """Which."""

    state: Annotated[str, Field(pattern=STATES, description="One, or several with commas between.")] | None = None
    type: Name | None = None
    customer: Name | None = None
    workflow: Name | None = None
    run: Name | None = None
    invoice: Name | None = None
    since: Annotated[Time | None, Field(description="Claimed since then.")] = None
    until: Annotated[Time | None, Field(description="Claimed before then.")] = None
    verified: Annotated[Month | None, Field(description="Verified in that month (UTC).")] = None
    taken_back: Annotated[Month | None, Field(description="Of which something was taken back in that month.")] = None
    search: Annotated[Name, Field(description="In its id, subject, run or reason.")] = ""
    sort: Literal["claimed", "verified", "fee", "due"] = "claimed"
    rising: bool = False
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    after: Annotated[str, Field(max_length=128, pattern=PLAIN)] | None = None
    offset: Offset = 0


class StandingAsked(Said):
    """Whose, and claimed when."""

    customer: Name | None = None
    since: Time | None = None
    until: Time | None = None


class StandingRow(Told):
    """Outcomes in one state: how many, what they come to, and what of it was taken back."""

    state: State
    outcomes: int
    fees: Costs
    reversed: Costs


class Standing(Told):
    """By state; and the types, customers and workflows that occur."""

    states: list[StandingRow]
    types: list[str]
    customers: list[str]
    workflows: list[str]


class Saying(Said):
    """Who says so, for a key that speaks for many; why; and an id of one's own, under which it counts once."""

    name: Name = ""
    because: Because = ""
    id: Annotated[str, Field(max_length=128, pattern=r"^[\w.-]*$")] = ""


class Confirming(Saying):
    """In which capacity, and how much of it was reached."""

    by: Literal["customer", "human", "third_party"] | None = None
    degree: Annotated[str, Field(pattern=DEGREE, max_length=11)] | None = None


class Disputing(Saying):
    """What shows it."""

    evidence: Evidence | None = None


class Showing(Saying):
    """New evidence."""

    evidence: Evidence


class Resolving(Saying):
    """Whether the customer was right, and about how much of the fee."""

    upheld: bool
    amount: Annotated[str, Field(pattern=AMOUNT, examples=["1.50 USD"])] | None = None


class ClawingBack(Saying):
    """The reason as the contract names it, and how much of the fee; all that may come back where nothing is said."""

    reason: Name
    amount: Annotated[str, Field(pattern=AMOUNT, examples=["1.50 USD"])] | None = None


class Reopening(Saying):
    """That the subject came back; or that a person took over, or that it is another one again."""

    what: Literal["reopen", "takeover", "duplicate"] = "reopen"
    of: Name = ""


class Heard(Told):
    """What came of it. `not_done` says why nothing did; that it was said is on record all the same."""

    outcome: str
    state: State
    event: str
    not_done: str | None


class Linking(Said):
    """How long the link is to answer."""

    expires: Annotated[str, Field(pattern=DURATION, examples=["14d"])] | None = None


class Linked(Told):
    """Where the customer confirms or rejects it. It answers for the customer, so it is for nobody else."""

    outcome: str
    path: str
