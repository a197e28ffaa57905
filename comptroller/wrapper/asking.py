"""Asking: a call that a person must approve is parked, refused until they have, and passes once.

What is approved is a digest: of who calls what with exactly which arguments, under exactly this version of the
policies. Looking for an approval and passing on it are two steps, so that a call which something else still refuses
uses nothing up; the second is the ledger owner's, so that of two identical calls one passes.
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from comptroller.core.approval import FOR_THE_RUN, Told
from comptroller.core.call import Identity
from comptroller.core.errors import Denied, NotApproved, Refused, StoreError
from comptroller.core.facts import APPROVAL_USED, ASK, Fact
from comptroller.core.verdict import Action, AskFor, Decision, Verdict
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.effects import Ask, Effect, Pause, Use
from comptroller.wrapper.queue import Ticket
from comptroller.wrapper.standing import who_is

if TYPE_CHECKING:
    from comptroller.wrapper.entry import Entry

SECOND = 1_000_000_000
FIRST_LOOK_S, LAST_LOOK_S = 0.05, 0.5  # how often a call that waits looks whether it was answered
SHOWN = 65_536  # characters of a text that an approver is shown
CLEARED = 4_096  # results that a run remembers as approved
REDACTING: dict[str, Action] = {"secrets": "redact", "privacy": "redact"}
Binding = tuple[str, str, str]  # the digest of a call, the rule that asks, and at which stage


@dataclass(frozen=True, slots=True)
class Matter:
    """What exactly a person is asked about; `body` is all that makes it this one."""

    stage: str
    name: str
    body: bytes
    shown: Callable[[], Mapping[str, object]]
    args: Mapping[str, object] | None = None  # of a tool call: these may be edited


class Edited(Exception):
    """A tool call was approved with other arguments: all of the policy decides on those anew."""

    def __init__(self, args: dict[str, object], rule: str) -> None:
        super().__init__(rule)
        self.arguments, self.rule = args, rule


class Held(Denied):
    """Whoever calls is an agent that a rule asks about: found before the flow began, settled in it."""

    def __init__(self, decision: Decision) -> None:
        assert decision.verdict is not None, "a rule asks"
        super().__init__(decision.verdict.because, {"rule": decision.verdict.rule, "place": decision.verdict.place})
        self.decision = decision


def settle(entry: "Entry", conflict: Denied) -> Generator[Effect, Any, None]:
    """Refuse a call for what was found before it began, unless a person has approved its agent for this run."""
    if not isinstance(conflict, Held):
        stops = conflict.details.pop("stops", False)
        entry.say("model", Verdict("deny", str(conflict.details.get("rule", "")), "", str(conflict)))
        if stops:
            from comptroller.wrapper.loops import halt  # which asks as well

            yield from halt(entry, conflict)
        raise conflict
    entry.note("agent", conflict.decision)
    matter = agent_matter(entry.identity)
    for said in (conflict.decision.verdict, *conflict.decision.notes):
        if said is not None and said.action == "ask":
            yield from ask(entry, said, {"rule": said.rule, "policy": said.policy, "place": said.place}, matter)
    if entry.passes:
        yield from use(entry)


def agent_matter(identity: Identity) -> Matter:
    """An agent that opens as what is asked about: its name and what it may do."""
    seen: dict[str, object] = {"agent": identity.agent, "depth": identity.depth}
    if identity.scopes is not None:
        seen["scopes"] = sorted(identity.scopes)
    return Matter("agent", identity.agent, packed(seen), lambda: seen)


def packed(node: object) -> bytes:
    """As JSON; halves of characters, which cannot be written, are escaped: no two texts become one."""
    try:
        return msgspec.json.encode(node, order="sorted", enc_hook=repr)
    except (UnicodeEncodeError, TypeError, ValueError):
        return json.dumps(node, sort_keys=True, default=repr, skipkeys=True).encode()


def claim_matter(type: str, subject: str, share: str, body: bytes, evidence: Mapping[str, object]) -> Matter:
    """A claim as what is asked about: just this outcome with just this evidence."""
    what = packed([type, subject, share]) + body
    seen = {"type": type, "subject": subject, "degree": share, "evidence": evidence}
    return Matter("outcome", type, what, lambda: seen)


def text_matter(stage: str, name: str, text: str) -> Matter:
    """A text as what is asked about."""
    return Matter(stage, name, text.encode("utf-8", "surrogatepass"), lambda: shown_text(text))


def shown_text(text: str) -> dict[str, object]:
    """As much of a text as an approver is shown: its end, and how much is missing before it."""
    cut = max(len(text) - SHOWN, 0)
    return {"text": text[cut:]} | ({"cut": cut} if cut else {})


def ask(
    entry: "Entry", verdict: Verdict, details: dict[str, object], matter: Matter | None = None
) -> Generator[Effect, Any, None]:
    """Return when the call may pass, raise the refusal otherwise; `use` has to follow before it goes out."""
    if matter is None:
        matter = entry.matter() if entry.matter is not None else text_matter(entry.kind, entry.name, "")
    try:
        binding = entry_binding(entry, matter, verdict)
        if binding in entry.used or binding in entry.run.cleared or binding in entry.passes:
            return
        fact = ask_fact(entry.desk, entry.identity, matter, verdict, entry.kind, entry.id, entry.policy)
        told = yield from _answered(entry, Ask(fact, verdict), (verdict.ask or AskFor()).wait_s)
    except StoreError as error:
        because = f"{verdict.because} Nobody can be asked, as the ledger cannot be written: {error}"
        raise Denied(because, {**details, "rule": "on_store_failure"}) from error
    if not told.passes:
        entry.approval = told.approval
        raise refusal_of(told, verdict, details)
    if told.again:
        entry.run.cleared.add(binding)
        return
    entry.passes = {**entry.passes, binding: told}
    if told.edit:
        raise Edited(_edited(entry, matter, told), verdict.rule)


def use(entry: "Entry") -> Generator[Effect, Any, None]:
    """Pass on the approvals that were found, all of them or none; to be done when nothing else refuses the call."""
    passes = entry.passes
    data = {**who_is(entry.identity), "approvals": [told.approval for told in passes.values()]}
    fact = Fact(APPROVAL_USED, entry.desk.clock.new_id(), entry.desk.clock.now_ns(), entry.run.id, entry.id, data)
    try:
        why: str = yield Use(fact)
    except StoreError as error:
        because = f"The call was approved, but the ledger cannot be written: {error}"
        raise Denied(because, {"rule": "on_store_failure"}) from error
    if why:
        because = f"An identical call has passed on its approval a moment before ({why}). Make it again to ask anew."
        raise NotApproved(because, {"approval": next(iter(passes.values())).approval, "state": "used"})
    if isinstance(entry.used, set):
        entry.used.update(passes)  # other attempts at the same call look there too
    else:
        entry.used = set(passes)
    if len(entry.run.cleared) < CLEARED:
        entry.run.cleared.update(binding for binding in passes if binding[2] in FOR_THE_RUN)
    entry.approvals = [*entry.approvals, *[_record(told) for told in passes.values()]]
    entry.passes = {}


def carry_out(desk: Desk, identity: Identity, decision: Decision, matter: Matter) -> list[str]:
    """The same for what opens or is claimed: raise what the rules refuse; returns the approvals it passed on."""
    said = decision.verdict
    if said is None or decision.action not in ("deny", "ask"):
        return []
    if decision.action == "deny":
        raise Denied(said.because, {"rule": said.rule, "place": said.place})
    return _passed(desk, identity, decision, matter)


def _passed(desk: Desk, identity: Identity, decision: Decision, matter: Matter) -> list[str]:
    """Ask where no flow is, so that nothing waits; returns the approvals it passed on."""
    found = []
    for said in (decision.verdict, *decision.notes):
        if said is None or said.action != "ask":
            continue
        told = desk.ledger.ask(ask_fact(desk, identity, matter, said, matter.stage, "", desk.book.version))
        if not told.passes:
            raise refusal_of(told, said, {})
        if not told.again:
            found.append(told.approval)
    if not found:
        return found
    data = {**who_is(identity), "approvals": found}
    why = desk.ledger.use(Fact(APPROVAL_USED, desk.clock.new_id(), desk.clock.now_ns(), identity.run, "", data))
    if why:
        raise NotApproved(f"The same has passed on its approval a moment before ({why}). Try again to ask anew.", {})
    return found


def ask_fact(
    desk: Desk, identity: Identity, matter: Matter, verdict: Verdict, kind: str, call: str, version: str
) -> Fact:
    """The fact that asks a person."""
    wanted, now = verdict.ask or AskFor(), desk.clock.now_ns()
    within = round(wanted.within_s * SECOND)
    data: dict[str, object] = {**who_is(identity), "kind": kind, "name": matter.name, "stage": matter.stage}
    data |= {"rule": verdict.rule, "policy": verdict.policy, "place": verdict.place, "because": verdict.because}
    data |= {"version": version, "digest": digest_of(desk, identity, matter), "of": list(wanted.of)}
    data |= {"quorum": wanted.quorum, "within": within, "until": now + within, "otherwise": wanted.otherwise}
    if barred := [who_digest(desk, name) for name in _named(matter, wanted)]:
        data["barred"] = barred
    if wanted.counted:
        data |= {"counted": wanted.counted, "split": list(wanted.split)}
    if wanted.remind_s:
        data["remind"] = round(wanted.remind_s * SECOND)
    if wanted.escalate:
        data |= {"escalate": list(wanted.escalate), "after": round(wanted.after_s * SECOND)}
    if request := _kept(desk, identity, matter):
        data["matter"] = request  # `request` is a list wherever the books read it
    return Fact(ASK, desk.clock.new_id(), now, identity.run, call, data)


def digest_of(desk: Desk, identity: Identity, matter: Matter) -> str:
    """The keyed digest of exactly this call of exactly this caller, in whatever run it is made."""
    who = (identity.tenant, identity.customer, identity.user, identity.workflow, identity.agent, identity.key)
    told = [text.encode("utf-8", "surrogatepass") for text in (*who, matter.stage, matter.name)]
    named = b"".join(len(text).to_bytes(4) + text for text in told)  # so that no two callers read as one
    return desk.ledger.digest(b"approval\0" + named + matter.body)


def who_digest(desk: Desk, name: str) -> str:
    """What is kept of the name of somebody who benefits: enough to know them again."""
    return desk.ledger.digest(b"person\0" + name.strip().casefold().encode("utf-8", "replace"))


def entry_binding(entry: "Entry", matter: Matter, verdict: Verdict) -> Binding:
    """What an approval of this call for this rule is found by, within the process."""
    return digest_of(entry.desk, entry.identity, matter), verdict.rule, matter.stage


def refusal_of(told: Told, verdict: Verdict, details: Mapping[str, object]) -> Refused:
    """The refusal of a call that was not approved: not yet, not in time, or not at all."""
    said = verdict.because.rstrip()
    said = said if said.endswith((".", "!", "?")) else f"{said}."
    of = ", ".join((verdict.ask or AskFor()).of) or "a person"
    more: dict[str, object] = {"approval": told.approval, "state": told.state, "rule": verdict.rule}
    more |= {"policy": verdict.policy, "place": verdict.place, **details}
    if told.state == "denied":
        who = ", ".join(told.people)
        why = f": {told.because.rstrip('.')}" if told.because else ""
        return Denied(f"{said} {who} denied it{why}. (approval {told.approval})", more)
    if told.state == "pending":
        until = _moment(told.until)
        remedy = f"Make the same call again once {of} has approved it; it passes once."
        more |= {"until": until, "of": list((verdict.ask or AskFor()).of), "remedy": remedy}
        more["poll"] = f"/api/approvals/{told.approval}/state"
        return NotApproved(f"{said} It waits for approval {told.approval} by {of} until {until}. {remedy}", more)
    why = "Nobody approved it in time" if told.state == "expired" else f"The approval is {told.state}"
    remedy = "Make the call again to ask anew."
    return NotApproved(f"{said} {why} (approval {told.approval}). {remedy}", {**more, "remedy": remedy})


def _answered(entry: "Entry", asking: Ask, wait_s: float) -> Generator[Effect, Any, Told]:
    """What the ledger says, after waiting for an answer as long as the rule allows."""
    from comptroller.wrapper.orders import must_live  # which knows entries, as they know what is asked here

    must_live(entry)
    told: Told = yield asking
    waited_s, look_s, clock = 0.0, FIRST_LOOK_S, entry.desk.clock
    while told.state == "pending" and waited_s < wait_s:
        seconds, began = min(look_s, wait_s - waited_s), clock.monotonic_ns()
        yield Pause(Ticket(("approval", told.approval), woken=False), seconds)
        # A clock that stands still, as in tests, must not make anybody wait for ever.
        passed_ns = max(clock.monotonic_ns() - began, round(seconds * SECOND))
        entry.parked_ns += passed_ns
        waited_s += passed_ns / SECOND
        look_s = min(look_s * 1.5, LAST_LOOK_S)
        must_live(entry)  # nobody is asked for what was stopped meanwhile
        told = yield asking
    return told


def _edited(entry: "Entry", matter: Matter, told: Told) -> dict[str, object]:
    """The arguments as they were approved: what the approver changed, upon those of the call itself."""
    body = entry.desk.ledger.fetch(told.edit)
    if body is None or matter.args is None:
        because = "The arguments it was approved with are not there any more, so it cannot be made. Ask for it anew."
        raise Denied(because, {"approval": told.approval, "rule": "approval"})
    change = msgspec.json.decode(body)
    dropped = set(change.get("drop") or ())
    return {name: value for name, value in {**matter.args, **change["set"]}.items() if name not in dropped}


def _named(matter: Matter, wanted: AskFor) -> list[str]:
    args = matter.args or {}
    return [str(args[name]) for name in wanted.benefits if args.get(name)]


def _kept(desk: Desk, identity: Identity, matter: Matter) -> str:
    """What an approver is to see, in the vault; its digest. Nothing where the workflow's texts are not kept."""
    capture = desk.settings.capture_for(identity.workflow)
    if capture in ("none", "digest"):
        return ""
    body = packed(matter.shown())
    if capture == "redacted":
        found = desk.inspect(body.decode(), REDACTING, as_json=True)
        body = body if found is None else found.text.encode()
    return desk.ledger.keep([body], identity.tenant, identity.customer or identity.user or identity.tenant)[0]


def _record(told: Told) -> dict[str, object]:
    row: dict[str, object] = {"id": told.approval, "people": list(told.people)}
    return row | ({"edited": True} if told.edit else {})


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else "for ever"
