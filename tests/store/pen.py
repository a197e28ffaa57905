"""A ledger to write facts into, and what the books make of them."""

from pathlib import Path

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Fact
from comptroller.core.settings import Limits, Settings
from comptroller.store.books import Books
from comptroller.store.ledger import Ledger

NANO = 1_000_000_000


WHO = {"tenant": "default", "customer": "acme", "workflow": "loans", "agent": "fraud"}


TABLES = (
    "calls",
    "open_calls",
    "texts",
    "runs",
    "other_costs",
    "agents",
    "decisions",
    "claims",
    "costs_daily",
    "policies",
    "outcome_events",
    "txns",
    "postings",
    "invoices",
    "invoice_lines",
    "invoice_events",
    "calls_hourly",
    "runs_hourly",
    "causes_daily",
    "decisions_daily",
    "delegations_daily",
    "passed_on",
)


class Pen:
    """Writes facts into a real ledger, with a clock that stands still unless moved."""

    def __init__(self, path: Path, segment_mb: int = 64) -> None:
        self.clock = FrozenClock()
        self.path = path
        self.ledger = Ledger.open(path, Settings(limits=Limits(segment_mb=segment_mb)), self.clock)

    def fact(self, what: str, run: str = "", call: str = "", /, **data: object) -> str:
        self.clock.tick(0.001)
        fact = Fact(what, self.clock.new_id(), self.clock.now_ns(), run, call, data)
        self.ledger.record(fact)
        return fact.id

    def run(self, **more: object) -> str:
        id = self.clock.new_id()
        self.fact("run.opened", id, **{**WHO, **more})
        return id

    def opened(self, run: str, call: str = "", **more: object) -> str:
        call = call or self.clock.new_id()
        self.fact("call.opened", run, call, **{**WHO, "kind": "model", "name": "gpt-4o", **more})
        return call

    def closed(self, run: str, call: str, cost: int = 5_000_001, **more: object) -> str:
        now = self.clock.now_ns()
        said = {
            "kind": "model",
            "name": "gpt-4o",
            "started": now,
            "ended": now + NANO,
            "status": "ok",
            "action": "allow",
        }
        used = {"cost": cost, "currency": "USD", "usage": {"input": 100, "output": 7}}
        self.fact("call.closed", run, call, **{**WHO, **said, **used, **more})
        return call

    def called(self, run: str, **more: object) -> str:
        return self.closed(run, self.opened(run), **more)

    def lost(self, run: str, call: str, nanos: int = 9 * NANO) -> None:
        self.fact("hold.expired", run, call, hold={"id": call, "lines": [["run:x", "USD", nanos]]}, reason="killed")


def rows(pen: Pen, query: str, **params: object) -> list[dict[str, object]]:
    opened = Books.open(pen.path)
    try:
        opened.ingest()
        return opened.query(query, params).to_pylist()
    finally:
        opened.close()


def everything(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All tables, each in an order of its own."""
    opened = Books.open(path)
    try:
        opened.ingest()
        return {
            name: opened._connection.execute(f"SELECT * FROM books.{name} ORDER BY ALL").fetchall() for name in TABLES
        }
    finally:
        opened.close()
