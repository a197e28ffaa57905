"""The register of approvals: the fold of their facts, and what it says to a call that needs one.

The ledger's owner keeps the ones that still matter and decides by them, so that of any number of identical calls in
any number of processes one passes. Whoever shows approvals keeps all of them, with all that was said.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from comptroller.core.approval import Approval, Told, told
from comptroller.core.clock import Clock
from comptroller.core.errors import StoreError
from comptroller.core.facts import APPROVAL_USED, APPROVAL_VOIDED, ASK, Fact
from comptroller.policies.approval_steps import (
    STEPS,
    answers,
    asked,
    due,
    holds,
    is_let_pass,
    next_due,
    state_at,
    step,
    usable,
)

FOLDED = frozenset((ASK, *STEPS))  # the kinds of all these facts
MOST = 10_000  # that an owner knows; asking must not fill its memory
NEVER = 1 << 63
REMEMBERED_NS = 3_600_000_000_000  # how long the owner knows an approval that has ended: requests may be sent again
CHANGED = "the policies have changed since it was asked for"


@dataclass(frozen=True, slots=True)
class Said:
    """A fact about an approval, and why it changed nothing where it did not."""

    fact: Fact
    ignored: str = ""


@dataclass(slots=True)
class Approvals:
    """All approvals that are known; with `history` all that was said of each too."""

    history: bool = False
    approvals: dict[str, Approval] = field(default_factory=dict)
    said: dict[str, list[Said]] = field(default_factory=dict)
    _quiet_until: int = field(default=0, compare=False)
    _of_call: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    # -- folding

    def fold(self, facts: Iterable[Fact]) -> "Approvals":
        """Take these facts in, in order."""
        for fact in facts:
            self.apply(fact)
        return self

    def apply(self, fact: Fact) -> None:
        """Take one fact in; one of another kind changes nothing."""
        self._quiet_until = 0
        if fact.kind == ASK:
            if fact.id not in self.approvals and fact.data.get("digest"):  # before approvals existed it had none
                self._put(asked(fact))
                self._keep(fact.id, fact, "")
            return
        if fact.kind not in STEPS:
            return
        for id in meant_by(fact):
            known = self.approvals.get(id)
            if known is not None:
                self.approvals[id], ignored = step(known, fact)
                self._keep(id, fact, ignored)

    def _put(self, approval: Approval) -> None:
        self.approvals[approval.id] = approval
        self._of_call.setdefault((approval.digest, approval.rule), []).append(approval.id)

    def _keep(self, id: str, fact: Fact, ignored: str) -> None:
        if self.history:
            self.said.setdefault(id, []).append(Said(fact, ignored))

    # -- what a call is told

    def look(self, ask: Fact, now_ns: int, clock: Clock) -> tuple[list[Fact], Told]:
        """What a call that needs approval is told, and the facts that have to be on record before it is."""
        own = self.approvals.get(ask.id)
        if own is not None:  # it waits, or was not heard the first time
            return [], _told(own, now_ns)
        wanted, facts = asked(ask), list[Fact]()
        found: Approval | None = None
        for id in self._of_call.get((wanted.digest, wanted.rule), ()):
            known = self.approvals[id]
            if known.version != wanted.version and known.state in ("pending", "approved"):
                facts.append(_fact(clock, APPROVAL_VOIDED, known, {"approval": id, "because": CHANGED}))
            elif known.version == wanted.version and holds(known, ask.run):
                return facts, replace(told(known, "used"), again=True)
            elif known.version == wanted.version and answers(known, now_ns):
                found = known
        if found is not None:
            return facts, _told(found, now_ns)
        if len(self.approvals) >= MOST:
            raise StoreError(
                f"{MOST} calls wait for a person or have just been answered. Answer some, or ask for less."
            )
        return [*facts, ask], told(wanted, "pending")

    def may_use(self, use: Fact, now_ns: int) -> str:
        """Why a call may not pass on the approvals it names; empty where it may, `done` where it has."""
        named = [self.approvals.get(id) for id in meant_by(use)]
        if named and all(known is not None and known.used_by == use.id for known in named):
            return "done"
        for known in named:
            if known is None:
                return "there is no such approval"
            if not usable(known, now_ns):
                return f"it is {state_at(known, now_ns)}"
        return ""

    def due(self, now_ns: int, clock: Clock) -> Iterator[Fact]:
        """The facts that time alone brings; costs nothing while there are none."""
        if now_ns < self._quiet_until:
            return
        self._quiet_until = 0  # what is put on record meanwhile makes it look again
        for approval in list(self.approvals.values()):
            for kind, data in due(approval, now_ns):
                yield _fact(clock, kind, approval, data, now_ns)
        self._quiet_until = min((next_due(each) for each in self.approvals.values()), default=NEVER)

    # -- keeping small

    def prune(self, now_ns: int) -> None:
        """Forget those that have ended and that no call could be told of any more."""
        over = [id for id, known in self.approvals.items() if _is_over(known, now_ns)]
        for id in over:
            known = self.approvals.pop(id)
            of_call = self._of_call[known.digest, known.rule]
            of_call.remove(id)
            if not of_call:
                del self._of_call[known.digest, known.rule]

    def snapshot(self) -> list[object]:
        """All of them as JSON values; `restore` gives an equal register."""
        return [msgspec.to_builtins(approval) for approval in self.approvals.values()]

    @classmethod
    def restore(cls, rows: Iterable[Mapping[str, Any]]) -> "Approvals":
        """The register that `snapshot` described."""
        register = cls()
        for row in rows:
            register._put(msgspec.convert(row, Approval))
        return register


def _told(approval: Approval, now_ns: int) -> Told:
    return told(approval, "expired" if is_let_pass(approval, now_ns) else state_at(approval, now_ns))


def meant_by(fact: Fact) -> list[str]:
    """The approvals a fact is about."""
    said: Any = fact.data
    return (
        [str(id) for id in said.get("approvals") or ()] if fact.kind == APPROVAL_USED else [str(said.get("approval"))]
    )


def _fact(clock: Clock, kind: str, about: Approval, data: dict[str, object], now_ns: int = 0) -> Fact:
    whose = {name: value for name in ("tenant", "customer", "workflow", "agent") if (value := getattr(about, name))}
    return Fact(kind, clock.new_id(), now_ns or clock.now_ns(), about.run, about.call, {**whose, **data})


def _is_over(approval: Approval, now_ns: int) -> bool:
    if approval.state in ("pending", "approved"):
        return False
    return now_ns >= max(approval.until, approval.decided, approval.asked) + REMEMBERED_NS
