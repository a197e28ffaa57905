"""What whole replies, streams, tools and other calls have in common on their path."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comptroller.core.call import Identity, Reply, Request
from comptroller.core.errors import Denied, Refused
from comptroller.core.verdict import Action, Case, Decision, Verdict, strictest
from comptroller.dialects.dialect import Dialect
from comptroller.guardrails.chain import Inspection
from comptroller.wrapper import judging
from comptroller.wrapper.admission import Admission
from comptroller.wrapper.asking import Binding, Matter, ask, shown_text
from comptroller.wrapper.context import RunState
from comptroller.wrapper.dataflow import origins_of
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.effects import Answer, Effect
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.limits import retry_headers

if TYPE_CHECKING:
    from comptroller.wrapper.healing import Tries

# Headers that say on whose account a request is, or which API it meets.
ACCOUNT = (
    *("authorization", "x-api-key", "api-key", "x-goog-api-key", "openai-organization", "openai-project"),
    *("openai-beta", "anthropic-version", "anthropic-beta"),
)
STOPPING = frozenset(("deny", "ask"))  # looked for first: most calls then make no generator to be enforced by
REFUSING: Mapping[str, str] = {"x-should-retry": "false", "content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands outside a body and tells requests apart all the same; looked at only where replies are kept."""

    address: str = ""  # with its query
    account: str = field(default="", repr=False)  # the credentials it brings itself, and what changes the API it meets
    control: str = ""  # its cache-control header, in lower case


@dataclass(slots=True)  # one for each call: frozen would cost four times as much
class Job:
    """A model request as it arrived, and for whom."""

    desk: Desk
    identity: Identity
    run: RunState
    dialect: Dialect
    body: bytes
    attempt: int = 0
    path: str = ""  # of the URL: names the model on some routes
    request: Request | None = None  # the body, where the door has read it already
    provider: str = ""  # whose prices to look at first, where it is not the dialect's own
    envelope: Callable[[], Envelope] = Envelope
    conflict: Denied | None = None  # a reason to refuse that was found before the flow began
    used: "set[Binding] | None" = None  # approvals its attempts passed on: one is enough for all of them
    tries: "Tries | None" = None  # of the same request, where a refused reply is asked for again

    def matter(self, request: Request) -> Matter:
        """What a person would be asked about: just this request, as the caller sent it."""
        if self.tries is not None and self.tries.first is not self:
            return self.tries.first.matter(self.tries.request or request)
        text = "\n".join(part.text for part in request.parts if part.kind != "media")
        seen = {"model": request.model, "tools": list(request.tools), **shown_text(text)}
        body = f"{self.dialect.name} {self.path}\n".encode("utf-8", "surrogatepass") + self.body
        return Matter("model", request.model, body, lambda: seen)


def case_for(
    entry: Entry,
    stage: Any,
    request: Request | None = None,
    admission: Admission | None = None,
    reply: Reply | None = None,
    **more: Any,
) -> Case:
    """What the rules may look at."""
    case = Case(stage, entry.identity, kind=entry.kind, now_ns=entry.desk.clock.now_ns(), **more)
    case.spent_nanos, case.run_calls = entry.run_spent, entry.run_calls
    case.origins = origins_of(entry, case.args)
    if request is not None:
        case.model, case.stream, case.max_tokens = request.model, request.stream, request.max_tokens
        case.text = lambda: "\n".join(part.text for part in request.parts if part.role != "field")
    if admission is not None:
        case.input_tokens, case.worst_cost_nanos = admission.input, entry.worst
    if reply is not None:
        case.reply_calls = lambda: judging.calls_in(reply)
        case.reply_text = lambda: "\n".join(
            part.text for part in reply.parts if part.kind == "text" and part.role != "field"
        )
    return case


def decide(entry: Entry, case: Case) -> Generator[Effect, Any, Decision]:
    """What the policies say of a case; judges are asked where only they can still change it."""
    decision = entry.desk.book.decide(case)
    if decision.unasked is None:
        return decision
    return (yield from judging.hear(entry, case, decision.unasked))


def enforce(
    entry: Entry, decision: Decision, matter: Matter | None = None, cleared: str = ""
) -> Generator[Effect, Any, Action]:
    """Carry out what the rules decided, as far as it stops the call; returns what is left to be done.

    Every rule that asks is asked for, but the one that this very call was approved for already (`cleared`). An
    approval lifts what it was asked for and nothing else: a redaction stays.
    """
    verdict = decision.verdict
    if verdict is None or decision.action not in STOPPING:
        return decision.action
    if decision.action == "deny":
        raise Denied(verdict.because, {**_details(verdict), "remedy": _remedy(entry, verdict)})
    for said in (verdict, *decision.notes):
        if said.action == "ask" and said.rule != cleared:
            yield from ask(entry, said, _details(said), matter)
    return strictest([said.action for said in decision.notes if said.action != "ask"])


def _remedy(entry: Entry, verdict: Verdict) -> str:
    """What to do about a refusal; to work out what would let just this call pass is a command's work, not a call's."""
    if verdict.rule.startswith("guards."):
        return "Take out what was found, or change `guards` in the policy."
    return f"`comptroller policy explain {entry.id}` says what would let it pass."


def _details(verdict: Verdict) -> dict[str, object]:
    return {"rule": verdict.rule, "policy": verdict.policy, "place": verdict.place}


def enforce_guard(
    entry: Entry, found: Inspection, matter: Matter | None = None, cleared: str = ""
) -> Generator[Effect, Any, None]:
    """Carry out what the guards decided, as far as it stops the call."""
    if found.action not in STOPPING:
        return
    guard = found.failed or (found.findings[0].guard if found.findings else "")
    said = found.because.rstrip(".")
    remedy = "Take it out, or change `guards` in the policy." if found.findings else "Mend the guard, or its input."
    verdict = Verdict(found.action, f"guards.{guard}", "", f"{said}. {remedy}")
    yield from enforce(entry, Decision(found.action, verdict), matter, cleared)


def plan_for(entry: Entry, direction: Any, redact: bool = False) -> Mapping[str, Action]:
    """Which guards run on a text; a rule that says redact has them replace whatever they find."""
    plan = entry.desk.book.guards(entry.identity, direction)
    return redacting(plan) if redact else plan


def redacting(plan: Mapping[str, Action]) -> dict[str, Action]:
    """The plan with everything that is found replaced."""
    return {**dict.fromkeys(("secrets", "privacy"), "redact"), **dict.fromkeys(plan, "redact")}


def reply_headers(entry: Entry, whole: bool) -> dict[str, str]:
    """How a caller finds the call again."""
    headers = {"comptroller-run": entry.run.id, "comptroller-call": entry.id}
    if whole:
        headers["comptroller-cost"] = entry.cost_text()
        headers["comptroller-decision"] = entry.action
    if entry.cached:
        headers["comptroller-cache"] = "hit"
    if entry.before:
        headers["comptroller-tries"] = str(len(entry.before) + 1)
    return headers


def refusal(dialect: Dialect, entry: Entry, refused: Refused) -> Answer:
    """The refusal in the provider's own error shape."""
    details = {"call": entry.id, "run": entry.run.id, **refused.details}
    refused.details = details
    body = dialect.refusal(refused.status, refused.code, str(refused), details)
    return Answer(refused.status, refusal_headers(entry, refused), body, refused=refused)


def refusal_headers(entry: Entry, refused: Refused) -> dict[str, str]:
    """No official client tries again, but for a limit that will have room soon."""
    headers = {**REFUSING, **retry_headers(refused), **reply_headers(entry, whole=False)}
    if entry.approval:
        headers["comptroller-approval"] = entry.approval
    return headers
