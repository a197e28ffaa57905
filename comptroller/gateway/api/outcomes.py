"""Outcomes: listed, told whole, and what people and systems have to say of them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, JsonValue

from comptroller.core.outcome import Outcome, State
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.pages import after
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import OUTCOMES, READ
from comptroller.gateway.api.shapes import AMOUNT, PLAIN, Because, Moment, Money, Name, Said, Told
from comptroller.office.links import LIVES_NS, write_link
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.outcome_list import described, told
from comptroller.office.saying import More, Speaker, say
from comptroller.office.who import Who
from comptroller.policies.amounts import read_duration

T = TypeVar("T", bound=BaseModel)
DEGREE = r"^(1|1\.0{1,9}|0\.(0{0,8}[1-9][0-9]{0,8}))$"
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


class OutcomePage(Told):
    """Outcomes, the latest claim first; `next` is the id to go on after."""

    outcomes: list[OutcomeRow]
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


class OutcomeAccount(OutcomeRow):
    """An outcome with its whole life."""

    evidence: list[str]
    shares: dict[str, str]
    events: list[EventRow]


class OutcomesAsked(Said):
    """Which."""

    state: State | None = None
    type: Name | None = None
    customer: Name | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    after: Annotated[str, Field(max_length=128, pattern=PLAIN)] | None = None


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


def list_outcomes(ask: Ask) -> OutcomePage:
    """Those that are theirs to see."""
    desk, wanted = desk_of(ask), ask.query
    found = [each for each in desk.registry.outcomes.values() if _sees(ask.who, each) and _fits(each, wanted)]
    found.sort(key=lambda each: (each.claimed_at, each.key), reverse=True)
    page, following = after(found, lambda each: each.key, wanted.after, wanted.limit)
    rows = [_row(OutcomeRow, described(each)) for each in page]
    return OutcomePage(outcomes=rows, next=following)


def show_outcome(ask: Ask) -> OutcomeAccount:
    """One with its whole life."""
    desk = desk_of(ask)
    outcome = meant(ask, desk)
    whole: dict[str, Any] = told(outcome, desk.registry.events(outcome.key))
    whole["events"] = [EventRow.model_validate(event) for event in whole["events"]]
    return _row(OutcomeAccount, whole)


def confirm_outcome(ask: Ask) -> Heard:
    """Attest it."""
    said, who = ask.body, ask.who
    by = said.by or ("customer" if who.customer else "human")
    if by == "customer" and who.key and not who.customer:
        raise Problem(
            403,
            "not_allowed",
            "This key is for no customer, so it cannot speak for one.",
            "Use the customer's own key, or send the customer a link.",
            "body.by",
        )
    return _say(ask, "confirm", More(because=said.because, degree=said.degree or ""), by)


def reject_outcome(ask: Ask) -> Heard:
    """Say that it was not reached."""
    return _say(ask, "reject", More(because=ask.body.because))


def dispute_outcome(ask: Ask) -> Heard:
    """Dispute it."""
    return _say(ask, "dispute", More(because=ask.body.because, evidence=ask.body.evidence))


def add_evidence(ask: Ask) -> Heard:
    """Add evidence to it."""
    return _say(ask, "evidence", More(because=ask.body.because, evidence=ask.body.evidence))


def resolve_outcome(ask: Ask) -> Heard:
    """Decide a dispute."""
    said = ask.body
    return _say(ask, "uphold" if said.upheld else "deny", More(because=said.because, amount=said.amount or ""))


def reopen_outcome(ask: Ask) -> Heard:
    """Say that its subject came back."""
    said = ask.body
    return _say(ask, said.what, More(because=said.because, of=said.of))


def link_outcome(ask: Ask) -> Linked:
    """Make a link for its customer."""
    desk = desk_of(ask)
    outcome, at = meant(ask, desk), desk.registry.desk
    lives = round(read_duration(ask.body.expires) * 1_000_000_000) if ask.body.expires else LIVES_NS
    token = write_link(at.ledger.digest, at.clock, outcome.key, outcome.customer, lives)
    return Linked(outcome=outcome.key, path=f"/api/confirm/{token}")


def _say(ask: Ask, word: str, more: More, by: Any = "human") -> Heard:
    desk, who = desk_of(ask), ask.who
    outcome = meant(ask, desk)
    # What a key says is said by the key; a name it gives is whom it says it speaks for.
    name = f"{ask.body.name} ({who.signature})" if ask.body.name else who.signature
    said = say(desk.registry, word, outcome.key, Speaker(name, by, who.key), more, ask.body.id)
    desk.work_here()
    state = desk.registry.outcomes[outcome.key].state
    return Heard(outcome=outcome.key, state=state, event=said.event, not_done=said.ignored or None)


def desk_of(ask: Ask) -> OutcomeDesk:
    """The work on outcomes, with all done that waits for nobody elsewhere."""
    desk = ask.bureau.outcomes
    desk.work_here()
    return desk


def meant(ask: Ask, desk: OutcomeDesk) -> Outcome:
    """The outcome of the path, where it is theirs to see."""
    key = ask.path["outcome"]
    outcome = desk.registry.outcomes.get(key)
    if outcome is None or not _sees(ask.who, outcome):
        raise Problem(404, "not_found", f"There is no outcome {key[:128]!r}.", "List them with GET /api/outcomes.")
    return outcome


def _sees(who: Who, outcome: Outcome) -> bool:
    row = {"tenant": outcome.tenant, "customer": outcome.customer, "user": who.user, "workflow": outcome.workflow}
    return who.sees(row)


def _fits(outcome: Outcome, wanted: OutcomesAsked) -> bool:
    said = ("state", "type", "customer")
    return all(getattr(wanted, name) in (None, getattr(outcome, name)) for name in said)


def _row(shape: type[T], whole: Mapping[str, object]) -> T:
    return shape.model_validate(whole)


_ONE = "/api/outcomes/{outcome}"


def _saying(word: str, does: str, answer: Any, body: Any) -> Route:
    return Route("POST", f"{_ONE}/{word}", does, OUTCOMES, answer, Heard, body=body, fails=(404,))


ROUTES = (
    Route("GET", "/api/outcomes", "List outcomes, the latest first.", READ, list_outcomes, OutcomePage, OutcomesAsked),
    Route("GET", _ONE, "One outcome with its whole life.", READ, show_outcome, OutcomeAccount, fails=(404,)),
    _saying("confirm", "Attest an outcome.", confirm_outcome, Confirming),
    _saying("reject", "Say that it was not reached.", reject_outcome, Saying),
    _saying("dispute", "Dispute an outcome.", dispute_outcome, Disputing),
    _saying("evidence", "Add evidence to what is claimed or disputed.", add_evidence, Showing),
    _saying("resolve", "Decide a dispute.", resolve_outcome, Resolving),
    _saying("reopen", "Say that its subject came back.", reopen_outcome, Reopening),
    Route(
        "POST",
        f"{_ONE}/link",
        "Make a link by which its customer confirms or rejects it, once.",
        OUTCOMES,
        link_outcome,
        Linked,
        body=Linking,
        status=201,
        fails=(404,),
    ),
)
