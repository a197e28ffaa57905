"""The doors of the world: wrapped clients in this process, the gateway, and programs of somebody else's."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

from comptroller.cli.demo_world.play import Doors, Work
from comptroller.cli.demo_world.script import Tool
from comptroller.cli.demo_world.talk import Opening, clients
from comptroller.core.call import Request
from comptroller.core.settings import Provider
from comptroller.gateway.caller import Caller
from comptroller.gateway.private import private_gateway
from comptroller.gateway.runs import Runs
from comptroller.gateway.stitch import Thread
from comptroller.wrapper.desk import Desk
from comptroller.wrapper.run import Run

REFUND = Tool(effect="write", args={"order": "string", "amount": "number"})
IDLE_S = 900
LONGEST_S = 3.0  # a loop that has ended runs nothing any more, and says so to nobody


class EndedRuns(Runs):
    """Runs that end when their work is done: the world knows when that is, a silence would only tell it later."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, most=1_000, idle_s=IDLE_S)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def prepare(
        self, caller: Caller, run_id: str, thread: Thread | None, trace: str, agent: str, request: Request | None
    ) -> str:
        self._loop = asyncio.get_running_loop()
        return await super().prepare(caller, run_id, thread, trace, agent, request)

    def done(self, run_id: str) -> None:
        """End a run, once its calls have; from any thread. A gateway that stops meanwhile ends its runs itself."""
        if self._loop is None or self._loop.is_closed():
            return
        ending = self._done(run_id)
        try:
            asyncio.run_coroutine_threadsafe(ending, self._loop).result(LONGEST_S)
        except (TimeoutError, RuntimeError, CancelledError):
            ending.close()

    async def _done(self, run_id: str) -> None:
        while (run := self._open.get(run_id)) is not None and run.busy:
            await asyncio.sleep(0.001)
        if run is not None:
            self._end(run_id)


@contextmanager
def open_doors(desk: Desk, model: str, gateway: str, finish: Callable[[str], None]) -> Iterator[Doors]:
    """Everything that agents come in through."""
    with clients(model) as inside, clients(gateway, governed=False) as outside:
        yield Doors(inside, outside, finish, lambda name, run, work: _courier(desk, model, name, run, work))


def _courier(desk: Desk, model: str, name: str, run: Run, work: Work) -> str:
    """What a program of another house says that comes in through a gateway of its own."""
    scope, upstream = run.scope, Provider(name="scripted", format="openai", url=f"{model}/v1")
    assert scope is not None
    text = f"The parcel of order {work.values['n']} is lost. Make it good."
    opening = Opening("gpt-4o-mini", "", text, 200, {"issue_refund": REFUND})
    with (
        private_gateway(desk, scope, name, [upstream]) as (url, secret),
        clients(url, secret, governed=False) as plain,
    ):
        return plain.begin(opening, {}).send().text
