"""The runs that are open at the gateway: opened at first sight, closed after a silence or when the gateway stops."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from comptroller.core.call import Identity, Request
from comptroller.core.errors import Denied
from comptroller.core.facts import AGENT_CLOSED, AGENT_OPENED, RUN_OPENED, Fact
from comptroller.core.money import Money, parse_money
from comptroller.core.verdict import Cap, Case, Decision
from comptroller.gateway.caller import Caller
from comptroller.gateway.outside import Outside, Told, is_over
from comptroller.gateway.stitch import Thread
from comptroller.gateway.stop import Stop
from comptroller.office.keys import Key
from comptroller.policies.book import Book
from comptroller.wrapper import loops
from comptroller.wrapper.asking import Held
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState, Scope
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import close_run, flow_of, who
from comptroller.wrapper.toolgate import unanswered

SHARED = ("customer", "user", "workflow")  # what all calls of a run have in common
STOPS = ("deny", "ask")
MOST_AGENTS = 1_000  # of one run
MOST_PLACES = 1_000  # of one run, remembered: a tenth of the cost of working one out
Agents = dict[tuple[str, str], tuple[str, bool]]  # span, and whether a rule refused it; by name and parent


@dataclass(slots=True, eq=False)
class Open:
    """A run under way."""

    identity: Identity
    state: RunState
    seen_ns: int
    busy: int = 0  # calls under way
    agents: Agents = field(default_factory=dict)
    budgets: dict[str, Cap] = field(default_factory=dict)  # the smallest said, by currency
    places: "dict[tuple[Caller, str], Place]" = field(default_factory=dict)  # of those who asked before
    book: Book | None = None  # the policies those places were worked out under
    visit: int = 0  # of this worker to a run it shares with others
    heir: bool = True  # its end is this worker's to put on record, were all others gone; not where /api opened it
    heard: set[str] = field(default_factory=set)  # tool calls whose results the others were told of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call stands: whose it is, in which run, and why it must not go on."""

    identity: Identity
    state: RunState
    run: Open
    conflict: Denied | None = None

    def refusal(self) -> Denied | None:
        """The conflict as an error of this call's own: whoever raises one writes into it."""
        if isinstance(self.conflict, Held):
            return Held(self.conflict.decision)
        return None if self.conflict is None else Denied(str(self.conflict), dict(self.conflict.details))


class Runs:
    """Open runs by id, the one silent for longest first."""

    def __init__(self, desk: Desk, most: int, idle_s: int) -> None:
        self.desk, self._most, self._idle_ns = desk, most, idle_s * 1_000_000_000
        self._open: OrderedDict[str, Open] = OrderedDict()
        self.outside = Outside(desk)

    def __len__(self) -> int:
        return len(self._open)

    def knows(self, run_id: str) -> bool:
        """True while the run is open here."""
        return run_id in self._open

    async def prepare(
        self, caller: Caller, run_id: str, thread: Thread | None, trace: str, agent: str, request: Request | None
    ) -> str:
        """The run a call will stand in, before it enters it. Where runs are shared, the others may know better."""
        if run_id in self._open or not told_of(thread):
            return run_id
        await self.outside.look(run_id)
        return self._another(run_id, thread) if self.outside.closed(run_id) else run_id

    def _another(self, run_id: str, thread: Thread | None) -> str:
        """A new run instead of one that was closed, for a conversation that goes on; who named it is refused."""
        if thread is None:
            raise is_over(run_id)
        return self.desk.clock.new_id()

    def enter(self, caller: Caller, run_id: str, trace: str, agent: str) -> Place:
        """The place of a call in its run, which is opened where it is new."""
        run = self._open.get(run_id)
        if run is None:
            run = self._begin(caller, run_id, trace)
        else:
            self._open.move_to_end(run_id)
        if run.identity.tenant != caller.identity.tenant:
            # On record where its own tenant sees it, and nowhere near the run of the other.
            message = f"Run {run_id!r} belongs to somebody else. Name one of your own."
            refused = replace(caller, said={}, conflict=Denied(message, {"rule": "identity"}))
            return self.enter(refused, self.desk.clock.new_id(), trace, agent)
        run.seen_ns = self.desk.clock.monotonic_ns()
        if run.book is not self.desk.book or len(run.places) >= MOST_PLACES:
            run.places.clear()
            run.book = self.desk.book
        place = run.places.get((caller, agent))
        if place is None:
            place = self._place(run, caller, run_id, agent)
            run.places[(caller, agent)] = place
        return place

    def _place(self, run: Open, caller: Caller, run_id: str, agent: str) -> Place:
        said = caller.said
        identity, conflict = joined(caller.identity, run.identity)
        conflict = caller.conflict or conflict
        if conflict is None and "budget" in said:
            lower(run, budget_of(said["budget"]))
        identity = replace(identity, run=run_id, agent=identity.agent or agent)
        if identity.agent and conflict is None:
            identity, conflict = self._agent(run, identity, said.get("parent", ""))
        elif "parent" in said:
            identity = replace(identity, parent=said["parent"])
        return Place(identity, _state(run, caller.key), run, conflict)

    def sweep(self) -> None:
        """Close what has been silent for too long."""
        limit = self.desk.clock.monotonic_ns() - self._idle_ns
        for run_id, run in list(self._open.items()):
            if run.seen_ns > limit:
                break
            if not run.busy:
                self._end(run_id)

    async def opened(self, run_id: str) -> None:
        """A run was opened through /api: whoever was faster with a call of it goes by its budget from here on."""
        told, run = await self.outside.look(run_id), self._open.get(run_id)
        if told is not None and run is not None:
            run.heir = False
            for budget in told.budgets:
                lower(run, budget)

    async def finish(self, run_id: str, by: Identity) -> None:
        """Let go of a run that was closed through /api, unless it is not theirs; calls under way may end."""
        await self.outside.look(run_id)
        run = self._open.get(run_id)
        if run is not None and is_theirs(run.identity, by):
            run.heir = False
            self._end(run_id)

    def close(self) -> None:
        """Close them all."""
        for run_id in list(self._open):
            self._end(run_id)

    def _begin(self, caller: Caller, run_id: str, trace: str) -> Open:
        clock, who_asks = self.desk.clock, caller.identity
        told = self.outside.of(run_id)
        if told is not None:
            return self._taken_up(run_id, trace, told)
        identity = identity_of(common(who_asks), run_id)
        state = RunState(run_id, trace or run_id, Boundary())
        run = Open(identity, state, clock.monotonic_ns())
        # What the call itself may do without a record its own hold decides, which knows the caps.
        self.desk.note(self._begun(caller, identity, state.trace), must=self.desk.must_record(False))
        self._keep(run_id, run)
        return run

    def _taken_up(self, run_id: str, trace: str, told: Told) -> Open:
        """A run whose beginning `/api` has put on record."""
        state = RunState(run_id, trace or run_id, Boundary())
        run = Open(identity_of(told.who, run_id), state, self.desk.clock.monotonic_ns(), heir=False)
        for budget in told.budgets:
            lower(run, budget)
        self._keep(run_id, run)
        return run

    def _begun(self, caller: Caller, identity: Identity, trace: str) -> Fact:
        """What goes on record of a run that opens."""
        clock, data = self.desk.clock, who(identity)
        if "budget" in caller.said:
            budget = budget_of(caller.said["budget"])
            data["budget"] = [budget.nanos, budget.currency]
        if trace != identity.run:
            data["trace"] = trace
        return Fact(RUN_OPENED, clock.new_id(), clock.now_ns(), identity.run, data=data)

    def _keep(self, run_id: str, run: Open) -> None:
        self._open[run_id] = run
        if len(self._open) > self._most:
            self._make_room()

    def _make_room(self) -> None:
        newest = next(reversed(self._open))
        for run_id, run in self._open.items():
            if not run.busy and run_id != newest:
                self._end(run_id)
                return

    def _end(self, run_id: str) -> None:
        run = self._open.pop(run_id)
        end_run(self.desk, Scope(run.identity, run.state), run.agents, run.heir)

    def _agent(self, run: Open, identity: Identity, parent: str) -> tuple[Identity, Denied | None]:
        """The agent's span in this run, opened when it is first seen; rules on agents decide for each who asks."""
        span, was_refused = run.agents.get((identity.agent, parent), ("", False))
        if not span and len(run.agents) >= MOST_AGENTS:
            message = f"Run {run.state.id!r} has {MOST_AGENTS} agents already. Begin another run for this one."
            return identity, Denied(message, {"rule": "agents"})  # names that clients make up must not fill memory
        clock = self.desk.clock
        known = replace(identity, depth=1, parent=span or clock.new_id())
        decision = self._judged(known, run)
        if not span or was_refused:
            decision = loops.opens(self.desk, run.state, known, parent, decision, anew=not span)
        if not span:
            run.agents[(identity.agent, parent)] = (known.parent, decision.action in STOPS)
            self.desk.note(self._introduced(known, parent, decision), must=self.desk.must_record(False))
        if decision.verdict is None or decision.action not in STOPS:
            return known, None
        said = decision.verdict
        if decision.action == "ask":
            return known, Held(decision)
        stops = {"stops": True} if loops.stops(self.desk, known, said) else {}
        return known, Denied(said.because, {"rule": said.rule, "policy": said.policy, "place": said.place, **stops})

    def _judged(self, known: Identity, run: Open) -> Decision:
        case = Case("agent", known, kind="agent", now_ns=self.desk.clock.now_ns())
        case.origins = flow_of(self.desk, run.state)
        return self.desk.book.decide(case)

    def _introduced(self, known: Identity, parent: str, decision: Decision) -> Fact:
        data = {**who(known), "parent": parent}
        if known.scopes is not None:
            data["scopes"] = sorted(known.scopes)
        if decision.verdict is not None:
            data.update(action=decision.action, rule=decision.verdict.rule, because=decision.verdict.because)
        return Fact(AGENT_OPENED, known.parent, self.desk.clock.now_ns(), known.run, data=data)


def is_theirs(run: Identity, by: Identity) -> bool:
    """Whether a run is of their tenant, and of their customer, user and workflow where they have one."""
    narrowed = [(getattr(by, name), getattr(run, name)) for name in SHARED]
    return run.tenant == by.tenant and all(not own or own == known for own, known in narrowed)


def common(identity: Identity) -> list[str]:
    """What all calls of a run have in common: tenant, customer, user and workflow."""
    return [identity.tenant, *[getattr(identity, name) for name in SHARED]]


def identity_of(said: Sequence[str], run: str) -> Identity:
    """The identity of a run itself."""
    tenant, customer, user, workflow = said
    return Identity(tenant=tenant, customer=customer, user=user, workflow=workflow, run=run)


def end_agents(desk: Desk, run: Identity, agents: Agents) -> None:
    """Put the ends of a run's agents on record."""
    for (agent, _), (span, refused) in agents.items():
        data = {**who(replace(run, agent=agent, depth=1)), "span": span, "status": "error" if refused else "ok"}
        desk.note(Fact(AGENT_CLOSED, desk.clock.new_id(), desk.clock.now_ns(), run.run, data=data))


def end_run(desk: Desk, scope: Scope, agents: Agents, ours: bool) -> None:
    """Put on record what ends with a run, and its own end where that is ours to say and not that of /api."""
    end_agents(desk, scope.identity, agents)
    if ours:
        close_run(desk, scope)
        return
    desk.flows.forget(scope.run.flow)
    for asked in scope.run.boundary.drain():
        unanswered(asked)


def told_of(thread: Thread | None) -> bool:
    """True where a call says which run it is of, by its name or by what it goes on with."""
    return thread is None or bool(thread.run)


def _state(run: Open, key: Key | None) -> RunState:
    """The run as a key sees it: with the key's own caps."""
    if key is None or not key.budgets:
        return run.state
    return replace(run.state, caps=(*run.state.caps, *key.budgets))


def joined(identity: Identity, run: Identity) -> tuple[Identity, Denied | None]:
    """What the run knows fills what the call leaves open; where they differ the call is refused."""
    more = {}
    for name in SHARED:
        said, known = getattr(identity, name), getattr(run, name)
        if said and known and said != known:
            message = f"The call says {name} {said!r}, the run it is part of says {known!r}. Leave it out."
            return identity, Denied(message, {"rule": "identity"})
        if known and not said:
            more[name] = known
    return (replace(identity, **more) if more else identity), None


def lower(run: Open, budget: Money) -> None:
    """A budget said again can only shrink."""
    before = run.budgets.get(budget.currency)
    if before is None or budget.nanos < before.limit:
        cap = Cap(
            "run", run.state.id, "", "UTC", budget.currency, budget.nanos, "deny", "the comptroller-budget header"
        )
        run.budgets[budget.currency] = cap
        run.state.caps = tuple(run.budgets.values())
        run.places.clear()  # those with caps of a key know the larger budget


def budget_of(text: str) -> Money:
    try:
        money = parse_money(text)
        if money.nanos <= 0:
            raise ValueError(f"{text!r} leaves nothing to spend. Give an amount above zero.")
    except ValueError as error:
        raise Stop(400, "bad_header", f"comptroller-budget: {error}") from None
    return money
