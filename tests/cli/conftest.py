"""A ledger with a run of every kind of trouble, and a command line to look at it with."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.store.ledger import Ledger

SECOND = 1_000_000_000
HOSTILE = "\x1b[31mrun\x1b[0m \x1b]0;owned\x07\u202eevil\r\nrm -rf"


@dataclass
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Runs a command line in an empty directory."""
    from comptroller.cli.main import run

    for name in ("COMPTROLLER_LEDGER", "COMPTROLLER_CONFIG", "COMPTROLLER_MASTER_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def say(*arguments: object) -> Said:
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return say


class World:
    """Writes runs into a ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FrozenClock()
        self.ledger = Ledger.open(path, Settings(), self.clock)

    def fact(self, what: str, run: str, call: str = "", /, **data: object) -> str:
        fact = Fact(what, self.clock.new_id(), self.clock.now_ns(), run, call, data)
        self.ledger.record(fact)
        self.clock.tick(1)
        return fact.id

    def run(self, workflow: str = "refunds", customer: str = "acme") -> str:
        id = self.clock.new_id()
        self.fact("run.opened", id, workflow=workflow, customer=customer, budget=[SECOND, "USD"])
        return id

    def call(self, run: str, kind: str = "model", name: str = "gpt-4o", cost: int = 1_500_000, **more: object) -> str:
        id, start = self.clock.new_id(), self.clock.now_ns()
        ended = {"started": start, "ended": start + SECOND // 2, "status": "ok", "action": "allow"}
        usage = {"usage": {"input": 1200, "output": 30}} if kind == "model" else {}
        data = {"kind": kind, "name": name, "cost": cost, "currency": "USD", **ended, **usage, **more}
        self.fact("call.closed", run, id, **data)
        return id

    def keep(self, *messages: str) -> list[str]:
        return self.ledger.keep([message.encode() for message in messages], "default", "acme")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "ledger")
    yield made
    made.ledger.close()


@pytest.fixture
def refund(world: World) -> str:
    """A run with agents, a denied tool, a redaction, an error and a loop."""
    run = world.run()
    desk = world.fact("agent.opened", run, agent="desk")
    asked = world.keep('{"role":"user","content":"Refund me"}')
    first = world.call(
        run, agent="desk", parent=desk, request=asked, reply=world.keep('{"role":"assistant","content":"No"}')
    )
    because = "Refunds above 100 USD need a person."
    denied = {"stage": "tool", "action": "deny", "rule": "refund-over-100", "because": because}
    refused = {"status": "denied", "action": "deny", "rule": "refund-over-100", "because": because}
    world.call(run, "tool", "issue_refund", 0, parent=first, decisions=[denied], **refused)
    found = {"stage": "model", "action": "redact", "rule": "guards.secrets", "because": "An AWS key was found."}
    world.call(
        run, action="redact", rule="guards.secrets", because="An AWS key was found.", parent=desk,
        decisions=[{**found, "findings": [{"kind": "secrets.aws", "count": 1}]}], request=asked,
    )  # fmt: skip
    for _ in range(3):
        world.call(run, "tool", "read_order", 0, parent=desk)
    world.call(run, status="error", error={"type": "Timeout", "message": HOSTILE}, parent=desk, cost=0)
    world.fact("agent.closed", run, span=desk, status="ok")
    world.fact("claim", run, type="refund.made", subject="order 1", degree="0.5")
    world.fact("run.closed", run, status="ok")
    return run


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Takes away the right to write in a ledger; from root too, whom no mode holds off."""
    allowed: list[tuple[Path, int]] = []

    def shut(ledger: Path) -> None:
        real = os.access

        def access(path: Path, mode: int) -> bool:
            return real(path, mode) and not (mode & os.W_OK and Path(path).is_relative_to(ledger))

        monkeypatch.setattr(os, "access", access)
        for path in (ledger, *ledger.rglob("*")):
            allowed.append((path, path.stat().st_mode))
            path.chmod(path.stat().st_mode & ~0o222)

    yield shut
    for path, mode in allowed:
        path.chmod(mode)
