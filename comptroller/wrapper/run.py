"""Runs, agents and claims: what users open around the work that is governed."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from comptroller.core.call import Identity
from comptroller.core.errors import Refused, SettingsError
from comptroller.core.facts import AGENT_CLOSED, AGENT_OPENED, CLAIM, RUN_CLOSED, RUN_OPENED, Fact
from comptroller.core.money import parse_money
from comptroller.core.verdict import Cap, Case, Decision
from comptroller.guardrails.provenance import CallOrigins
from comptroller.tracing.context import ambient_trace, parse_traceparent
from comptroller.wrapper import loops
from comptroller.wrapper.around import around
from comptroller.wrapper.asking import agent_matter, carry_out, claim_matter
from comptroller.wrapper.attempt import attempt
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState, Scope, carry_across_threads, current, place, within
from comptroller.wrapper.desk import Desk, the_desk
from comptroller.wrapper.standing import is_hard
from comptroller.wrapper.toolgate import unanswered

_OTHERS = (Path(__file__).parent.parent, Path(functools.__file__).parent)  # our own code, and Python's
F = TypeVar("F", bound=Callable[..., Any])


class _Span:
    """A block that is entered and left, blocking or async, or put around a function (also a generator)."""

    scope: Scope | None = None
    _before: Scope | None = None

    def _open(self) -> Scope:
        raise NotImplementedError

    def _close(self, error: BaseException | None) -> None:
        raise NotImplementedError

    def _again(self) -> "_Span":
        """A fresh one with the same arguments: each call of a decorated function is its own."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.scope = self._open()
        self._before = place(self.scope)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        place(self._before)
        self._close(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        return around(self._again, function)


class Run(_Span):
    """One piece of work for one customer: everything its agents do belongs to it."""

    def __init__(
        self,
        workflow: str = "",
        *,
        customer: str = "",
        user: str = "",
        budget: str = "",
        tenant: str = "",
        id: str = "",
        traceparent: str = "",
        desk: Desk | None = None,
    ) -> None:
        self.arguments = dict(
            workflow=workflow, customer=customer, user=user, budget=budget, tenant=tenant, traceparent=traceparent
        )
        self.id = id
        self._desk = desk
        self._budget = _budget(budget)

    def _again(self) -> "Run":
        return Run(desk=self._desk, **self.arguments)

    @property
    def desk(self) -> Desk:
        """The desk this run is on."""
        if self._desk is None:
            self._desk = the_desk()
        return self._desk

    def _open(self) -> Scope:
        carry_across_threads()
        desk, outer, said = self.desk, current(), self.arguments
        desk.refresh()
        self.id = self.id or desk.clock.new_id()
        # A trace that comes in by header, else that of the run around, else the host's own open span, else a new one.
        inherited_trace = (outer.run.trace, "") if outer else ambient_trace() or (self.id, "")
        trace, parent = parse_traceparent(said["traceparent"]) or inherited_trace
        base = outer.identity if outer else Identity(tenant=desk.settings.tenant)
        identity = replace(
            base,
            tenant=said["tenant"] or base.tenant,
            customer=said["customer"] or base.customer,
            user=said["user"] or base.user,
            workflow=said["workflow"] or base.workflow,
            run=self.id,
            parent="",
        )
        inherited = (*outer.run.caps, *_run_caps(desk, outer.identity)) if outer else ()
        own = (replace(self._budget, who=self.id),) if self._budget else ()
        state = RunState(self.id, trace, Boundary(), caps=(*inherited, *own))
        if outer:
            state.flow = outer.run.flow  # what the run around it has read may be in all that is done inside
        data = who(identity)
        data["parent"] = parent or (outer.identity.parent or outer.run.id if outer else "")
        if outer:
            data["outer"] = outer.run.id
        if self._budget:
            data["budget"] = [self._budget.limit, self._budget.unit]
        if trace != self.id:
            data["trace"] = trace
        opened = Fact(RUN_OPENED, desk.clock.new_id(), desk.clock.now_ns(), self.id, data=data)
        desk.note(opened, must=desk.must_record(is_hard((*state.caps, *desk.caps(identity)))))
        return Scope(identity, state, outer.inside if outer else ())

    def _close(self, error: BaseException | None) -> None:
        assert self.scope is not None
        close_run(self.desk, self.scope, error)

    def agent(self, name: str, *, scopes: "list[str] | None" = None) -> "Agent":
        """One of the run's agents; nested, its scopes can only shrink."""
        return Agent(self.desk, name, scopes)

    def attempt(self, agents: Sequence[str], work: Callable[[], Any]) -> Any:
        """What `work` returns, done by the first of these agents with whom it does not fail; awaited if async."""
        return attempt(self, agents, work)

    def claim(
        self, type: str, *, subject: str, evidence: Mapping[str, object] | None = None, degree: float | str = 1
    ) -> str:
        """Claim that an outcome was reached; on record durably when this returns its id."""
        scope = current() if current() and current().run.id == self.id else self.scope  # type: ignore[union-attr]
        if scope is None:
            raise SettingsError(
                f"The run was not opened yet, so it cannot claim {type!r}. Claim inside `with ct.run(...)`."
            )
        return claim(self.desk, scope, type, subject, evidence or {}, degree)


class Agent(_Span):
    """One agent at work inside a run; whatever it calls is on its account."""

    def __init__(self, desk: Desk, name: str, scopes: "list[str] | None" = None) -> None:
        self.desk, self.name = desk, name
        self.scopes = None if scopes is None else frozenset(scopes)
        self.id = self._above = ""
        self.relieves = ""  # whom it takes over from, and why

    def _again(self) -> "Agent":
        return Agent(self.desk, self.name, None if self.scopes is None else sorted(self.scopes))

    def agent(self, name: str, *, scopes: "list[str] | None" = None) -> "Agent":
        """An agent this one delegates to."""
        return Agent(self.desk, name, scopes)

    def _open(self) -> Scope:
        outer = current()
        if outer is None:
            raise SettingsError(f"Agent {self.name!r} has no run. Open it inside `with ct.run(...)`.")
        desk = self.desk
        self.id = desk.clock.new_id()
        scopes = _shrunk(outer.identity.scopes, self.scopes)
        identity = replace(
            outer.identity, agent=self.name, scopes=scopes, depth=outer.identity.depth + 1, parent=self.id
        )
        case = Case("agent", identity, kind="agent", now_ns=desk.clock.now_ns())
        case.origins = flow_of(desk, outer.run)
        decision = loops.opens(desk, outer.run, identity, outer.identity.parent, desk.book.decide(case))
        self._above = outer.identity.parent
        data = who(identity)
        data["parent"] = outer.identity.parent
        if scopes is not None:
            data["scopes"] = sorted(scopes)
        if self.relieves:
            data.update(action="note", rule="attempt", because=self.relieves)
        _note(data, decision)
        opened = Fact(AGENT_OPENED, self.id, desk.clock.now_ns(), identity.run, data=data)
        desk.note(opened, must=desk.must_record(is_hard((*outer.run.caps, *desk.caps(identity)))))
        scope = Scope(identity, outer.run, outer.inside)
        try:
            loops.end_run_of(desk, identity, decision)
            carry_out(desk, identity, decision, agent_matter(identity))
        except Refused as refused:
            self.scope = scope
            self._close(refused)
            raise
        return scope

    def _close(self, error: BaseException | None) -> None:
        assert self.scope is not None
        desk, run = self.desk, self.scope.run
        run.watch.closed(self._above)
        data = who(self.scope.identity)
        data.update(span=self.id, **_ending(error))
        desk.note(Fact(AGENT_CLOSED, desk.clock.new_id(), desk.clock.now_ns(), run.id, data=data))


def claim(
    desk: Desk, scope: Scope, type: str, subject: str, evidence: Mapping[str, object], degree: float | str
) -> str:
    """Put a claim on record; evidence goes into the vault, its digest into the fact."""
    share = str(degree)
    try:
        body = msgspec.json.encode(evidence, order="sorted")
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"The evidence of {type!r} is not JSON: {error}. Give numbers, texts, lists and maps."
        ) from None
    try:
        possible = 0 < float(share) <= 1
    except ValueError:
        possible = False
    if not possible:
        raise SettingsError(f"The degree of {type!r} is {share}; it must be above 0 and at most 1.") from None
    identity = scope.identity
    case = Case("outcome", identity, kind="outcome", now_ns=desk.clock.now_ns(), known={"outcome.type": type})
    case.origins = flow_of(desk, scope.run)
    decision = desk.book.decide(case)
    id = desk.clock.new_id()
    data = who(identity)
    digest = desk.ledger.keep([body], identity.tenant, identity.customer or identity.user or identity.tenant)[0]
    data.update(type=type, subject=subject, degree=share, evidence=digest)
    _note(data, decision)
    refused: Refused | None = None
    try:
        if approvals := carry_out(desk, identity, decision, claim_matter(type, subject, share, body, evidence)):
            data.update(action="note", approvals=approvals)
    except Refused as error:
        refused = error
    desk.ledger.sync(Fact(CLAIM, id, desk.clock.now_ns(), scope.run.id, data=data))
    if refused is not None:
        raise refused
    return id


def ambient(desk: Desk) -> Scope:
    """The run for calls that stand in none: one for each desk, so that nothing goes without an owner."""
    if desk.ambient is None:
        with desk.ambient_lock:
            if desk.ambient is None:
                run = Run("", desk=desk)
                with within(None):
                    scope = run._open()
                desk.at_close.append(lambda: close_run(desk, scope))
                desk.ambient = scope
    found: Scope = desk.ambient
    return found


def close_run(desk: Desk, scope: Scope, error: BaseException | None = None) -> None:
    """Put the end of a run on record, after the tool calls whose results nobody saw."""
    for asked in scope.run.boundary.drain():
        unanswered(asked)
    desk.flows.forget(scope.run.flow)
    data = who(scope.identity)
    data.update(_ending(error))
    desk.note(Fact(RUN_CLOSED, desk.clock.new_id(), desk.clock.now_ns(), scope.run.id, data=data))


def flow_of(desk: Desk, run: RunState) -> CallOrigins | None:
    """What rules may ask about what a run has read."""
    return run.flow.origins(None) if desk.book.traces else None


def who(identity: Identity) -> dict[str, object]:
    """Identity as facts carry it: empty fields left out."""
    names = ("tenant", "customer", "user", "workflow", "agent", "key", "depth", "parent")
    return {name: value for name in names if (value := getattr(identity, name))}


def _ending(error: BaseException | None) -> dict[str, object]:
    if error is None or isinstance(error, GeneratorExit):
        return {"status": "ok"}
    # Only its kind and place: its text may quote what an agent read, and has not passed the guards.
    told = {"type": type(error).__name__}
    if place := _raised_at(error.__traceback__):
        told["place"] = place
    return {"status": "error", "error": told}


def _raised_at(trace: TracebackType | None) -> str:
    """The innermost line of the user's own code that an error came through; not of a library, nor of ours."""
    place = ""
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if not any(file.is_relative_to(folder) for folder in _OTHERS) and "site-packages" not in file.parts:
            place = f"{file.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _note(data: dict[str, object], decision: Decision) -> None:
    if decision.verdict is not None:
        data.update(action=decision.action, rule=decision.verdict.rule, because=decision.verdict.because)


def _shrunk(outer: frozenset[str] | None, own: frozenset[str] | None) -> frozenset[str] | None:
    if outer is None or own is None:
        return own if outer is None else outer
    return outer & own


def _run_caps(desk: Desk, identity: Identity) -> tuple[Cap, ...]:
    return tuple(cap for cap in desk.caps(identity) if cap.per == "run")


def _budget(text: object) -> Cap | None:
    if not text:
        return None
    try:
        money = parse_money(text)  # type: ignore[arg-type]
    except TypeError:
        raise SettingsError(f'budget: {text!r} has no currency. Write it as a text, like budget="2.50 USD".') from None
    except ValueError as error:
        raise SettingsError(f"budget: {error}") from None
    if money.nanos <= 0:
        raise SettingsError(f"budget: {text!r} leaves nothing to spend. Give an amount above zero.")
    return Cap("run", "", "", "UTC", money.currency, money.nanos, "deny", "ct.run(budget=...)")
