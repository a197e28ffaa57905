"""What others are told of approvals: who is asked for what, and what came of it; never what stands in the arguments."""

from collections.abc import Iterator
from typing import Any

from comptroller.core.approval import Approval
from comptroller.core.facts import (
    APPROVAL_ANSWERED,
    APPROVAL_DELEGATED,
    APPROVAL_ESCALATED,
    APPROVAL_EXPIRED,
    APPROVAL_REMINDED,
    APPROVAL_USED,
    APPROVAL_VOIDED,
    ASK,
    Fact,
)
from comptroller.office.keylist import moment
from comptroller.policies.approvals import Approvals, meant_by

News = tuple[str, str, dict[str, Any]]  # id of the letter, event, what it says
_EVENTS = {
    APPROVAL_ESCALATED: "escalated",
    APPROVAL_DELEGATED: "delegated",
    APPROVAL_REMINDED: "reminded",
    APPROVAL_EXPIRED: "expired",
    APPROVAL_VOIDED: "void",
    APPROVAL_USED: "used",
}
_ABOUT = ("rule", "because", "stage", "name", "agent", "workflow", "customer", "user", "tenant", "run", "ended")


class Newsroom:
    """Knows the approvals that still matter, and tells what each fact changed."""

    def __init__(self) -> None:
        self._register = Approvals()

    def news(self, fact: Fact) -> Iterator[News]:
        """Take a fact in; nothing is told of one that changed nothing."""
        ids = [fact.id] if fact.kind == ASK else meant_by(fact)
        known = self._register.approvals
        before = {id: known.get(id) for id in ids}
        self._register.apply(fact)
        for nth, id in enumerate(ids):
            after = known.get(id)
            if after is not None and after is not before[id]:
                event = _event(fact, before[id], after)
                if event:
                    yield fact.id if nth == 0 else f"{fact.id}:{nth}", f"approval.{event}", _data(fact, after)
        if fact.kind == ASK:
            self._register.prune(fact.at)


def _event(fact: Fact, before: Approval | None, after: Approval) -> str:
    if fact.kind == ASK:
        return "asked"
    if fact.kind == APPROVAL_ANSWERED:  # one vote of several is not told
        return after.state if before is not None and after.state != before.state else ""
    return _EVENTS[fact.kind]


def _data(fact: Fact, approval: Approval) -> dict[str, Any]:
    told: dict[str, Any] = {"approval": approval.id, "state": approval.state, "of": list(approval.of)}
    told |= {name: said for name in _ABOUT if (said := getattr(approval, name))}
    told |= {"asked": moment(approval.asked), "until": moment(approval.until)}
    by = fact.data.get("by")
    people = [vote.person for vote in approval.votes]
    return (
        told
        | ({"by": by} if by else {})
        | ({"people": people} if people else {})
        | ({"edited": True} if approval.edit else {})
    )
