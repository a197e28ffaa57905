"""One worker of several: it serves HTTP on the socket it is given, and asks the supervisor for what all share."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from comptroller.core.errors import ComptrollerError
from comptroller.gateway.channel import Apart, Channel
from comptroller.gateway.crew import Order
from comptroller.gateway.entrance import join
from comptroller.gateway.gate import Gate
from comptroller.gateway.health import troubles
from comptroller.gateway.heap import settle_heap
from comptroller.gateway.keys import KeyRing
from comptroller.gateway.member import SharedRepeats, SharedRuns
from comptroller.gateway.meters import Meters
from comptroller.gateway.server import Server, loop_factory, serve
from comptroller.office.logs import log_as_json
from comptroller.wrapper.desk import Desk

log = logging.getLogger("comptroller.gateway")
SAY_EVERY_S = 1.0


class Worker:
    """What the supervisor may ask of this process, and what this process asks for all."""

    def __init__(self) -> None:
        self.channel: Channel
        self.runs: SharedRuns
        self.gate: Gate
        self.server: Server | None = None
        self._stopping = False

    async def work(self, order: Order) -> None:
        """Serve until told to stop, or until the supervisor is gone."""
        answers: dict[str, Callable[..., Any]] = {
            "stop": self.stop,
            "counts": lambda: self.gate.meters.state(),
            "trouble": lambda: troubles(self.gate),
            "lower": lambda *said: self.runs.lowered(*said),
            "answered": lambda *said: self.runs.answered(*said),
            "finished": lambda *said: self.runs.finished(*said),
            "inherit": lambda *said: self.runs.inherit(*said),
        }
        self.channel = await Channel.over(socket.socket(fileno=order.line), answers, self._left)
        try:
            with Desk.open(order.ledger, order.config or None) as desk:
                await self._serve(desk, order)
        except (ComptrollerError, OSError) as error:
            self.channel.tell("failed", str(error))
            raise
        finally:
            self._stopping = True
            self.channel.close()

    def stop(self) -> None:
        """Take no more, and let calls under way finish."""
        self._stopping = True
        if self.server is not None:
            self.server.should_exit = True

    async def counted(self) -> tuple[Meters, int, int]:
        """What all workers together have counted, how many runs are open and how many workers serve."""
        try:
            state, runs, workers = await self.channel.ask("counted", self.gate.meters.state())
        except Apart:
            state, runs, workers = self.gate.meters.state(), len(self.runs), 1
        total = Meters()
        total.add(state)
        return total, runs, workers

    async def wrong(self) -> list[tuple[str, str]]:
        """What is wrong with the others."""
        try:
            return [(name, text) for name, text in await self.channel.ask("wrong")]
        except Apart:
            return [("workers", "The supervisor is gone; this worker finishes its calls and ends.")]

    def _left(self) -> None:
        if not self._stopping:
            log.error("The supervisor is gone; this worker finishes its calls and ends.")
        self.stop()

    async def _serve(self, desk: Desk, order: Order) -> None:
        settings, channel = desk.settings.gateway, self.channel
        self.runs = SharedRuns(desk, settings.runs, settings.run_idle_s, channel)
        gate = self.gate = Gate.of(desk, KeyRing(Path(desk.settings.ledger), desk.ledger.digest, desk.clock))
        gate.runs, gate.crew = self.runs, self
        gate.repeats = SharedRepeats(settings.repeats, desk.clock, channel, desk.ledger.digest)
        gate.stitches.on_new = lambda mark, run: channel.tell("remember", hash(mark), run)
        listener = join(socket.socket(fileno=order.listener))
        self.server = Server(gate, listener, order.certfile, order.keyfile)
        self.server.should_exit = self._stopping
        saying = asyncio.create_task(self._say())
        try:
            await serve(self.server, self._ready)
        finally:
            saying.cancel()
            channel.tell("state", gate.meters.state())

    def _ready(self) -> None:
        settle_heap()
        self.channel.tell("ready")

    async def _say(self) -> None:
        while True:
            await asyncio.sleep(SAY_EVERY_S)
            self.channel.tell("state", self.gate.meters.state())


def main(arguments: list[Any]) -> int:
    """Do as ordered on the command line; 1 where that failed, which the supervisor has been told then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor says what to do
    log_as_json()
    order = msgspec.json.decode(arguments[0], type=Order)
    with asyncio.Runner(loop_factory=loop_factory()) as runner, contextlib.suppress(ComptrollerError, OSError):
        runner.run(Worker().work(order))
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
