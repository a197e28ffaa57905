"""Filling the books from the journal, and asking them: `python -m benchmarks.books [--calls N]`."""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.table import conditions, median, table
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.store import segment, statements
from comptroller.store.books import FILE, Books
from comptroller.store.ledger import Ledger

TARGET = 40_000
PER_RUN = 10
DAYS = 90
LIVE = 1_000  # records: what half a second brings at a busy desk
SEGMENT = 64 * 1024 * 1024


def main() -> None:
    """Make a journal, ingest it in a process of its own, and time every query."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--ingest", metavar="DIR", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ingest:
        _report(Path(arguments.ingest))
        return
    with tempfile.TemporaryDirectory() as scratch:
        ledger = Path(scratch) / "ledger"
        _journal(ledger, arguments.calls)
        # Apart, so that the memory is that of reading alone.
        subprocess.run([sys.executable, "-m", "benchmarks.books", "--ingest", str(ledger)], check=True)


def _report(ledger: Path) -> None:
    books = Books.open(ledger)
    begun, used = time.perf_counter(), time.process_time()
    records = books.ingest()
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    calls = books.query("totals").to_pylist()[0]["calls"]
    live, live_cpu = _live(ledger, books)
    books.close()
    size = (ledger / FILE).stat().st_size
    journal = sum(path.stat().st_size for path in (ledger / segment.FOLDER).iterdir())
    table(
        f"Filling the books: {calls:,} calls, {records:,} records ({conditions()})",
        ["", "figure", "target"],
        [
            ["calls a second, in bulk", f"{calls / wall:,.0f}", f">= {TARGET:,}"],
            ["calls a second of CPU, in bulk", f"{calls / cpu:,.0f}", f">= {TARGET:,}"],
            ["CPU us a call, in bulk", f"{cpu / calls * 1e6:.1f}", ""],
            [f"ms for {LIVE:,} records at a time", f"{live * 1000:.0f}", ""],
            [f"CPU us a call, {LIVE:,} records at a time", f"{live_cpu * 1e6:.0f}", ""],
            ["bytes a call in the books", f"{size / calls:.0f}", ""],
            ["bytes a call in the journal", f"{journal / calls:.0f}", ""],
            ["memory at most, MB", f"{_memory_mb():.0f}", ""],
        ],
    )
    table(f"Asking the books: {calls:,} calls (median of 9)", ["query", "rows", "ms"], _asked(ledger))


def _live(ledger: Path, books: Books) -> tuple[float, float]:
    """Seconds for each small part, and CPU seconds for each call in it, on books that are full already."""
    rounds = 7
    walls, cpu = [], 0.0
    writer = _Writer(ledger, books.position, random.Random(2))
    for _ in range(rounds):
        writer.calls(LIVE // 2)
        begun, used = time.perf_counter(), time.process_time()
        books.ingest()
        walls.append(time.perf_counter() - begun)
        cpu += time.process_time() - used
    writer.close()
    return median(walls), cpu / (rounds * LIVE // 2)


def _asked(ledger: Path) -> list[list[str]]:
    books = Books.open(ledger)
    middle = "SELECT run, call FROM books.calls LIMIT 1 OFFSET (SELECT count(*) // 2 FROM books.calls)"
    run, call = books._connection.execute(middle).fetchone() or ("", "")
    known = {"run": run, "call": call, "prefix": str(run)[:20]}
    week = "2026-03-24"  # the last seven of the ninety days
    asked = [
        (name, {p: known[p] for p in known if p in statements.query(name).parameters}) for name in statements.names()
    ]
    asked += [(name, {"since": week}) for name, _ in asked if "since" in statements.query(name).parameters]
    rows = []
    for name, params in asked:
        taken = []
        for _ in range(9):
            begun = time.perf_counter()
            found = books.query(name, dict(params)).num_rows
            taken.append(time.perf_counter() - begun)
        rows.append([name + (", 7 days" if "since" in params else ""), f"{found:,}", f"{median(taken) * 1000:.1f}"])
    books.close()
    return rows


def _memory_mb() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _journal(ledger: Path, calls: int) -> None:
    Ledger.open(ledger, Settings(), FrozenClock()).close()
    *_, last = segment.path_of(ledger, 1).read_bytes().splitlines()
    size = segment.path_of(ledger, 1).stat().st_size
    at = segment.Position(1, size, segment.parse(last).n, segment.hash_of(last))
    writer = _Writer(ledger, at, random.Random(1), step_ns=DAYS * 86_400 * 10**9 // max(calls, 1))
    writer.calls(calls)
    writer.close()


class _Writer:
    """Appends calls to a journal as its owner would, without the waiting."""

    def __init__(self, ledger: Path, at: segment.Position, dice: random.Random, step_ns: int = 10**6) -> None:
        self.ledger, self.number, self.sequence, self.chain = ledger, at.segment, at.sequence, at.chain
        self.dice, self.step_ns = dice, step_ns
        self.clock = FrozenClock()
        if step_ns == 10**6:
            self.clock.tick(DAYS * 86_400)
        self.file = segment.path_of(ledger, at.segment).open("ab")
        self.run, self.who = "", {}  # type: ignore[var-annotated]

    def calls(self, count: int) -> None:
        for number in range(count):
            if number % PER_RUN == 0:
                self.run = self.clock.new_id()
                self.who = self._identity()
                self._append(Fact("run.opened", self.clock.new_id(), self.clock.now_ns(), self.run, data=self.who))
            for fact in self._call():
                self._append(fact)
            if number % PER_RUN == PER_RUN - 1:
                said = {**self.who, "status": "ok"}
                self._append(Fact("run.closed", self.clock.new_id(), self.clock.now_ns(), self.run, data=said))
        self.file.flush()

    def close(self) -> None:
        self.file.close()

    def _append(self, fact: Fact) -> None:
        self.sequence += 1
        stored, self.chain = segment.line(self.sequence, self.chain, segment.encode(fact)[1])
        self.file.write(stored)
        if self.file.tell() > SEGMENT:
            self.file.close()
            self.number += 1
            self.file = segment.path_of(self.ledger, self.number).open("ab")

    def _identity(self) -> dict[str, object]:
        names = {"customer": 50, "user": 500, "workflow": 8, "agent": 12}
        return {"tenant": "default", **{name: f"{name}-{self.dice.randrange(many)}" for name, many in names.items()}}

    def _call(self) -> Iterator[Fact]:
        call, start = self.clock.new_id(), self.clock.now_ns()
        self.clock.tick(self.step_ns / 1e9)
        end = start + self.dice.randrange(10**9)
        scopes = [
            f"run:{self.run}|:",
            f"customer:{self.who['customer']}|month:2026-01",
            "tenant:default|day:2026-01-01",
        ]
        who = {**self.who, "kind": "model", "name": "gpt-4o", "dialect": "openai_chat", "policy": "0123456789abcdef"}
        hold = {"id": call, "lines": [[key, "USD", 10**7, 10**10] for key in scopes], "lease_ns": end, "price": "p-1"}
        texts = {"request": [os.urandom(16).hex() for _ in range(2)]}
        yield Fact("call.opened", self.clock.new_id(), start, self.run, call, {**who, "hold": hold, **texts})
        cost = self.dice.randrange(10**7)
        ok = self.dice.random() > 0.02
        said: dict[str, object] = {"started": start, "first": end - 1, "ended": end, "status": "ok", "action": "allow"}
        if not ok:
            said.update(status="error", error={"type": "APITimeoutError", "message": f"no answer to {call}"})
        if self.dice.random() < 0.2:
            rule = f"rule-{self.dice.randrange(40)}"
            said["decisions"] = [{"stage": "model", "action": "note", "rule": rule, "because": "so", "policy": "p"}]
        used = {"input": self.dice.randrange(4000), "output": self.dice.randrange(800)}
        money = {
            "usage": used,
            "cost": cost,
            "currency": "USD",
            "worst": 10**7,
            "price": "genai-prices-0.2.3@2026-01-01",
        }
        settled = {"id": call, "lines": [[key, "USD", cost] for key in scopes]}
        reply = {"reply": [os.urandom(16).hex()], "upstream": {"status": 200, "id": f"req_{call[:12]}"}}
        data = {**who, **said, **money, "hold": settled, **texts, **reply}
        yield Fact("call.closed", self.clock.new_id(), end, self.run, call, data)


if __name__ == "__main__":
    main()
