"""The world alive: a gateway, a console, and departments at work until somebody says stop."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

from comptroller.cli.console import BESIDE, Place, kept_console, missing
from comptroller.cli.console import place as console_place
from comptroller.cli.demo_world import place
from comptroller.cli.demo_world.doors import EndedRuns, open_doors
from comptroller.cli.demo_world.killed import kill_one
from comptroller.cli.demo_world.model import Model
from comptroller.cli.demo_world.plan import Planner
from comptroller.cli.demo_world.play import Player
from comptroller.cli.demo_world.script import load_tools, load_workflows
from comptroller.cli.demo_world.toolbox import Toolbox
from comptroller.core.errors import ComptrollerError, SettingsError
from comptroller.gateway.api.process import started
from comptroller.gateway.gate import Gate
from comptroller.gateway.server import Server, bind, run
from comptroller.office.switchboard import Switchboard
from comptroller.office.who import Who
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk, set_desk

PORT = 4141
HANDS = 2  # pieces of work at a time
HASTE = 0.3  # of what models and tools take is waited for
REST_S = (4.0, 12.0)  # between two pieces of work: an hour of them must not bury the sixty days before
SAYS_EVERY_S = 20.0  # a customer looks at what was done
RIGHTS = ("api:read", "api:outcomes")
Greet = Callable[[str, Place | None], None]


def live(ledger: Path, greet: Greet, port: int | None, console_port: int | None) -> None:
    """Go on with the world of a ledger; returns when told to stop."""
    ledger = ledger.absolute()
    stop = threading.Event()
    with ExitStack() as stack:
        workflows = load_workflows()
        model = Model((reply for flow in workflows for reply in flow.replies), lambda seconds: seconds * HASTE)
        up = stack.enter_context(Upstream(model, keep=1))
        desk = stack.enter_context(Desk.open(ledger, place.settings(ledger, up.url)))
        stack.callback(set_desk, set_desk(desk))
        runs = EndedRuns(desk)
        gate = Gate.of(desk, runs=runs)
        server = Server(gate, _listener(port))
        console = _console(desk, console_port)
        doors = stack.enter_context(open_doors(desk, up.url, server.url, runs.done))
        toolbox = Toolbox(load_tools(), lambda seconds: _rest(stop, seconds * HASTE))
        stack.callback(toolbox.close)
        player = Player(desk, doors, toolbox, lambda seconds: _rest(stop, seconds * HASTE))
        planner = Planner(workflows, desk.clock.now_ns())
        crew = Crew(gate, player, planner, stop)
        stack.enter_context(started(desk.settings))
        stack.enter_context(kept_console(console))

        def ready() -> None:
            crew.begin(lambda: _kill(desk, model, stop), lambda: _speak(ledger, desk.settings.tenant, stop))
            greet(server.url, console)

        try:
            run(server, ready)
        finally:
            stop.set()
            crew.end()


@dataclass(slots=True)
class Crew:
    """The threads at work."""

    gate: Gate
    player: Player
    planner: Planner
    stop: threading.Event
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, *others: Callable[[], None]) -> None:
        """Set all to work."""
        jobs = [*([self._work] * HANDS), *others]
        self.threads = [threading.Thread(target=job, name="demo", daemon=True) for job in jobs]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        """Wait until all have put down what they had in hand."""
        for thread in self.threads:
            thread.join()

    def _work(self) -> None:
        drawn = random.Random()
        while not (self.stop.wait(drawn.uniform(*REST_S)) or self.gate.stopping):
            self.player.play(self.planner.next())


def _rest(stop: threading.Event, seconds: float) -> None:
    stop.wait(seconds)


def _kill(desk: Desk, model: Model, stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        kill_one(desk, model, enough=stop.is_set)


def _speak(ledger: Path, tenant: str, stop: threading.Event) -> None:
    """Customers confirm, now and then, what waits for their word; over `/api`, as anybody would."""
    with contextlib.closing(Switchboard(ledger)) as board:
        while not stop.wait(SAYS_EVERY_S):
            for who, outcome in _waiting(board, tenant):
                with contextlib.suppress(ComptrollerError):
                    board.post(who, f"/api/outcomes/{outcome}/confirm", {"by": "customer"})


def _waiting(board: Switchboard, tenant: str) -> Iterator[tuple[Who, str]]:
    reader = Who(tenant, rights=RIGHTS, person="demo")
    try:
        found = board.get(reader, "/api/outcomes", state="pending", limit=5)
    except ComptrollerError:
        return
    for row in found["outcomes"]:
        yield Who(tenant, customer=row["customer"], rights=RIGHTS), row["outcome"]


def _listener(port: int | None) -> socket:
    """Where the gateway listens: the port that was asked for, else the usual one, else any that is free."""
    if port is not None:
        return bind("127.0.0.1", port)
    try:
        return bind("127.0.0.1", PORT)
    except SettingsError:
        return bind("127.0.0.1", 0)


def _console(desk: Desk, port: int | None) -> Place | None:
    if missing():
        return None
    return console_place(desk.settings, desk.ledger.digest, "", port, "", "", BESIDE)
