"""The weeks before today: played on the real call path, under a clock of their own that knows no waiting."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from comptroller.cli.demo_world import place
from comptroller.cli.demo_world.customers import NS, Customers, Deed, close_month
from comptroller.cli.demo_world.doors import EndedRuns, open_doors
from comptroller.cli.demo_world.killed import kill_one
from comptroller.cli.demo_world.model import Model
from comptroller.cli.demo_world.past import Past
from comptroller.cli.demo_world.plan import DAY_S, HOUR_S, Due, Planner
from comptroller.cli.demo_world.play import Done, Player
from comptroller.cli.demo_world.script import load_tools, load_workflows
from comptroller.cli.demo_world.toolbox import Toolbox
from comptroller.core.clock import SYSTEM
from comptroller.gateway.gate import Gate
from comptroller.gateway.server import background
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.keeping import keep_books
from comptroller.office.outcome_desk import OutcomeDesk
from comptroller.store.reader import Reader
from comptroller.testing.upstream import Upstream
from comptroller.wrapper.desk import Desk, set_desk

LOOK_H = 20  # when somebody looks at outcomes: each evening
SELDOM, LATELY = 3, 6


@dataclass(slots=True)
class Filled:
    """What was filled in."""

    runs: int
    world: place.World


def fill(ledger: str | Path, days: int = 60, seed: int = 7, now_ns: int = 0, share: float = 1) -> Filled:
    """Fill a ledger with so many days of the world's history, up to now; each call on record really happened.

    `share` is how much of what comes up by chance does; what is written down for a day always does. A ledger that has
    a world already is left as it is.
    """
    ledger = Path(ledger).absolute()
    if (world := place.known(ledger)) is not None:
        return Filled(0, world)
    until = now_ns or SYSTEM.now_ns()
    today = until // NS // DAY_S * DAY_S
    began = (today - (days - 1) * DAY_S) * NS
    place.settle(ledger, began)
    world = place.World(seed, began)
    place.keep(ledger, world)
    with _past(ledger, began, seed) as past:
        runs = past.play(days, until, share)
        past.die()
    world.filled, world.runs = True, past.shown
    place.keep(ledger, world)
    return Filled(runs, world)


@contextmanager
def _past(ledger: Path, began_ns: int, seed: int) -> Iterator["_History"]:
    workflows, clock = load_workflows(), Past(began_ns)
    model = Model([reply for flow in workflows for reply in flow.replies], clock.takes)
    with ExitStack() as stack:
        up = stack.enter_context(Upstream(model, keep=1))
        desk = stack.enter_context(Desk.open(ledger, place.settings(ledger, up.url), clock))
        stack.callback(set_desk, set_desk(desk))
        runs = EndedRuns(desk)
        gateway = stack.enter_context(background(Gate.of(desk, runs=runs)))
        doors = stack.enter_context(open_doors(desk, up.url, gateway, runs.done))
        toolbox = Toolbox(load_tools(), clock.tick)
        stack.callback(toolbox.close)
        reader = stack.enter_context(Reader.open(ledger))
        player, planner = Player(desk, doors, toolbox, clock.tick), Planner(workflows, seed)
        yield _History(clock, player, planner, desk, reader, model)


class _History:
    def __init__(self, clock: Past, player: Player, planner: Planner, desk: Desk, reader: Reader, model: Model) -> None:
        self._clock, self._player, self._planner, self._desk, self._reader = clock, player, planner, desk, reader
        self._model = model
        self._outcomes = OutcomeDesk(desk, lambda: reader)
        self._customers = Customers(self._outcomes, planner)
        self._keeper: Bookkeeper | None = None
        self._deeds: list[Deed] = []
        self._closed = date.min
        self.shown: dict[str, str] = {}

    def play(self, days: int, until_ns: int, share: float) -> int:
        """All of it; returns how many runs there were."""
        began, runs = self._clock.now_ns() // NS, 0
        for at, due in self._agenda(began, days, share):
            if at * NS > until_ns:
                break
            self._clock.go(int(at * NS))
            if due is None:
                self._look()
            else:
                runs += 1
                self._work(due)
        self._clock.go(until_ns)
        self._look()
        return runs

    def die(self) -> None:
        """Another process at work on the ledger dies in the middle of a call."""
        self.shown["night-digest/killed"] = kill_one(self._desk, self._model, self._clock.now_ns())

    def _agenda(self, began_s: int, days: int, share: float) -> list[tuple[float, Due | None]]:
        looks = [(began_s + day * DAY_S + LOOK_H * HOUR_S, None) for day in self._looked_at(began_s, days)]
        work = [(due.at, due) for due in self._planner.days(began_s, days, share)]
        return sorted([*looks, *work], key=lambda entry: entry[0])

    @staticmethod
    def _looked_at(began_s: int, days: int) -> list[int]:
        """On which days: a month is closed on its first."""
        first = [day for day in range(days) if _date(began_s + day * DAY_S).day == 1]
        return sorted({*first, *range(0, days, SELDOM), *range(max(days - LATELY, 0), days)})

    def _work(self, due: Due) -> None:
        done = self._player.play(due.work)
        self._customers.heard(done)
        self._show(done)

    def _show(self, done: Done) -> None:
        """The newest run of each kind is one to look at."""
        self.shown[f"{done.work.workflow.workflow}/{done.work.case.name}"] = done.run

    def _look(self) -> None:
        self._customers.look()
        now = self._clock.now_ns()
        today = _date(now // NS)
        if today.day == 1 and today != self._closed:
            self._closed = today
            self._close(today)
        due = [deed for deed in self._deeds if deed.at_ns <= now]
        self._deeds = [deed for deed in self._deeds if deed.at_ns > now]
        for deed in due:
            deed.do()

    def _close(self, today: date) -> None:
        if self._keeper is None:
            self._keeper = keep_books(self._desk, self._reader, self._outcomes)
        self._reader.refresh()
        self._deeds += close_month(self._keeper, f"{today - timedelta(days=1):%Y-%m}")


def _date(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
