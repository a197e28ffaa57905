"""The life of an approval: what each fact does to it. Pure; what it cannot do has a reason, in words."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from comptroller.core.approval import FOR_THE_RUN, Approval, State, Vote
from comptroller.core.facts import (
    APPROVAL_ANSWERED,
    APPROVAL_DELEGATED,
    APPROVAL_ESCALATED,
    APPROVAL_EXPIRED,
    APPROVAL_REMINDED,
    APPROVAL_USED,
    APPROVAL_VOIDED,
    Fact,
)
from comptroller.policies.polling import left_to_people, voted

_TEXTS = ("rule", "version", "stage", "kind", "name", "tenant", "customer", "user", "workflow", "agent", "key")
_MORE = ("policy", "because", "place", "otherwise", "digest", "counted")
_NUMBERS = ("quorum", "within", "until", "remind", "after")
_LISTS = ("of", "barred", "escalate", "split")
OVER = "the votes are over, and it is for a person to decide"


def asked(fact: Fact) -> Approval:
    """The approval that a fact asks for."""
    said: Any = fact.data
    given: dict[str, Any] = {name: str(said[name]) for name in (*_TEXTS, *_MORE) if said.get(name)}
    given |= {name: said[name] for name in _NUMBERS if isinstance(said.get(name), int)}
    given |= {name: tuple(str(each) for each in said[name]) for name in _LISTS if said.get(name)}
    for name in ("rule", "version", "digest"):
        given.setdefault(name, "")
    given["request"] = str(said.get("matter") or "")
    if given.get("counted"):
        given["seats"] = given.get("of", ())
    return Approval(fact.id, fact.at, fact.run, fact.call, **given)


def state_at(approval: Approval, now_ns: int) -> State:
    """Its state at a time: what nobody answered, or nobody used, expires whether or not that is on record yet."""
    if approval.state in ("pending", "approved") and 0 < approval.until <= now_ns:
        return "expired"
    return approval.state


def step(approval: Approval, fact: Fact) -> tuple[Approval, str]:
    """What a fact makes of it, and why it changed nothing where it did not."""
    if refused := fact.data.get("refused"):
        return approval, str(refused)
    return STEPS[fact.kind](approval, fact)


def answers(approval: Approval, now_ns: int) -> bool:
    """Whether the same call, made now, is answered by it; else it has to be asked for anew."""
    state = state_at(approval, now_ns)
    if state in ("pending", "approved"):
        return True
    if state == "denied":
        return not 0 < approval.until <= now_ns  # who was refused does not get to ask again at once
    return is_let_pass(approval, now_ns)


def holds(approval: Approval, run: str) -> bool:
    """Whether it was used in a run and holds for the rest of it."""
    return approval.state == "used" and approval.stage in FOR_THE_RUN and run == approval.used_run != ""


def is_let_pass(approval: Approval, now_ns: int) -> bool:
    """Whether nobody answered in time and the rule lets the call pass then."""
    if not approval.is_silent:
        return False
    if approval.state == "pending":  # overdue, and not on record as expired yet
        return approval.until <= now_ns < approval.until + approval.within
    return approval.state == "expired" and now_ns < approval.until


def usable(approval: Approval, now_ns: int) -> bool:
    """Whether a call may pass on it now."""
    return state_at(approval, now_ns) == "approved" or is_let_pass(approval, now_ns)


def due(approval: Approval, now_ns: int) -> Iterator[tuple[str, dict[str, object]]]:
    """What time alone does to it: kinds and particulars of facts that have to be put on record."""
    id = approval.id
    if approval.state in ("pending", "approved") and 0 < approval.until <= now_ns:
        data: dict[str, object] = {"approval": id, "otherwise": approval.otherwise}
        yield APPROVAL_EXPIRED, data | ({"unused": True} if approval.state == "approved" else {})
        return
    if approval.state != "pending":
        return
    if approval.escalate and not approval.escalated and now_ns >= approval.asked + approval.after:
        yield APPROVAL_ESCALATED, {"approval": id, "to": list(approval.escalate), "by": "the rule"}
    if approval.undecided and not approval.handed_up:
        to = approval.split or approval.escalate
        yield APPROVAL_ESCALATED, {"approval": id, "to": list(to), "by": "the votes", "because": "they disagree"}
    if approval.remind and now_ns >= max(approval.asked, approval.reminded) + approval.remind:
        yield APPROVAL_REMINDED, {"approval": id, "nth": approval.reminders + 1}


def next_due(approval: Approval) -> int:
    """When time does something to it next."""
    times = [1 << 63]
    if approval.state in ("pending", "approved") and approval.until:
        times.append(approval.until)
    if approval.state == "pending" and approval.escalate and not approval.escalated:
        times.append(approval.asked + approval.after)
    if approval.state == "pending" and approval.undecided and not approval.handed_up:
        times.append(approval.asked)
    if approval.state == "pending" and approval.remind:
        times.append(max(approval.asked, approval.reminded) + approval.remind)
    return min(times)


def _answered(approval: Approval, fact: Fact) -> tuple[Approval, str]:
    said: Any = fact.data
    if why := _why_over(approval, fact.at):
        return approval, why
    if said.get("digest") not in (None, "", approval.digest):
        return approval, "it was given for another call"
    vote = Vote(
        str(said.get("by", "")), str(said.get("answer", "")), fact.at, str(said.get("edit", "")),
        str(said.get("because", "")), str(said.get("stead", "")),
    )  # fmt: skip
    if approval.counted and not approval.undecided:
        names = (vote.person, vote.stead, *(said.get("roles") or ()))
        return voted(approval, vote, names, is_person=not said.get("by_key"))
    if approval.undecided and said.get("by_key"):
        return approval, OVER
    cast = tuple(each for each in approval.votes if each.seat)  # before: they count no more
    before = next((each for each in approval.votes if each.person == vote.person and not each.seat), None)
    if before is not None and (before.answer, before.edit) == (vote.answer, vote.edit):
        return approval, f"{vote.person} has said so already"
    votes = (*(each for each in approval.votes if each.person != vote.person and not each.seat), vote)
    approval = replace(approval, votes=(*cast, *votes))
    if vote.answer == "deny":
        return replace(approval, state="denied", decided=fact.at), ""
    agreeing = sum(1 for each in votes if each.answer == "approve" and each.edit == vote.edit)
    if agreeing < (1 if approval.undecided else approval.quorum):
        return approval, ""
    until = fact.at + approval.within if approval.within else 0
    return replace(approval, state="approved", edit=vote.edit, decided=fact.at, until=until), ""


def _escalated(approval: Approval, fact: Fact) -> tuple[Approval, str]:
    if why := _why_over(approval, fact.at):
        return approval, why
    said: Any = fact.data
    if approval.counted and said.get("by_key"):  # who votes would choose who decides when it does not like the votes
        return approval, OVER if approval.undecided else "keys vote on it, and it is for a person to escalate it"
    until = max(approval.until, int(said.get("until") or 0))  # somebody who escalates gives more time, a rule does not
    to = tuple(str(name) for name in said.get("to") or ())
    told = replace(approval, escalated=True, handed_up=bool(approval.counted), until=until)
    if approval.counted and not approval.undecided:
        return left_to_people(told, to), ""
    more = (name for name in to if name not in approval.of)
    return replace(told, of=(*approval.of, *more) if approval.of else ()), ""  # whoever may approve at all still may


def _delegated(approval: Approval, fact: Fact) -> tuple[Approval, str]:
    if why := _why_over(approval, fact.at):
        return approval, why
    if approval.counted and fact.data.get("by_key"):
        return approval, OVER if approval.undecided else "the vote of a key cannot be handed over"
    giver, taker = str(fact.data.get("by", "")), str(fact.data.get("to", ""))
    if any(vote.person == giver for vote in approval.votes):
        return approval, f"{giver} has answered already"
    return replace(approval, delegates={**approval.delegates, giver: taker}), ""


def _reminded(approval: Approval, fact: Fact) -> tuple[Approval, str]:
    return replace(approval, reminded=fact.at, reminders=approval.reminders + 1), ""


def _expired(approval: Approval, fact: Fact) -> tuple[Approval, str]:
    if approval.state not in ("pending", "approved"):
        return approval, f"it is {approval.state} already"
    if approval.state == "approved":
        return replace(approval, state="expired", ended="it was approved and not used in time"), ""
    until = approval.until + approval.within if approval.otherwise == "allow" else approval.until
    return replace(approval, state="expired", until=until, ended="nobody answered in time"), ""


def _voided(approval: Approval, fact: Fact) -> tuple[Approval, str]:
    if approval.state not in ("pending", "approved"):
        return approval, f"it is {approval.state} already"
    return replace(approval, state="void", ended=str(fact.data.get("because", ""))), ""


def _used(approval: Approval, fact: Fact) -> tuple[Approval, str]:
    # The owner looked at the time before it wrote this: a clock that differs must not make it passable once more.
    unanswered = approval.is_silent and approval.state in ("pending", "expired")
    if approval.state != "approved" and not unanswered:
        return approval, f"it is {approval.state}"
    return replace(approval, state="used", used_by=fact.id, used_in=fact.call, used_run=fact.run), ""


def _why_over(approval: Approval, now_ns: int) -> str:
    state = state_at(approval, now_ns)
    if state == "pending":
        return ""
    if state == "expired":
        return "it has expired"
    if state == "void":
        return f"it is void: {approval.ended}"
    people = ", ".join(told for told in (_denier(approval),) if told) or ", ".join(approval.people)
    return f"it is {state} already" + (f", by {people}" if people and state != "used" else "")


def _denier(approval: Approval) -> str:
    return next((vote.person for vote in approval.votes if vote.answer == "deny"), "")


STEPS = {
    APPROVAL_ANSWERED: _answered,
    APPROVAL_ESCALATED: _escalated,
    APPROVAL_DELEGATED: _delegated,
    APPROVAL_REMINDED: _reminded,
    APPROVAL_EXPIRED: _expired,
    APPROVAL_VOIDED: _voided,
    APPROVAL_USED: _used,
}
