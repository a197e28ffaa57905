"""Runs told step by step, for what looks into them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from comptroller.tracing.step import Step

START = datetime(2026, 1, 1, tzinfo=UTC)


class Play:
    """Steps of one run; each begins a second after the one before and takes half of one, unless it is said."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix, self.steps = prefix, list[Step]()

    def step(self, kind: str, name: str, status: str = "ok", parent: str = "", **more: Any) -> str:
        id = f"{self.prefix}{len(self.steps)}"
        started = START + timedelta(seconds=len(self.steps))
        takes = timedelta(seconds=more.pop("takes", 0.5))
        ended = None if status == "open" else started + takes
        self.steps.append(Step(id, parent, kind, name, status, started, ended, **more))
        return id

    def agent(self, name: str, status: str = "ok", parent: str = "", takes: float = 100.0) -> str:
        return self.step("agent", name, status, parent, takes=takes)

    def model(self, status: str = "ok", parent: str = "", name: str = "gpt-4o", **more: Any) -> str:
        return self.step("model", name, status, parent, nanos=1_000, currency="USD", **more)

    def tool(self, name: str, status: str = "ok", parent: str = "", **more: Any) -> str:
        return self.step("tool", name, status, parent, **more)
