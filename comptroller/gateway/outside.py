"""Runs that were opened or closed through `/api`, as the journal tells: whatever process answered, and whenever."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from comptroller.core.facts import RUN_CLOSED, RUN_OPENED, Fact
from comptroller.core.money import Money
from comptroller.gateway.stop import Stop
from comptroller.office.follower import START, Follower
from comptroller.store.ledger import Ledger
from comptroller.wrapper.desk import Desk

MOST = 50_000  # closed runs remembered; one that is open is never forgotten
AT_ONCE = 256 << 10  # bytes that are read faster than a thread for them is woken
RUNS, MARK = "run.", b'"api":true'


@dataclass(slots=True)
class Told:
    """What was said of a run through `/api`."""

    who: list[str] = field(default_factory=list)  # tenant, customer, user, workflow; none where the gateway opened it
    budgets: list[Money] = field(default_factory=list)
    closed: bool = False


class Outside:
    """Reads on in the journal when it is asked: what `/api` has answered for is written there."""

    def __init__(self, desk: Desk, most: int = MOST) -> None:
        self._most = most
        self._open: dict[str, Told] = {}
        self._closed: OrderedDict[str, Told] = OrderedDict()
        self._reading = asyncio.Lock()
        self._follower: Follower | None = None
        if isinstance(desk.ledger, Ledger):
            self._follower = Follower(Path(desk.settings.ledger), RUNS, having=MARK)

    async def look(self, run_id: str) -> Told | None:
        """What is known of a run now; all that was answered before this was asked is."""
        if self._follower is not None:
            async with self._reading:
                await self._read(self._follower)
        return self.of(run_id)

    def of(self, run_id: str) -> Told | None:
        """What was known of a run when the journal was last looked at."""
        return self._open.get(run_id) or self._closed.get(run_id)

    def closed(self, run_id: str) -> bool:
        """True where the run was closed when the journal was last looked at."""
        return run_id in self._closed

    async def _read(self, follower: Follower) -> None:
        if not follower.intact():
            follower.go(START)
            self._open.clear()
            self._closed.clear()
        at_once = 0 <= follower.behind <= AT_ONCE
        for fact in follower.read() if at_once else await asyncio.to_thread(lambda: list(follower.read())):
            self.take(fact)

    def take(self, fact: Fact) -> None:
        """Fold one fact in."""
        data = fact.data
        if data.get("api") is not True:
            return
        if fact.kind == RUN_OPENED:
            self._open[fact.run] = _told(fact)
        elif fact.kind == RUN_CLOSED:
            told = self._open.pop(fact.run, None) or Told()
            told.closed = True
            self._closed[fact.run] = told
            if len(self._closed) > self._most:
                self._closed.popitem(last=False)


def _told(fact: Fact) -> Told:
    who = [str(fact.data.get(name, "")) for name in ("tenant", "customer", "user", "workflow")]
    budget = fact.data.get("budget")
    return Told(who, [Money(int(budget[0]), str(budget[1]))] if isinstance(budget, list | tuple) else [])


def is_over(run_id: str) -> Stop:
    """The refusal of a call that names a run which was closed."""
    run = ((b"comptroller-run", run_id.encode()),)
    said = f"Run {run_id!r} was closed through /api, so no call can be part of it. Open another with POST /api/runs."
    return Stop(409, "run_closed", said, headers=((b"x-should-retry", b"false"), *run))
