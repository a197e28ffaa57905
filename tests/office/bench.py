"""An office in tests: a desk in memory with outcome types, an examiner, and the time in hand."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import RUN_CLOSED, Fact
from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.office.examiner import Examiner
from comptroller.office.outcomes import Registry
from comptroller.office.post import Answer, Letter, signed
from comptroller.office.verifiers.judge import Judge
from comptroller.office.verifiers.panel import Panel
from comptroller.testing.testdesk import TestDesk, desk
from comptroller.wrapper.run import Run
from tests.metering.lives import TYPE, made

HOURS = 3_600


@dataclass
class OtherSide:
    """A system of record: says what it is told to say, signed as it should be or otherwise."""

    secret: bytes = b"shared"
    says: list[Any] = field(default_factory=list)
    asked: list[Letter] = field(default_factory=list)

    def __call__(self, letters: list[Letter], now_ns: int) -> list[Answer]:
        self.asked += letters
        return [self._answer(letter, now_ns) for letter in letters]

    def _answer(self, letter: Letter, now_ns: int) -> Answer:
        said = self.says.pop(0) if self.says else {"verdict": "pass"}
        if isinstance(said, Answer):
            return said
        body = msgspec.json.encode({"outcome": msgspec.json.decode(letter.body)["outcome"], **said})
        return Answer(200, body, headers=signed(Letter(letter.id, "", body, self.secret), now_ns))


@dataclass
class Office:
    desk: TestDesk
    clock: FrozenClock
    registry: Registry
    examiner: Examiner
    other: OtherSide

    def claim(self, subject: str = "s1", evidence: Mapping[str, object] | None = None, **run: Any) -> str:
        """An agent's run that claims; returns the claim."""
        shown = {"decision": "approved"} if evidence is None else evidence
        with Run("loans", customer=run.pop("customer", "acme"), desk=self.desk) as begun, begun.agent("clerk"):
            return begun.claim("loan.decided", subject=subject, evidence=shown, **run)

    def wait(self, hours: float) -> None:
        self.clock.tick(hours * HOURS)
        self.examiner.work()

    def say(self, type: str, key: str, **more: Any) -> Outcome | None:
        names = ("actor", "attestor", "method", "evidence", "id", "at")
        said = {name: more.pop(name) for name in names if name in more}
        id, at = said.pop("id", f"{key}:{type}:{self.clock.new_id()}"), said.pop("at", self.clock.now_ns())
        return self.registry.tell(OutcomeEvent(id, key, type, at, data=more, **said))

    def __getitem__(self, key: str) -> Outcome:
        return self.registry.outcomes[key]

    def again(self) -> "Office":
        """The same office after a restart: nothing but the journal is left."""
        registry = Registry(self.desk, self.registry.types, self.registry.agreed)
        registry.catch_up()
        examiner = Examiner(registry, self.examiner.panel, self.examiner.books, self.other)
        return Office(self.desk, self.clock, registry, examiner, self.other)

    def history(self, key: str) -> list[str]:
        return [f"{e.event.type}{'!' if e.ignored else ''}" for e in self.registry.events(key)]


@dataclass
class Told:
    """Books that know runs by heart."""

    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    work: list[dict[str, Any]] = field(default_factory=list)

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        if name == "run_work":
            return self.work
        found = self.runs.get(str(params["run"]))
        return [found] if found else []

    def refresh(self) -> None:
        return None


def account(run: str, **more: Any) -> dict[str, Any]:
    told = dict.fromkeys(("calls", "failed", "cost", "started", "ended"))
    known = {"run": run, "workflow": "loans", "customer": "acme", "user": "", "status": "ok", "tools": [], "agents": []}
    return {**told, **known, **more}


def closed(office: Office, run: str, workflow: str = "support") -> None:
    """The end of a run, as the journal tells it."""
    data: dict[str, object] = {"tenant": "default", "customer": "acme", "workflow": workflow, "status": "ok"}
    office.desk.ledger.record(Fact(RUN_CLOSED, office.clock.new_id(), office.clock.now_ns(), run, data=data))


@contextmanager
def office(
    text: str = TYPE, judges: Mapping[str, Judge] | None = None, books: Any = None, agreed: Any = None, **changes: str
) -> Iterator[Office]:
    clock = FrozenClock()
    with desk(clock=clock) as at:
        type = made(text, **changes)
        types = {type.name: type}
        registry, other = Registry(at, types, agreed), OtherSide()
        examiner = Examiner(registry, Panel(types, judges or {}), books, other)
        yield Office(at, clock, registry, examiner, other)
