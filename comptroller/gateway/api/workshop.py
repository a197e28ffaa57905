"""The policy workshop: calls explained, what controls have to show for themselves, and what each rule found."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, JsonValue

from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.policies import Version, whole_tenant
from comptroller.gateway.api.problem import Problem, of
from comptroller.gateway.api.rights import BODIES, READ
from comptroller.gateway.api.shapes import Id, Moment, Name, Said, Time, Told, pick
from comptroller.office import explaining
from comptroller.office.controls import account_of, as_json
from comptroller.office.explaining import Asked, Unexplained
from comptroller.office.versions import book_of
from comptroller.policies.book import Book

MOST_WRITTEN = 100_000  # characters of a call that somebody made up


class Explaining(Said):
    """A recorded call by its id or a unique beginning of it, or one that is `given`, as tests in policy files have it:
    an object, or its text in YAML or JSON. `version`: under those policies; else a recorded call under its own, a given
    one under those in force.
    """

    call: Id | None = None
    given: dict[str, JsonValue] | Annotated[str, Field(max_length=MOST_WRITTEN)] | None = None
    version: Version | None = None


class RuleReason(Told):
    """What one rule, table or profile said, and what it saw; `missing` are inputs that were not there, with why."""

    rule: str
    policy: str
    place: str
    says: Literal["matched", "not matched", "could not be decided"]
    action: str
    shadow: bool
    when: str
    saw: dict[str, JsonValue]
    missing: dict[str, str]
    because: str


class GuardCount(Told):
    """What a guard found, without the text."""

    guard: str
    kind: str
    count: int


class WayOut(Told):
    """Something that would let the call pass: what would be otherwise, and how many of whom would approve."""

    changes: list[str]
    of: list[str]
    quorum: int


class CaseTold(Told):
    """One look at a call: of a model call there are two, at what is asked and at what comes back."""

    stage: str
    tool: str
    decision: str
    rule: str
    because: str
    reasons: list[RuleReason]
    guards: list[GuardCount]
    ways: list[WayOut]
    remedy: str
    unknown: list[str]


class RecordedCall(Told):
    """The call as it is on record."""

    call: str
    run: str
    kind: str
    name: str
    agent: str
    status: str
    action: str
    rule: str
    because: str
    policy: str


class Explanation(Told):
    """Which rules matched a call and why, and the least that would let it pass. `note`: what was not asked, and why."""

    version: str
    decision: str
    rule: str
    passes: bool
    recorded: RecordedCall | None
    note: str
    cases: list[CaseTold]


class InForce(Told):
    """From when until when; no end where it still is so."""

    since: Moment
    until: Moment | None


class EvidenceRule(Told):
    """A rule, guard, budget or limit that is evidence for a control: when it was in force, and how often it decided."""

    kind: str
    rule: str
    policy: str
    place: str
    shadow: bool
    in_force: list[InForce]
    versions: list[str]
    decisions: int
    shadow_decisions: int
    latest: Moment | None


class ControlRow(Told):
    """A control with what is evidence for it; `needs`: what it asks for that no rule can give."""

    control: str
    rules: list[EvidenceRule]
    needs: str


class ControlGap(Told):
    """A control that no rule is evidence for."""

    control: str
    needs: str


class ControlAccount(Told):
    """What a period has to show for its controls. `unread`: versions in force then that no longer load here."""

    controls: list[ControlRow]
    without_rules: list[ControlGap]
    unread: list[str]


class EvidenceAsked(Said):
    """Of which time."""

    since: Time | None = None
    until: Time | None = None


class SpokenAsked(EvidenceAsked):
    """Of which time, and of whom."""

    rule: Name | None = None
    policy: Name | None = None
    agent: Name | None = None
    workflow: Name | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class FoundKind(Told):
    """What a guard looked for and found, so often, in so many calls."""

    kind: str
    found: int
    calls: int


class Spoken(Told):
    """How often a rule, guard, cap or order spoke; `shadows` of these only in shadow."""

    rule: str
    policy: str
    decisions: int
    shadows: int
    errors: int
    runs: int
    actions: list[str]
    agents: list[str]
    workflows: list[str]
    kinds: list[FoundKind]
    because: str
    latest: Moment
    last_run: str
    last_call: str


class SpokenList(Told):
    """By rule, the most frequent first."""

    findings: list[Spoken]


def explain_call(ask: Ask) -> Explanation:
    """Say why a call is decided as it is."""
    whole_tenant(ask)
    said = ask.body
    if (said.call is None) == (said.given is None):
        raise Problem(400, "bad_request", "This names no call, or two.", "Say either `call` or `given`.", "body")
    try:
        asked = _recorded(ask, said) if said.given is None else _given(ask, said)
        found = explaining.told(asked, explaining.heard(asked, ask.bureau.desk.chain))
    except Unexplained as error:
        made = of(400 if said.given is not None else 409, "cannot_be_explained", str(error))
        made.place = "body.given" if said.given is not None else "body.call"
        raise made from None
    return Explanation.model_validate(_plain(found))


def _given(ask: Ask, said: Explaining) -> Asked:
    case = explaining.written(said.given) if isinstance(said.given, str) else explaining.given(said.given or {})
    return explaining.of_given(_version(ask, said) or ask.bureau.book, case)


def _recorded(ask: Ask, said: Explaining) -> Asked:
    """What rules saw of a recorded call are its texts and arguments."""
    ask.who.must(BODIES)
    row = _meant(ask, said.call or "")
    return explaining.of_record(ask.bureau.reader, ask.bureau.bodies, row, _version(ask, said), lambda: ask.bureau.book)


def _meant(ask: Ask, named: str) -> dict[str, Any]:
    """The one call of theirs that is meant."""
    reader = ask.bureau.reader
    begins: list[dict[str, Any]] = reader.rows("calls_named", prefix=named)
    exact = reader.rows("call", call=named) or [row for one in begins for row in reader.rows("call", call=one["call"])]
    found = [row for row in exact if ask.who.sees(row)]
    if len(found) > 1:
        told = f"{named[:64]!r} is the beginning of more than one call."
        raise Problem(409, "ambiguous", told, "Say more of it.", "body.call")
    if not found:
        told = f"There is no ended call {named[:64]!r}."
        raise Problem(404, "not_found", told, "List them with GET /api/calls.", "body.call")
    return {"call": found[0]["call"], "run": found[0]["run"]}


def _version(ask: Ask, said: Explaining) -> Book | None:
    if said.version is None:
        return None
    book = book_of(ask.bureau.reader, said.version)
    if book is None:
        told = f"There was no version {said.version[:64]!r} of the policies, or it no longer loads here."
        raise Problem(404, "not_found", told, "List them with GET /api/policies.", "body.version")
    return book


def _plain(found: Mapping[str, Any]) -> Any:
    """What rules saw may be of any kind; here it is what JSON can hold."""
    return msgspec.json.decode(msgspec.json.encode(found, enc_hook=str))


def tell_evidence(ask: Ask) -> ControlAccount:
    """What a period has to show for its controls."""
    whole_tenant(ask)
    found = account_of(ask.bureau.reader, ask.query.since, ask.query.until, ask.who.tenant)
    return ControlAccount.model_validate(as_json(found))


def list_findings(ask: Ask) -> SpokenList:
    """What each rule found in a period."""
    whole_tenant(ask)
    said = ask.query.model_dump(exclude_none=True, mode="json")
    rows = ask.bureau.reader.rows("console_findings", tenant=ask.who.tenant, **said)
    names = ("actions", "agents", "workflows", "kinds")
    return SpokenList(findings=[pick(Spoken, row | {name: row[name] or [] for name in names}) for row in rows])


ROUTES = (
    Route("POST", "/api/policies/explain", "Say which rules matched a call and why, and the least that would let it"
          " pass.", READ, explain_call, Explanation, body=Explaining, fails=(404, 409)),
    Route("GET", "/api/policies/evidence", "Which rules are evidence for which control in a period, and how often they"
          " decided.", READ, tell_evidence, ControlAccount, EvidenceAsked),
    Route("GET", "/api/policies/findings", "How often each rule, guard and cap spoke in a period, and of whom.", READ,
          list_findings, SpokenList, SpokenAsked),
)  # fmt: skip
