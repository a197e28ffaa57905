"""Approvals: what waits for a person, what was answered, and the answers themselves."""

from typing import Annotated, Any

from pydantic import Field, JsonValue

from comptroller.core.approval import Approval, State
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.pages import after
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import APPROVALS, BODIES, READ, WRITE
from comptroller.gateway.api.shapes import PLAIN, Because, Moment, Name, Said, Time, Told
from comptroller.office.approval_list import asked_within, counted, described, shadows_of, told, worth
from comptroller.office.approvals import ApprovalDesk, Approver, Heard
from comptroller.office.approvers import approver_of

Args = dict[str, JsonValue]
Whom = Annotated[str, Field(min_length=1, max_length=200, pattern=PLAIN)]


class VoteRow(Told):
    """What one person answered."""

    person: str
    answer: str
    at: Moment | None
    edited: bool
    because: str
    stead: str
    seat: str = ""  # whose vote it is, where votes are counted


class ApprovalRow(Told):
    """A call that a person must approve, as it stands. `why_not` says why whoever asks here may not answer it.

    `amount` and `currency` are what its arguments say is at stake, for whoever may see them.
    """

    approval: str
    state: State
    asked: Moment | None
    until: Moment | None
    decided: Moment | None
    rule: str
    policy: str
    because: str
    place: str
    version: str
    digest: str
    stage: str
    kind: str
    name: str
    run: str
    call: str
    customer: str
    user: str
    workflow: str
    agent: str
    key: str
    of: list[str]
    quorum: int
    counted: str = ""  # votes of those named in `of` decide: majority, unanimous or a number
    split: list[str] = Field(default_factory=list)  # who decides where they disagree
    undecided: bool = False  # they do
    otherwise: str
    votes: list[VoteRow]
    people: list[str]
    delegates: dict[str, str]
    edited: bool
    escalated: bool
    reminders: int
    ended: str
    used_in: str
    may_answer: bool
    why_not: str
    amount: str | None = None
    currency: str = ""


class ApprovalPage(Told):
    """Approvals, the latest first; `next` is the id to go on after."""

    approvals: list[ApprovalRow]
    next: str | None


class ApprovalEvent(Told):
    """Something that was said of it, or that time brought; `ignored` says why it changed nothing."""

    event: str
    id: str
    at: Moment | None
    call: str
    by: str | None
    answer: str | None
    to: str | list[str] | None
    because: str | None
    edited: bool
    roles: list[str] | None
    stead: str | None
    nth: int | None
    otherwise: str | None
    unused: bool | None
    ignored: str | None


class EditRow(Told):
    """The arguments somebody approved instead, and which of them they changed or took out."""

    person: str
    args: Args
    changed: list[str]
    dropped: list[str]


class Alike(Told):
    """What became of what the same rule asked for the same tool or model in so many days."""

    days: int
    approved: int
    denied: int
    expired: int


class ApprovalAccount(ApprovalRow):
    """An approval with what it is about, all that was said of it, and others like it.

    `request` is `{tool, args}` or `{model, tools, text}` or `{text}`; null where it was not kept (`kept`), was erased,
    or is not for whoever asks here to see. `types`: of the tool's arguments, where a policy says them.
    `outdated`: the policies have changed since, so no answer counts any more.
    """

    request: Args | None
    kept: bool
    edits: list[EditRow]
    outdated: bool
    history: list[ApprovalEvent]
    similar: list[ApprovalRow]
    types: dict[str, str] | None
    alike: Alike


class ApprovalRule(Told):
    """How often a rule asked and what came of it; `would_ask` is of one in shadow.

    `agreed` were approved by people, whether the call was made (`used`), may still be (`approved`) or never was;
    `unanswered` those whose time was over. `median_answer_s`: half of what people answered took no longer.
    """

    rule: str
    asked: int
    would_ask: int
    pending: int
    approved: int
    denied: int
    expired: int
    void: int
    used: int
    agreed: int
    unanswered: int
    edited: int
    median_answer_s: int | None


class RulesAsked(Said):
    """Asked in which time."""

    since: Time | None = None
    until: Time | None = None


class ApprovalRules(Told):
    """By rule."""

    rules: list[ApprovalRule]


class ApprovalState(Told):
    """What whoever made the call may know: the same call passes once when `passes` is true."""

    approval: str
    state: State
    passes: bool
    until: Moment | None
    because: str


class ApprovalsAsked(Said):
    """Which."""

    state: State | None = None
    rule: Name | None = None
    name: Name | None = None
    run: Name | None = None
    customer: Name | None = None
    workflow: Name | None = None
    agent: Name | None = None
    mine: bool = False
    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    after: Annotated[str, Field(max_length=128, pattern=PLAIN)] | None = None


class Answering(Said):
    """Why; and the `digest` of the call that was looked at, so that an answer is never to another one."""

    because: Because = ""
    digest: Annotated[str, Field(max_length=128, pattern=r"^[0-9a-f]*$")] = ""


class Approving(Answering):
    """With `edit`, the tool is called with these arguments instead of its own: all of them, not only what changes."""

    edit: Args | None = None


class Escalating(Said):
    """Which roles or people may answer as well."""

    to: Annotated[list[Whom], Field(min_length=1, max_length=20)]
    because: Because = ""


class Delegating(Said):
    """Who answers instead of whoever asks here."""

    to: Whom
    because: Because = ""


class Answered(Told):
    """What came of it. `not_done` says why nothing did; that it was said is on record all the same."""

    approval: str
    state: State
    not_done: str | None


def list_approvals(ask: Ask) -> ApprovalPage:
    """Those that are theirs to see."""
    desk, who, wanted = _desk(ask), _approver(ask), ask.query
    found = [each for each in desk.all() if _sees(ask, each) and _fits(each, wanted)]
    if wanted.mine:
        found = [each for each in found if not desk.why_not(each, who)]
    page, following = after(found, lambda each: each.id, wanted.after, wanted.limit)
    return ApprovalPage(approvals=[_row(ask, desk, each, who) for each in page], next=following)


def list_approval_rules(ask: Ask) -> ApprovalRules:
    """How often each rule asked, or would have."""
    since, until = ask.query.since, ask.query.until
    mine = asked_within((each for each in _desk(ask).all() if _sees(ask, each)), since, until)
    whole = not any((ask.who.customer, ask.who.user, ask.who.workflow))
    shadows = shadows_of(ask.bureau.reader, since, until, ask.who.tenant) if whole else []
    return ApprovalRules(rules=[ApprovalRule.model_validate(row) for row in counted(mine, shadows)])


def show_approval(ask: Ask) -> ApprovalAccount:
    """One with all there is to know."""
    desk, who = _desk(ask), _approver(ask)
    approval = _meant(ask, desk)
    why_not = desk.why_not(approval, who)
    whole = told(desk, approval, _reads(ask, why_not))
    whole["amount"], whole["currency"] = worth(whole["request"])
    whole["similar"] = [_row(ask, desk, each, who) for each in desk.similar(approval) if _sees(ask, each)]
    return ApprovalAccount.model_validate({**whole, "why_not": why_not, "may_answer": _may(ask, approval, why_not)})


def tell_approval_state(ask: Ask) -> ApprovalState:
    """For whoever made the call."""
    desk = _desk(ask)
    approval = _meant(ask, desk)
    if ask.who.key and not set(ask.who.rights) & {READ, APPROVALS} and approval.key != ask.who.key:
        raise _none(ask)
    row = described(approval)
    denied = next((vote.because for vote in approval.votes if vote.answer == "deny"), "")
    passes = desk.passes(approval)
    because = denied or approval.ended
    return ApprovalState(approval=approval.id, state=approval.state, passes=passes, until=row["until"], because=because)


def approve_call(ask: Ask) -> Answered:
    """Approve it, as it is or with other arguments."""
    desk, said = _desk(ask), ask.body
    return _told(
        desk.answer(_meant(ask, desk), "approve", _approver(ask), said.because, edit=said.edit, digest=said.digest)
    )


def deny_call(ask: Ask) -> Answered:
    """Deny it."""
    desk, said = _desk(ask), ask.body
    return _told(desk.answer(_meant(ask, desk), "deny", _approver(ask), said.because, digest=said.digest))


def escalate_approval(ask: Ask) -> Answered:
    """Let others answer as well."""
    desk, said = _desk(ask), ask.body
    return _told(desk.escalate(_meant(ask, desk), said.to, _approver(ask), said.because))


def delegate_approval(ask: Ask) -> Answered:
    """Hand one's answer over."""
    desk, said = _desk(ask), ask.body
    return _told(desk.delegate(_meant(ask, desk), said.to, _approver(ask), said.because))


def _desk(ask: Ask) -> ApprovalDesk:
    return ask.bureau.approvals.catch_up()


def _approver(ask: Ask) -> Approver:
    return approver_of(ask.who, ask.bureau.roll.now())


def _meant(ask: Ask, desk: ApprovalDesk) -> Approval:
    approval = desk.register.approvals.get(ask.path["approval"])
    if approval is None or not _sees(ask, approval):
        raise _none(ask)
    return desk.now(approval)


def _none(ask: Ask) -> Problem:
    named = ask.path["approval"][:128]
    return Problem(404, "not_found", f"There is no approval {named!r}.", "List them with GET /api/approvals.")


def _sees(ask: Ask, approval: Approval) -> bool:
    return ask.who.sees({name: getattr(approval, name) for name in ("tenant", "customer", "user", "workflow")})


def _fits(approval: Approval, wanted: ApprovalsAsked) -> bool:
    said = ("state", "rule", "name", "run", "customer", "workflow", "agent")
    return all(getattr(wanted, name) in (None, getattr(approval, name)) for name in said)


def _may(ask: Ask, approval: Approval, why_not: str) -> bool:
    return not why_not and approval.state == "pending" and APPROVALS in ask.who.rights


def _reads(ask: Ask, why_not: str) -> bool:
    """Whether what is asked about is theirs to see."""
    return BODIES in ask.who.rights or (APPROVALS in ask.who.rights and not why_not)


def _row(ask: Ask, desk: ApprovalDesk, approval: Approval, who: Approver) -> ApprovalRow:
    why_not = desk.why_not(approval, who)
    row = {**described(approval), "why_not": why_not, "may_answer": _may(ask, approval, why_not)}
    if approval.state == "pending" and _reads(ask, why_not):
        row["amount"], row["currency"] = worth(desk.shown(approval))
    return ApprovalRow.model_validate(row)


def _told(heard: Heard) -> Answered:
    return Answered(approval=heard.approval.id, state=heard.approval.state, not_done=heard.not_done or None)


_ONE = "/api/approvals/{approval}"


def _saying(word: str, does: str, answer: Any, body: Any) -> Route:
    return Route("POST", f"{_ONE}/{word}", does, APPROVALS, answer, Answered, body=body, fails=(404,))


ROUTES = (
    Route("GET", "/api/approvals", "List approvals, the latest first.", READ, list_approvals, ApprovalPage,
          ApprovalsAsked),
    Route("GET", "/api/approvals/rules", "How often each rule asks, or would in earnest.", READ, list_approval_rules,
          ApprovalRules, RulesAsked),
    Route("GET", _ONE, "One approval with all there is to know.", READ, show_approval, ApprovalAccount, fails=(404,)),
    Route("GET", f"{_ONE}/state", "Whether the call may be made again.", WRITE, tell_approval_state, ApprovalState,
          fails=(404,)),
    _saying("approve", "Approve a call, as it is or with other arguments.", approve_call, Approving),
    _saying("deny", "Deny a call.", deny_call, Answering),
    _saying("escalate", "Let others answer as well, with the whole time.", escalate_approval, Escalating),
    _saying("delegate", "Hand one's own answer over to somebody.", delegate_approval, Delegating),
)  # fmt: skip
