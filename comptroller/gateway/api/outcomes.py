"""Outcomes: listed, told whole, and what people and systems have to say of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel

from comptroller.core.money import decimal_text
from comptroller.core.outcome import Outcome, State
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.invoices import opened
from comptroller.gateway.api.outcome_shapes import (
    CheckSaid,
    ClawingBack,
    Confirming,
    Disputing,
    EventRow,
    EvidenceTold,
    Heard,
    Linked,
    Linking,
    OutcomeAccount,
    OutcomePage,
    OutcomeRow,
    OutcomesAsked,
    PieceTold,
    Reopening,
    Resolving,
    Saying,
    Showing,
    Standing,
    StandingAsked,
    StandingRow,
)
from comptroller.gateway.api.pages import after
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import BODIES, OUTCOMES, READ
from comptroller.metering.periods import Calendar, Period, period_named
from comptroller.office.costs import Costs as Spent
from comptroller.office.economics import taken_back
from comptroller.office.evidence import body_of
from comptroller.office.links import LIVES_NS, write_link
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.office.outcome_list import described, moment, told
from comptroller.office.saying import More, Speaker, say
from comptroller.office.who import Who
from comptroller.policies.amounts import read_duration

T = TypeVar("T", bound=BaseModel)
FOREVER = 1 << 63


def list_outcomes(ask: Ask) -> OutcomePage:
    """Those that are theirs to see."""
    desk, wanted = desk_of(ask), ask.query
    only = _taken_back(ask, wanted.taken_back) if wanted.taken_back else None
    among = list(desk.registry.outcomes.values())  # others go on writing while we read
    found = [one for one in among if _sees(ask.who, one) and _fits(one, wanted) and (only is None or one.key in only)]
    found.sort(key=_SORTS[wanted.sort], reverse=not wanted.rising)
    page, following = after(found, lambda each: each.key, wanted.after, wanted.limit, wanted.offset)
    costs = _costs(ask, desk, page)
    rows = [_row(OutcomeRow, described(each) | _economy(each, costs[each.key])) for each in page]
    return OutcomePage(outcomes=rows, total=len(found), next=following)


def show_standing(ask: Ask) -> Standing:
    """How they stand."""
    desk, said = desk_of(ask), ask.query
    since, until = _nanos(said.since), _nanos(said.until) or FOREVER
    mine = [
        one
        for one in list(desk.registry.outcomes.values())
        if _sees(ask.who, one) and said.customer in (None, one.customer) and since <= one.claimed_at < until
    ]
    by_state: dict[State, list[Outcome]] = {}
    for one in mine:
        by_state.setdefault(one.state, []).append(one)
    return Standing(
        states=[_standing(state, found) for state, found in sorted(by_state.items())],
        types=sorted({one.type for one in mine}),
        customers=sorted({one.customer for one in mine if one.customer}),
        workflows=sorted({one.workflow for one in mine if one.workflow}),
    )


def _standing(state: State, found: Sequence[Outcome]) -> StandingRow:
    fees, back = dict[str, int](), dict[str, int]()
    for one in found:
        if one.fee is not None:
            fees[one.fee.currency] = fees.get(one.fee.currency, 0) + one.fee.nanos
            back[one.fee.currency] = back.get(one.fee.currency, 0) + one.reversed_nanos
    texts = [{unit: decimal_text(nanos) for unit, nanos in sorted(each.items())} for each in (fees, back)]
    return StandingRow(state=state, outcomes=len(found), fees=texts[0], reversed=texts[1])


def show_outcome(ask: Ask) -> OutcomeAccount:
    """One with its whole life."""
    desk = desk_of(ask)
    outcome = meant(ask, desk)
    whole: dict[str, Any] = told(outcome, desk.registry.events(outcome.key))
    whole["events"] = [EventRow.model_validate(event) for event in whole["events"]]
    whole |= _economy(outcome, _costs(ask, desk, [outcome])[outcome.key])
    whole["checks"] = _checks(outcome)
    whole["clawback_reasons"] = list(outcome.terms.clawback_for) if outcome.terms else []
    whole["disputable_until"] = moment(outcome.due_at) if outcome.state == "billed" else None
    whole["then"] = _then(outcome)
    return _row(OutcomeAccount, whole)


def _then(outcome: Outcome) -> str | None:
    """What happens when its deadline falls."""
    if not outcome.due_at:
        return None
    silent = outcome.state == "pending" and outcome.terms is not None and outcome.terms.silence_ns
    return "verified" if silent else _THEN.get(outcome.state)


def _checks(outcome: Outcome) -> list[CheckSaid]:
    """Those that its terms ask for first, then whoever else spoke."""
    said = {verifier: verdict for verifier, verdict, _ in outcome.verdicts}
    asked = dict.fromkeys((*(outcome.terms.checks if outcome.terms else ()), *said))
    return [CheckSaid(check=name, verdict=said.get(name)) for name in asked]


def _costs(ask: Ask, desk: OutcomeDesk, found: Sequence[Outcome]) -> dict[str, int | None]:
    """What outcomes cost us, each in the currency of its fee."""
    known = Spent(ask.bureau.reader, ask.bureau.desk.fx, list(desk.registry.outcomes.values()))
    by_unit: dict[str, dict[str, str]] = {}
    for one in found:
        by_unit.setdefault(_unit(one), {})[one.key] = one.run
    costs: dict[str, int | None] = {}
    for unit, wanted in by_unit.items():
        costs |= known.of(ask.who.tenant, wanted, unit)
    return costs


def _unit(outcome: Outcome) -> str:
    return outcome.fee.currency if outcome.fee else "USD"


def _economy(outcome: Outcome, cost: int | None) -> dict[str, object]:
    """What it cost us, and what is left of its fee."""
    earned = outcome.fee.nanos - outcome.reversed_nanos if outcome.fee else None
    margin = None if cost is None or earned is None else decimal_text(earned - cost)
    return {
        "cost": None if cost is None else decimal_text(cost),
        "cost_currency": _unit(outcome),
        "margin": margin,
    }


def show_evidence(ask: Ask) -> EvidenceTold:
    """What shows it."""
    outcome, desk = meant(ask, desk_of(ask)), ask.bureau.desk
    pieces = [(digest, body_of(desk, digest)) for digest in outcome.evidence]
    rows = [PieceTold(digest=digest, kept=body is not None, content=_plain(body)) for digest, body in pieces]
    return EvidenceTold(outcome=outcome.key, pieces=rows)


def _plain(body: Mapping[str, object] | None) -> dict[str, Any] | None:
    return None if body is None else dict(body)


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


def claw_back_outcome(ask: Ask) -> Heard:
    """Take a final fee back."""
    said = ask.body
    return _say(ask, "clawback", More(because=said.because, amount=said.amount or "", reason=said.reason))


def reopen_outcome(ask: Ask) -> Heard:
    """Say that its subject came back."""
    said = ask.body
    if said.of:  # another that nobody here may see is none
        _seen(ask, desk_of(ask), said.of)
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
    return _seen(ask, desk, ask.path["outcome"])


def _seen(ask: Ask, desk: OutcomeDesk, key: str) -> Outcome:
    outcome = desk.registry.outcomes.get(key)
    if outcome is None or not _sees(ask.who, outcome):
        raise Problem(404, "not_found", f"There is no outcome {key[:128]!r}.", "List them with GET /api/outcomes.")
    return outcome


def _sees(who: Who, outcome: Outcome) -> bool:
    row = {"tenant": outcome.tenant, "customer": outcome.customer, "user": who.user, "workflow": outcome.workflow}
    return who.sees(row)


def _taken_back(ask: Ask, month: str) -> frozenset[str]:
    with opened(ask) as keeper:
        return taken_back(list(keeper.accounts.txns.values()), month)


@lru_cache(maxsize=64)
def _month(label: str) -> Period:
    return period_named(Calendar(), label)


def _fits(outcome: Outcome, wanted: OutcomesAsked) -> bool:
    if not all(getattr(wanted, name) in (None, getattr(outcome, name)) for name in _NAMED):
        return False
    if wanted.state is not None and outcome.state not in wanted.state.split(","):
        return False
    if wanted.verified is not None and outcome.verified_at not in _month(wanted.verified):
        return False
    if not _nanos(wanted.since) <= outcome.claimed_at < (_nanos(wanted.until) or FOREVER):
        return False
    return not wanted.search or any(wanted.search.lower() in getattr(outcome, name).lower() for name in _TEXTS)


def _nanos(at: datetime | None) -> int:
    return 0 if at is None else int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000


_NAMED = ("type", "customer", "workflow", "run", "invoice")
_THEN = {
    "claimed": "expires",
    "pending": "expires",
    "billed": "final",
    "disputed": "shown",
    "disputed_unbilled": "shown",
}
_TEXTS = ("key", "subject", "run", "because", "customer")
_SORTS: Mapping[str, Callable[[Outcome], tuple[int, str]]] = {
    "claimed": lambda one: (one.claimed_at, one.key),
    "verified": lambda one: (one.verified_at, one.key),
    "fee": lambda one: (one.fee.nanos if one.fee else -1, one.key),
    "due": lambda one: (one.due_at, one.key),
}


def _row(shape: type[T], whole: Mapping[str, object]) -> T:
    return shape.model_validate(whole)


_ONE = "/api/outcomes/{outcome}"


def _saying(word: str, does: str, answer: Any, body: Any) -> Route:
    return Route("POST", f"{_ONE}/{word}", does, OUTCOMES, answer, Heard, body=body, fails=(404,))


ROUTES = (
    Route("GET", "/api/outcomes", "List outcomes, the latest first.", READ, list_outcomes, OutcomePage, OutcomesAsked),
    Route(
        "GET",
        "/api/books/outcomes",
        "How outcomes stand: by state, with what they come to.",
        READ,
        show_standing,
        Standing,
        StandingAsked,
    ),
    Route("GET", _ONE, "One outcome with its whole life.", READ, show_outcome, OutcomeAccount, fails=(404,)),
    _saying("confirm", "Attest an outcome.", confirm_outcome, Confirming),
    _saying("reject", "Say that it was not reached.", reject_outcome, Saying),
    _saying("dispute", "Dispute an outcome.", dispute_outcome, Disputing),
    _saying("evidence", "Add evidence to what is claimed or disputed.", add_evidence, Showing),
    _saying("resolve", "Decide a dispute.", resolve_outcome, Resolving),
    Route("GET", f"{_ONE}/evidence", "What shows an outcome.", BODIES, show_evidence, EvidenceTold, fails=(404,)),
    _saying("clawback", "Take a final fee back, for a reason the contract names.", claw_back_outcome, ClawingBack),
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
