"""The desk for approvals: who may answer what is asked, and their answers put on record.

Whoever asks for a call or benefits from it cannot approve it; an answer that comes twice, too late, for another call or
under other policies than it was asked under is on record and changes nothing, and says why.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from comptroller.core.approval import Approval, State
from comptroller.core.call import Identity
from comptroller.core.errors import SettingsError, StoreError
from comptroller.core.facts import (
    APPROVAL_ANSWERED,
    APPROVAL_DELEGATED,
    APPROVAL_ESCALATED,
    APPROVAL_VOIDED,
    ASK,
    POLICY_LOADED,
    Fact,
)
from comptroller.core.verdict import Case
from comptroller.office.feed import feed_of
from comptroller.policies.approval_steps import state_at, usable
from comptroller.policies.approvals import CHANGED, Approvals, Said
from comptroller.policies.values import Missing, fit
from comptroller.wrapper.asking import who_digest
from comptroller.wrapper.desk import Desk

ANY = "admin"  # a role that stands for every other
MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class Approver:
    """Who answers, and whether they may answer where a rule names nobody.

    `any_role` where nobody is on the list of people: whoever sits at the machine may do all.
    """

    name: str
    roles: frozenset[str] = frozenset()
    key: str = ""
    acts_for: frozenset[str] = frozenset()  # of a key: the agent and the user it is, whatever its own name
    customer: str = ""
    any_role: bool = False
    may: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of it; `not_done` says why nothing did."""

    approval: Approval
    not_done: str = ""


class ApprovalDesk:
    """All approvals of a ledger with all that was said of them. One for each process; thread-safe."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._turn = threading.Lock()
        # In this order: what is read of an approval later than its question was asked finds it asked.
        self._feeds = [feed_of(desk, kind) for kind in ("approval.", ASK, POLICY_LOADED)]
        self._begin()

    def _begin(self) -> None:
        self.register = Approvals(history=True)
        self._paths: dict[str, tuple[str, ...]] = {}  # version of the policies -> their files
        self._latest: dict[tuple[str, ...], str] = {}

    def catch_up(self) -> "ApprovalDesk":
        """Take in what happened meanwhile."""
        with self._turn:
            self._read_on()
        return self

    def _read_on(self) -> None:
        if not all(feed.intact() for feed in self._feeds):
            for feed in self._feeds:
                feed.restart()
            self._begin()
        said, asked, loaded = [list(feed.read()) if feed.grown else [] for feed in self._feeds]
        for fact in loaded:
            self._loaded(fact)
        self.register.fold(asked).fold(said)

    # -- looking

    def all(self) -> list[Approval]:
        """Every approval as it stands now, the latest first."""
        now = self.desk.clock.now_ns()
        known = [replace(each, state=state_at(each, now)) for each in list(self.register.approvals.values())]
        return sorted(known, key=lambda each: (each.asked, each.id), reverse=True)

    def meant(self, named: str) -> list[Approval]:
        """Those whose id is, or begins with, what somebody typed."""
        known = self.register.approvals
        if named in known:
            return [self.now(known[named])]
        return [self.now(each) for id, each in list(known.items()) if named and id.startswith(named)]

    def now(self, approval: Approval) -> Approval:
        """As it stands now."""
        return replace(approval, state=state_at(approval, self.desk.clock.now_ns()))

    def history(self, id: str) -> Sequence[Said]:
        """All that was said of it, in order."""
        return self.register.said.get(id, ())

    def shown(self, approval: Approval) -> dict[str, Any] | None:
        """What is asked about, out of the vault; None where it was not kept or was erased."""
        return self._body(approval.request)

    def edit_of(self, digest: str) -> dict[str, Any] | None:
        """What an approver changed: `set` and `drop`."""
        return self._body(digest)

    def takes(self, approval: Approval) -> Mapping[str, str] | None:
        """The types of the arguments of the tool that is asked about, as the policies have them; None: nobody says."""
        table = self.desk.book.tool(_identity(approval), approval.name) if approval.stage == "tool" else None
        return table.args if table is not None else None

    def similar(self, approval: Approval, most: int = 10) -> list[Approval]:
        """The latest others that the same rule asked for the same tool or model."""
        like = [each for each in self.all() if _alike(each, approval) and each.id != approval.id]
        return like[:most]

    def passes(self, approval: Approval) -> bool:
        """Whether the same call, made now, passes on it."""
        return usable(approval, self.desk.clock.now_ns())

    def outdated(self, approval: Approval) -> bool:
        """Whether the policy files it was asked under have another text now."""
        paths = self._paths.get(approval.version)
        return paths is not None and self._latest[paths] != approval.version

    # -- who may

    def why_not(self, approval: Approval, who: Approver) -> str:
        """Why somebody may not answer; empty where they may."""
        if not who.name:
            return "nobody says who answers. Say it with --as"
        name = who.name.strip().casefold()
        if approval.user and name == approval.user.strip().casefold():
            return f"{who.name} asked for this call, and whoever asks cannot answer"
        if {each.strip().casefold() for each in who.acts_for if each} & _askers(approval):
            return f"{who.name} acts for who asked for this call, and whoever asks cannot answer"
        if approval.key and who.key == approval.key:
            return "this key asked for the call, and whoever asks cannot answer"
        if approval.customer and who.customer == approval.customer:
            return f"{who.name} answers for {who.customer}, whom the call is for, and whoever benefits cannot answer"
        if who_digest(self.desk, who.name) in approval.barred:
            return f"{who.name} benefits from this call, and whoever benefits cannot answer"
        if who.name in approval.delegates:
            return f"{who.name} has handed the answer over to {approval.delegates[who.name]}"
        if who.any_role or ANY in who.roles or {who.name, *who.roles} & set(approval.of):
            return ""
        if who.name in approval.delegates.values():
            return ""
        if not approval.of:
            return "" if who.may else f"{who.name} is not on the list of people who may answer"
        whom = " or ".join(approval.of)
        return f"it is for {whom} to answer, and {who.name} is {' and '.join(sorted(who.roles)) or 'neither'}"

    # -- saying

    def answer(
        self,
        approval: Approval,
        word: str,
        who: Approver,
        because: str = "",
        edit: Mapping[str, object] | None = None,
        digest: str = "",
    ) -> Heard:
        """Approve or deny; with `edit`, approve the tool call with these arguments instead of its own.

        `digest` is that of the call somebody has looked at: an answer to another one does not count.
        """
        data = _by(who, because) | {"answer": word}
        if who.roles:
            data["roles"] = sorted(who.roles)
        stead = next((giver for giver, taker in approval.delegates.items() if taker == who.name), "")
        data |= {name: said for name, said in (("stead", stead), ("digest", digest)) if said}
        refused = self.why_not(approval, who)
        if not refused and state_at(approval, self.desk.clock.now_ns()) == "pending":
            if self.outdated(approval):
                self._put(APPROVAL_VOIDED, approval, {"because": CHANGED})
            elif edit is not None:
                change = self._change(approval, edit)
                refused = self._why_no_edit(approval, edit, change)
                if not refused and (change["set"] or change["drop"]):
                    data["edit"] = self._keep(approval, change)
        return self._tell(APPROVAL_ANSWERED, approval, data, refused)

    def escalate(self, approval: Approval, to: Sequence[str], who: Approver, because: str = "") -> Heard:
        """Let others answer as well, and give them the whole time."""
        names = _names(to)
        data = _by(who, because) | {"to": names}
        data["until"] = self.desk.clock.now_ns() + approval.within
        return self._tell(APPROVAL_ESCALATED, approval, data, self.why_not(approval, who))

    def delegate(self, approval: Approval, to: str, who: Approver, because: str = "") -> Heard:
        """Hand one's own answer over to somebody else, who may have asked for the call no more than oneself."""
        taker = _names([to])[0]
        refused = self.why_not(approval, who) or self._why_no_taker(approval, taker, who)
        data = _by(who, because) | {"to": taker}
        return self._tell(APPROVAL_DELEGATED, approval, data, refused)

    def _why_no_taker(self, approval: Approval, taker: str, who: Approver) -> str:
        if taker == who.name:
            return f"{taker} has it already"
        return self.why_not(approval, Approver(taker, any_role=True))

    def _tell(self, kind: str, approval: Approval, data: dict[str, object], refused: str) -> Heard:
        """Put it on record, also where it does not count, and say what came of it."""
        if refused:
            data = {**data, "refused": refused}
        fact = self._put(kind, approval, data)
        self.catch_up()
        said = next(said for said in self.history(approval.id) if said.fact.id == fact.id)
        return Heard(self.now(self.register.approvals[approval.id]), said.ignored)

    def _put(self, kind: str, approval: Approval, data: Mapping[str, object]) -> Fact:
        whose = {
            name: said for name in ("tenant", "customer", "workflow", "agent") if (said := getattr(approval, name))
        }
        told = {**whose, "approval": approval.id, **data}
        clock = self.desk.clock
        fact = Fact(kind, clock.new_id(), clock.now_ns(), approval.run, approval.call, told)
        self.desk.ledger.sync(fact)
        return fact

    # -- editing

    def _change(self, approval: Approval, edit: Mapping[str, object]) -> dict[str, Any]:
        """What an edit changes of what was shown: the rest stays as the call itself says it."""
        shown = self.shown(approval) or {}
        before = shown.get("args")
        before = before if isinstance(before, dict) else {}
        changed = {name: value for name, value in edit.items() if name not in before or before[name] != value}
        return {"set": changed, "drop": sorted(before.keys() - edit.keys())}

    def _why_no_edit(self, approval: Approval, edit: Mapping[str, object], change: Mapping[str, Any]) -> str:
        """Why these arguments cannot be approved: said now rather than when the call is made."""
        if approval.stage != "tool":
            return "only the arguments of a tool call can be edited. Approve or deny it as it is"
        if "args" not in (self.shown(approval) or {}):
            return "its arguments were not kept, so nobody can edit them. Approve or deny it as it is"
        book, who, types = self.desk.book, _identity(approval), self.takes(approval)
        for name, value in change["set"].items():
            if why := why_unfit(name, value, types):
                return f"{approval.name} cannot be called so: {why}"
        if book.version != approval.version:
            return ""
        decision = book.decide(Case("tool", who, kind="tool", tool=approval.name, args=edit))
        if decision.action == "deny" and decision.verdict is not None and not decision.verdict.error:
            return f"with these arguments {decision.verdict.rule} denies it: {decision.verdict.because.rstrip('.')}"
        return ""

    def _keep(self, approval: Approval, change: Mapping[str, Any]) -> str:
        subject = approval.customer or approval.user or approval.tenant
        return self.desk.ledger.keep([msgspec.json.encode(change, order="sorted")], approval.tenant, subject)[0]

    def _body(self, digest: str) -> dict[str, Any] | None:
        if not digest:
            return None
        body = self.desk.ledger.fetch(digest)
        try:
            made = msgspec.json.decode(body) if body is not None else None
        except msgspec.MsgspecError as error:
            raise StoreError(f"What was asked about cannot be read ({error}).") from None
        return made if isinstance(made, dict) else None

    def _loaded(self, fact: Fact) -> None:
        said: Any = fact.data
        paths = tuple(sorted(str(file.get("path")) for file in said.get("files") or ()))
        version = str(said.get("version", ""))
        self._paths[version] = paths
        if paths:
            self._latest[paths] = version
        else:
            self._latest.setdefault(paths, version)


def why_unfit(name: str, value: object, types: Mapping[str, str] | None) -> str:
    """Why a tool does not take this argument; empty where it does, or where nobody says what it takes."""
    if types is None:
        return ""
    if name not in types:
        return f"it takes no argument `{name}`"
    if value is None and types[name].endswith("?"):
        return ""
    try:
        fit(types[name])(value)
    except Missing as why:
        return f"`{name}` {why}"
    return ""


def _alike(one: Approval, other: Approval) -> bool:
    same = ("tenant", "rule", "stage", "name")
    return all(getattr(one, name) == getattr(other, name) for name in same)


def _identity(approval: Approval) -> Identity:
    return Identity(
        tenant=approval.tenant,
        customer=approval.customer,
        user=approval.user,
        workflow=approval.workflow,
        run=approval.run,
        agent=approval.agent,
        key=approval.key,
    )


def _by(who: Approver, because: str) -> dict[str, object]:
    said: dict[str, object] = {"by": who.name, "by_key": who.key, "because": because}
    return {name: value for name, value in said.items() if value or name == "by"}


def _askers(approval: Approval) -> set[str]:
    return {name.strip().casefold() for name in (approval.user, approval.agent) if name}


def _names(given: Sequence[str]) -> list[str]:
    names = [name.strip() for name in given if name.strip()]
    if not names or len(names) > MOST_NAMES or any(len(name) > 200 for name in names):
        raise SettingsError(f"Name who is to answer instead: one to {MOST_NAMES} roles or people.")
    return names


STATES: tuple[State, ...] = ("pending", "approved", "denied", "expired", "void", "used")
