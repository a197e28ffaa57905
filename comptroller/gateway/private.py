"""A private gateway: one program, one key, one run; in a thread of this process, gone when the program is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from comptroller.core.call import Request
from comptroller.core.errors import Denied
from comptroller.core.settings import Provider
from comptroller.gateway.caller import Caller
from comptroller.gateway.gate import Gate
from comptroller.gateway.keys import PrivateRing
from comptroller.gateway.runs import Open, Place, Runs, end_agents
from comptroller.gateway.server import background
from comptroller.gateway.stitch import Thread
from comptroller.gateway.upstream import Upstreams
from comptroller.office.keys import Key
from comptroller.wrapper.context import Scope, within
from comptroller.wrapper.desk import Desk


class OneRun(Runs):
    """Every call belongs to the one run, which is opened and closed by whoever started the program."""

    def __init__(self, desk: Desk, scope: Scope) -> None:
        super().__init__(desk, most=1, idle_s=1)
        self._id = scope.run.id
        budgets = {cap.unit: cap for cap in scope.run.caps}
        # Busy from beginning to end: it is not for a sweep to close it.
        self._run = Open(scope.identity, scope.run, desk.clock.monotonic_ns(), busy=1, budgets=budgets)
        self._open[self._id] = self._run

    async def prepare(
        self, caller: Caller, run_id: str, thread: Thread | None, trace: str, agent: str, request: Request | None
    ) -> str:
        return run_id

    def enter(self, caller: Caller, run_id: str, trace: str, agent: str) -> Place:
        named = (caller.said or {}).get("run", self._id)
        if named != self._id:
            message = f"The call names run {named!r}, its key is for run {self._id!r}. Leave it out."
            caller = replace(caller, conflict=caller.conflict or Denied(message, {"rule": "identity"}))
        return super().enter(caller, self._id, trace, agent)

    def close(self) -> None:
        """Close the run's agents; the run stays whoever's it is."""
        end_agents(self.desk, self._run.identity, self._run.agents)


@contextmanager
def private_gateway(
    desk: Desk, scope: Scope, agent: str = "", upstreams: Sequence[Provider] = ()
) -> Iterator[tuple[str, str]]:
    """A gateway on a free loopback port for one run; yields its address and the only key it takes."""
    who = scope.identity
    ring = PrivateRing(
        Key(
            id="",
            tenant=who.tenant,
            agent=agent,
            customer=who.customer,
            user=who.user,
            workflow=who.workflow,
            scopes=who.scopes,
            run=scope.run.id,
        )
    )
    gate = Gate.of(desk, ring)
    gate.runs = OneRun(desk, scope)
    if upstreams:
        gate.upstreams = Upstreams(upstreams, desk.settings.gateway, desk.clock)
    with within(None), background(gate) as url:
        yield url, ring.secret
