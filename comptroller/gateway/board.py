"""What the workers of one gateway share: open runs, whose conversation goes on where, replies kept, counts.

It lives in the supervisor and is asked by a worker only for what that worker does not know yet.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from comptroller.core.clock import Clock
from comptroller.gateway.counters import Counters
from comptroller.gateway.outside import Outside
from comptroller.gateway.repeats import KEPT_NS, MOST_BYTES
from comptroller.gateway.runs import Agents, end_run, identity_of
from comptroller.gateway.stitch import KEPT
from comptroller.store import segment
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState, Scope
from comptroller.wrapper.desk import Desk

Telling = Callable[..., None]
Asking = Callable[..., Any]


@dataclass(slots=True, eq=False)
class SharedRun:
    """An open run, and the workers that have it open: the first of them would close it, were all else gone."""

    who: list[str]  # tenant and what else all its calls have in common
    trace: str
    budgets: dict[str, int] = field(default_factory=dict)  # the smallest said, by currency
    agents: Agents = field(default_factory=dict)
    members: dict[int, int] = field(default_factory=dict)  # worker -> which of its visits this is
    ours: bool = True  # its end is the gateway's to put on record; that of one opened through /api is not
    alone_ns: int = 0  # since when it has none, because the last was lost


@dataclass(slots=True, eq=False)
class Kept:
    """The reply to one Idempotency-Key; without one a worker is at work on it."""

    digest: bytes
    worker: int
    at_ns: int
    told: list[Any] | None = None
    waiting: "list[tuple[int, asyncio.Future[list[Any]]]]" = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.told[2]) if self.told else 0


class Board:
    """Asked by many workers, each by its number; nothing here waits for any of them."""

    def __init__(self, desk: Desk, tell: Callable[..., None], ask: Callable[..., Any]) -> None:
        self.desk, self._tell, self._ask = desk, tell, ask
        self.runs: dict[str, SharedRun] = {}
        self.outside = Outside(desk)
        self.counters = Counters(desk.clock)
        self.replies = Replies(desk.settings.gateway.repeats, desk.clock)
        self._marks: OrderedDict[int, str] = OrderedDict()

    # -- runs

    def enter(
        self,
        worker: int,
        visit: int,
        run: str,
        marks: Sequence[int],
        keep: Sequence[int],
        who: list[str],
        trace: str,
        opened: bytes,
    ) -> list[Any]:
        """The run a call goes on with, else the one it would open; on record when this returns, once.

        Nothing where the run it names was closed through /api: `look` is asked before.
        `opened` is empty where the worker knows that nobody else can have the run, and has recorded it itself.
        """
        known = (found for mark in marks if (found := self._marks.get(mark)))
        found = next((found for found in known if not self.outside.closed(found)), run)
        if self.outside.closed(found):
            return []
        shared = self.runs.get(found)
        if shared is None:
            shared = self.runs[found] = self._shared(found, who, trace, opened)
        if shared.who[0] == who[0]:
            for mark in keep:
                self.remember(worker, mark, found)
        shared.members[worker] = visit
        agents = [[*named, *known] for named, known in shared.agents.items()]
        heir = shared.ours and next(iter(shared.members)) == worker
        return [found, shared.who, shared.trace, shared.budgets, agents, heir]

    def _shared(self, run: str, who: list[str], trace: str, opened: bytes) -> SharedRun:
        told = self.outside.of(run)
        if told is not None:
            return SharedRun(told.who, trace, {one.currency: one.nanos for one in told.budgets}, ours=False)
        if opened:
            self.desk.record(replace(segment.fact_of(opened), run=run))
        return SharedRun(who, trace)

    async def look(self, worker: int, run: str) -> None:
        """Know what /api has answered of a run until now."""
        await self.outside.look(run)

    async def opened(self, worker: int, run: str) -> None:
        """A run was opened through /api: who has it open already goes by its budget when this returns."""
        told, shared = await self.outside.look(run), self.runs.get(run)
        if told is not None and shared is not None:
            shared.ours = False
            for budget in told.budgets:
                await self.lower(0, run, budget.currency, budget.nanos)

    async def finish(self, worker: int, run: str) -> None:
        """A run was closed through /api: no worker has it open when this returns."""
        await self.outside.look(run)
        shared = self.runs.get(run)
        if shared is not None and self.outside.closed(run):
            shared.ours = False
            members = list(shared.members)
            await asyncio.gather(*[self._ask(other, "finished", run) for other in members], return_exceptions=True)

    def remember(self, worker: int, mark: int, run: str) -> None:
        """Which run a conversation belongs to."""
        self._marks[mark] = run
        self._marks.move_to_end(mark)
        while len(self._marks) > KEPT:
            self._marks.popitem(last=False)

    def agent(
        self, worker: int, run: str, name: str, parent: str, span: str, refused: bool, opened: bytes
    ) -> list[Any]:
        """The agent's span in the run: the first one said, which goes on record."""
        shared = self.runs.get(run)
        if shared is None:
            return [span, refused]
        known = shared.agents.get((name, parent))
        if known is None:
            if opened:
                self.desk.record(segment.fact_of(opened))
            known = shared.agents[name, parent] = (span, refused)
        return list(known)

    async def lower(self, worker: int, run: str, currency: str, nanos: int) -> int:
        """A budget said in a header: it can only shrink, and all workers go by it when this returns."""
        shared = self.runs.get(run)
        if shared is None:
            return nanos
        least = shared.budgets[currency] = min(nanos, shared.budgets.get(currency, nanos))
        others = [other for other in shared.members if other != worker]
        await asyncio.gather(
            *[self._ask(other, "lower", run, currency, least) for other in others], return_exceptions=True
        )
        return least

    def answered(self, worker: int, run: str, calls: Sequence[str]) -> None:
        """Results of tool calls that this worker did not let through: another one may have."""
        shared = self.runs.get(run)
        if shared is not None:
            for other in shared.members:
                if other != worker:
                    self._tell(other, "answered", run, calls)

    def leave(self, worker: int, run: str, visit: int) -> None:
        """A worker has not seen a run for long. It ends when the last of them says so."""
        shared = self.runs.get(run)
        if shared is None or shared.members.get(worker) != visit:
            return  # it came back to the run before this was said
        self._without(worker, run, shared)
        if not shared.members:
            self._end(run)

    def gone(self, worker: int) -> None:
        """A worker ended, one way or another. Its runs go on with those that are left, or who comes in its place."""
        self.replies.gone(worker)
        now = self.desk.clock.monotonic_ns()
        for run, shared in self.runs.items():
            if worker in shared.members:
                self._without(worker, run, shared)
                shared.alone_ns = now

    def sweep(self) -> None:
        """End the runs that lost their workers and that nobody has taken up again."""
        limit = self.desk.clock.monotonic_ns() - self.desk.settings.gateway.run_idle_s * 1_000_000_000
        for run, shared in list(self.runs.items()):
            if not shared.members and shared.alone_ns < limit:
                self._end(run)

    def close(self) -> None:
        """End all runs: no worker is left."""
        for run in list(self.runs):
            self._end(run)

    def _without(self, worker: int, run: str, shared: SharedRun) -> None:
        first = next(iter(shared.members)) == worker
        del shared.members[worker]
        if first and shared.members and shared.ours:
            self._tell(next(iter(shared.members)), "inherit", run)

    def _end(self, run: str) -> None:
        shared = self.runs.pop(run)
        identity = identity_of(shared.who, run)
        scope = Scope(identity, RunState(run, shared.trace, Boundary()))
        end_run(self.desk, scope, shared.agents, shared.ours)


class Replies:
    """Replies kept for clients that ask again with the same Idempotency-Key, wherever they ask."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most, self._clock = most, clock
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0

    def claim(self, worker: int, name: str, digest: bytes) -> "list[Any] | asyncio.Future[list[Any]]":
        """`yours` to answer it, `told` and the reply, or `reused` for another request; waits for one under way."""
        kept = self._kept.get(name)
        if kept is None or self._clock.monotonic_ns() - kept.at_ns > KEPT_NS:
            self._drop(name)
            self._kept[name] = Kept(digest, worker, self._clock.monotonic_ns())
            return ["yours"]
        if kept.digest != digest:
            return ["reused"]
        if kept.told is not None:
            return ["told", *kept.told]
        waiter: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        kept.waiting.append((worker, waiter))
        return waiter

    def keep(self, worker: int, name: str, told: list[Any] | None) -> None:
        """The reply that was given; None where there is none, so that whoever waits makes a new attempt."""
        kept = self._kept.get(name)
        if kept is None or kept.told is not None or kept.worker != worker:
            return
        if told is None:
            self._pass_on(name, kept)
            return
        kept.told = told
        self._bytes += kept.size
        for _, waiter in kept.waiting:
            waiter.set_result(["told", *told])
        kept.waiting.clear()
        self._forget()

    def gone(self, worker: int) -> None:
        """What a dead worker was at is for the next who waits."""
        for name, kept in list(self._kept.items()):
            kept.waiting = [pair for pair in kept.waiting if pair[0] != worker]
            if kept.told is None and kept.worker == worker:
                self._pass_on(name, kept)

    def _pass_on(self, name: str, kept: Kept) -> None:
        if not kept.waiting:
            self._drop(name)
            return
        kept.worker, waiter = kept.waiting.pop(0)
        waiter.set_result(["yours"])

    def _drop(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        self._bytes -= kept.size if kept else 0

    def _forget(self) -> None:
        for name, kept in list(self._kept.items()):
            if len(self._kept) <= self._most and self._bytes <= MOST_BYTES:
                return
            if kept.told is not None:
                self._drop(name)
