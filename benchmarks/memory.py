"""Memory of the ledger's owner while a million calls are recorded: it has to stay flat."""

import argparse
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.table import conditions, table
from comptroller.core.clock import SYSTEM
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, RUN_CLOSED, RUN_OPENED, Fact, Line
from comptroller.core.settings import Settings
from comptroller.core.verdict import Cap
from comptroller.metering.budget import lines_for
from comptroller.store.ledger import Ledger

TARGET_MB = 300
CALLS_PER_RUN = 10
WORST, COST = 5_000_000, 1_234_567


def main() -> None:
    """Record calls, each with a hold on three scopes and a body of its own, and look at the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        rows = _measure(Path(folder) / "ledger", calls)
    table(
        f"memory of the owner ({conditions()}; target: under {TARGET_MB} MB)",
        ["calls recorded", "resident MB", "seconds", "journal MB", "vault MB"],
        rows,
    )


def _measure(path: Path, calls: int) -> list[list[str]]:
    ledger = Ledger.open(path, Settings())
    begun = time.perf_counter()
    rows = [_row(path, 0, 0.0)]
    step = max(calls // 10, CALLS_PER_RUN)
    for first in range(0, calls, step):
        for number in range(first, min(first + step, calls), CALLS_PER_RUN):
            _run(ledger, number)
        rows.append(_row(path, min(first + step, calls), time.perf_counter() - begun))
    ledger.close()
    return rows


def _run(ledger: Ledger, number: int) -> None:
    run = SYSTEM.new_id()
    who: dict[str, object] = {"tenant": "default", "customer": f"c{number % 10_000}", "workflow": "bench", "agent": "a"}
    ledger.record(Fact(RUN_OPENED, run, SYSTEM.now_ns(), run, data=who))
    caps = [_cap("agent", "a", "day"), _cap("customer", str(who["customer"]), "day"), _cap("run", run, "")]
    for turn in range(CALLS_PER_RUN):
        lines = lines_for(caps, {"USD": WORST}, SYSTEM.now_ns(), run)
        _call(ledger, run, who, lines, f'{{"role":"user","content":"Question {number + turn}"}}'.encode())
    ledger.record(Fact(RUN_CLOSED, SYSTEM.new_id(), SYSTEM.now_ns(), run, data={**who, "status": "ok"}))


def _call(ledger: Ledger, run: str, who: dict[str, object], lines: list[Line], body: bytes) -> None:
    call = SYSTEM.new_id()
    digests = ledger.keep([body], "default", str(who["customer"]))
    asked = [[line.key, line.unit, line.amount, line.cap] for line in lines]
    held = {"id": call, "lines": asked, "lease_ns": SYSTEM.now_ns() + 3600 * 10**9, "price": "v"}
    common = {
        **who,
        "kind": "model",
        "name": "gpt-4o-mini",
        "dialect": "openai_chat",
        "stream": False,
        "request": digests,
    }
    ledger.reserve(Fact(CALL_OPENED, SYSTEM.new_id(), SYSTEM.now_ns(), run, call, {**common, "hold": held}))
    settled = {"id": call, "lines": [[line.key, line.unit, COST] for line in lines]}
    usage = {"input": 500, "output": 200}
    closed = {**common, "status": "ok", "usage": usage, "cost": COST, "currency": "USD", "hold": settled}
    ledger.record(Fact(CALL_CLOSED, SYSTEM.new_id(), SYSTEM.now_ns(), run, call, closed))


def _cap(per: str, who: str, every: str) -> Cap:
    return Cap(per, who, every, "UTC", "USD", 10**15, "deny", "")


def _row(path: Path, calls: int, seconds: float) -> list[str]:
    resident = psutil.Process().memory_info().rss / 1e6
    return [f"{calls:,}", f"{resident:.0f}", f"{seconds:.0f}", _mb(path / "journal"), _mb(path / "vault")]


def _mb(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.rglob('*') if file.is_file()) / 1e6:.0f}"


if __name__ == "__main__":
    main()
