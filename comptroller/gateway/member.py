"""A worker's side of what workers share: asked for only where this worker does not know, and kept then."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from comptroller.core.call import Identity, Request
from comptroller.core.clock import Clock
from comptroller.core.money import Money
from comptroller.gateway.caller import Caller
from comptroller.gateway.channel import Apart, Channel
from comptroller.gateway.repeats import Repeats, Slot, Told, reused
from comptroller.gateway.runs import (
    MOST_AGENTS,
    STOPS,
    Open,
    Runs,
    budget_of,
    common,
    end_run,
    identity_of,
    joined,
    lower,
    told_of,
)
from comptroller.gateway.stitch import Thread
from comptroller.gateway.stop import Stop
from comptroller.store import segment
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState, Scope
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.toolgate import answered, unanswered

MOST_HEARD = 20_000  # results of one run that are not told of again


class SharedRuns(Runs):
    """The runs this worker has calls of; the supervisor knows them all, opens each once and closes it once."""

    def __init__(self, desk: Desk, most: int, idle_s: int, channel: Channel) -> None:
        super().__init__(desk, most, idle_s)
        self._channel = channel
        self._visits = 0
        self._leaving: set[asyncio.Task[None]] = set()

    async def prepare(
        self, caller: Caller, run_id: str, thread: Thread | None, trace: str, agent: str, request: Request | None
    ) -> str:
        """See to it that the run is open here as everywhere; returns the one it is. Costs nothing for a known one."""
        # A conversation that begins can be nobody else's: its run is opened here, and the others are told.
        fresh = thread is not None and not thread.run and not thread.earlier
        if not self.knows(run_id):
            if fresh:
                self._found(caller, run_id, trace)
            else:
                run_id = await self._join(caller, run_id, thread, trace)
        run = self._open.get(run_id)
        if run is not None and run.identity.tenant == caller.identity.tenant:
            if (caller, agent) not in run.places:
                await self._meet(run, caller, agent, fresh)
                if not self.knows(run_id):  # it was closed meanwhile
                    return await self.prepare(caller, run_id, thread, trace, agent, request)
            if request is not None:
                self._hear(run, request)
        return run_id

    async def opened(self, run_id: str) -> None:
        try:
            await self._channel.ask("opened", run_id)
        except Apart:
            await super().opened(run_id)

    async def finish(self, run_id: str, by: Identity) -> None:
        try:
            await self._channel.ask("finish", run_id)
        except Apart:
            await super().finish(run_id, by)

    def close(self) -> None:
        """Say of all runs what is known of them. The supervisor ends them, if it is there."""
        for run_id in list(self._open):
            self._end(run_id, leave=False)

    # -- what the others say

    # These two are awaited, so that a call which is just told what the others know of its run is there first.

    async def lowered(self, run_id: str, currency: str, nanos: int) -> None:
        """Somebody said a smaller budget of a run elsewhere."""
        run = self._open.get(run_id)
        if run is not None:
            lower(run, Money(nanos, currency))

    async def finished(self, run_id: str) -> None:
        """The run was closed through /api."""
        if self.knows(run_id):
            self._open[run_id].heir = False
            self._end(run_id)

    def answered(self, run_id: str, calls: Sequence[str]) -> None:
        """Results of tool calls were seen elsewhere."""
        run = self._open.get(run_id)
        if run is not None:
            for call_id in calls:
                answered(run.state.boundary, call_id)

    def inherit(self, run_id: str) -> None:
        """Whoever was to end the run has left it."""
        run = self._open.get(run_id)
        if run is not None:
            run.heir = True

    # -- opening

    def _found(self, caller: Caller, run_id: str, trace: str) -> None:
        run = self._begin(caller, run_id, trace)
        run.visit = self._visit()
        self._channel.tell("enter", run.visit, run_id, (), (), common(run.identity), run.state.trace, b"")

    async def _join(self, caller: Caller, run_id: str, thread: Thread | None, trace: str) -> str:
        visit, who = self._visit(), common(caller.identity)
        identity = identity_of(who, run_id)
        opened = segment.encode(self._begun(caller, identity, trace or run_id))[1]
        marks, keep = ([], []) if thread is None else (_told(thread.earlier), _told(thread.marks))
        if thread is not None and thread.run:
            marks = []
        try:
            if told_of(thread):
                await self._channel.ask("look", run_id)
            said = await self._channel.ask("enter", visit, run_id, marks, keep, who, trace or run_id, opened)
        except Apart:
            # Nobody is there to share with: it is opened here.
            return await super().prepare(caller, run_id, thread, trace, "", None)
        if not said:
            return await self._join(caller, self._another(run_id, thread), _anew(thread), trace)
        found, who, trace, budgets, agents, heir = said
        known = self._open.get(found)
        if known is not None:  # another call of it was first
            known.visit = visit
            return str(found)
        run = Open(identity_of(who, found), RunState(found, trace, Boundary()), self.desk.clock.monotonic_ns())
        run.visit, run.heir = visit, heir
        run.agents = {(name, parent): (span, refused) for name, parent, span, refused in agents}
        for currency, nanos in budgets.items():
            lower(run, Money(nanos, currency))
        self._keep(found, run)
        return str(found)

    async def _meet(self, run: Open, caller: Caller, agent: str, fresh: bool) -> None:
        """See to it that everybody knows the budget and the agent that a caller brings."""
        identity, conflict = joined(caller.identity, run.identity)
        if conflict or caller.conflict:
            return
        if "budget" in caller.said:
            await self._tell_budget(run, budget_of(caller.said["budget"]))
        name, parent = identity.agent or agent, caller.said.get("parent", "")
        if not name or (name, parent) in run.agents or len(run.agents) >= MOST_AGENTS:
            return
        known = replace(identity, run=run.state.id, agent=name, depth=1, parent=self.desk.clock.new_id())
        decision = self._judged(known, run)
        opened, refused = self._introduced(known, parent, decision), decision.action in STOPS
        if fresh:
            self.desk.record(opened)
            run.agents[name, parent] = (known.parent, refused)
            self._channel.tell("agent", known.run, name, parent, known.parent, refused, b"")
            return
        try:
            span, refused = await self._channel.ask(
                "agent", known.run, name, parent, known.parent, refused, segment.encode(opened)[1]
            )
        except Apart:
            return  # it is opened here
        run.agents[name, parent] = (span, refused)

    async def _tell_budget(self, run: Open, budget: Money) -> None:
        before = run.budgets.get(budget.currency)
        if before is not None and before.limit <= budget.nanos:
            return
        try:
            least = await self._channel.ask("lower", run.state.id, budget.currency, budget.nanos)
        except Apart:
            return  # it holds here, and the others are about to stop
        lower(run, Money(least, budget.currency))

    def _hear(self, run: Open, request: Request) -> None:
        """Tell of results of tool calls that were allowed elsewhere; history repeats them, so of each once."""
        calls = []
        for part in request.parts:
            if part.kind == "tool_result" and part.call_id and part.call_id not in run.heard:
                run.heard.add(part.call_id)
                if not run.state.boundary.waits_for(part.call_id):
                    calls.append(part.call_id)
        if len(run.heard) > MOST_HEARD:
            run.heard.clear()
        if calls:
            self._channel.tell("answered", run.state.id, calls)

    # -- leaving

    def _end(self, run_id: str, leave: bool = True) -> None:
        run = self._open.pop(run_id)
        for asked in run.state.boundary.drain():
            unanswered(asked)
        if not self._channel.open:
            if run.heir:
                end_run(self.desk, Scope(run.identity, run.state), run.agents, True)
        elif leave:
            task = asyncio.get_running_loop().create_task(self._leave(run_id, run.visit))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _leave(self, run_id: str, visit: int) -> None:
        if self.desk.ledger.pipe is not None:
            await self.desk.ledger.pipe.so_far()  # the run's end comes behind what belongs to it
        self._channel.tell("leave", run_id, visit)

    def _visit(self) -> int:
        self._visits += 1
        return self._visits


class SharedRepeats(Repeats):
    """Replies kept here, and behind them those of all workers."""

    def __init__(self, most: int, clock: Clock, channel: Channel, digest: Callable[[bytes], str]) -> None:
        super().__init__(most, clock)
        self._channel, self._digest = channel, digest

    async def _take(self, key: tuple[str, ...], digest: bytes) -> Slot | Told:
        """What nobody here knows of, the others are asked for."""
        name = self._name(key)
        asked = asyncio.ensure_future(self._channel.ask("claim", name, digest))
        try:
            said, *rest = await asyncio.shield(asked)
        except Apart:
            raise Stop(
                503,
                "repeats_unavailable",
                "Whether this Idempotency-Key was used before cannot be told just now. Try again in a moment.",
                headers=((b"retry-after", b"1"),),
            ) from None
        except asyncio.CancelledError:
            asked.add_done_callback(lambda done: self._decline(name, done))
            raise
        if said == "reused":
            raise reused()
        slot = self._begin(key, digest)
        if said == "told":
            status, headers, answer = rest
            told = Told(status, [(name, value) for name, value in headers], answer)
            super().keep(key, told)
            return told
        return slot

    def keep(self, key: tuple[str, ...], told: Told | None) -> None:
        """Keep the reply, here and for the others."""
        super().keep(key, told)
        kept = self._slots.get(key)
        said = None if told is None or kept is None else [told.status, told.headers, told.body]
        self._channel.tell("keep", self._name(key), said)

    def _decline(self, name: str, asked: "asyncio.Future[list[object]]") -> None:
        """The client left while it waited for its turn: the turn is the next one's."""
        if not asked.cancelled() and not asked.exception() and asked.result()[0] == "yours":
            self._channel.tell("keep", name, None)

    def _name(self, key: tuple[str, ...]) -> str:
        return self._digest("\0".join(key).encode("utf-8", "backslashreplace"))


def _anew(thread: Thread | None) -> Thread:
    """A conversation as one whose run nobody knows."""
    return Thread("", [] if thread is None else thread.marks)


def _told(marks: Sequence[Hashable]) -> list[int]:
    """Marks as all workers know them: they have one hash, which is keyed and the supervisor's choice."""
    return [hash(mark) for mark in marks]
