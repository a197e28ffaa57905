"""What a reservation costs: room, hold and settle over three scopes, and what limits add to it."""

import argparse
import time

from benchmarks.table import conditions, table
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, Fact, Line
from comptroller.core.verdict import Cap, Limit
from comptroller.metering.budget import Purse, lines_for
from comptroller.metering.limits import Throttle, lines_of, rates_of

TARGET = 100_000
NOW = 1_767_225_600_000_000_000
SCOPES = (("agent", "fraud", ""), ("customer", "acme", "month"), ("run", "r1", "run"))


def main() -> None:
    """Print reservations per second of one core, the best of several rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rows = []
    for name, seconds in (
        ("lines_for, three caps", min(_lines(args.calls) for _ in range(args.rounds))),
        ("room + opened + closed", min(_purse(args.calls) for _ in range(args.rounds))),
        ("a rate: row + room + take + settle", min(_rates(args.calls, 1) for _ in range(args.rounds))),
        ("requests, tokens and a place", min(_rates(args.calls, 3) for _ in range(args.rounds))),
    ):
        rows.append([name, f"{seconds / args.calls * 1e6:.2f}", f"{args.calls / seconds:,.0f}", f">= {TARGET:,}"])
    table(f"Purse, three scopes ({conditions()}, CPU time)", ["", "us each", "per second", "target"], rows)


def _caps() -> list[Cap]:
    return [Cap(per, who, every, "Europe/Berlin", "USD", 10**15, "deny", "") for per, who, every in SCOPES]


def _lines(calls: int) -> float:
    caps, amounts = _caps(), {"USD": 2_000_000}
    begun = time.process_time()
    for _ in range(calls):
        lines_for(caps, amounts, NOW)
    return time.process_time() - begun


def _purse(calls: int) -> float:
    lines = lines_for(_caps(), {"USD": 2_000_000}, NOW)
    facts = [_facts(i, [[x.key, x.unit, x.amount, x.cap] for x in lines]) for i in range(calls)]
    purse = Purse()
    begun = time.process_time()
    for opened, closed in facts:
        purse.room(lines)
        purse.apply(opened)
        purse.apply(closed)
    spent = time.process_time() - begun
    purse.check()
    assert all(purse.counter(line.key, line.unit) == (calls * 1_000_000, 0) for line in lines)
    return spent


def _rates(calls: int, count: int) -> float:
    """What limits add to a reservation, the line for a place among calls under way left to the purse."""
    units = (("requests", "min"), ("tokens", "min"), ("live", ""))[:count]
    keys = [(unit, span, Line(f"key:k1|{span or unit}:", unit, 1, 10**12)) for unit, span in units]
    limits = [Limit("key", "k1", unit, 10**12, span, 0.0, "", line) for unit, span, line in keys]
    throttle, end = Throttle(), [["key:k1|min:", "tokens", 15]]
    begun = time.process_time()
    for i in range(calls):
        lines_of(limits)
        rows = rates_of(limits, 1_000)
        assert throttle.room(rows, NOW + i * 10_000) is None
        hold = f"{i:032x}"
        throttle.take(hold, rows, NOW + i * 10_000)
        throttle.settle(hold, end)
    return time.process_time() - begun


def _facts(i: int, lines: list[list[object]]) -> tuple[Fact, Fact]:
    who: dict[str, object] = {"tenant": "default", "customer": "acme", "workflow": "loan", "agent": "fraud"}
    hold = {"id": f"{i:032x}", "lines": lines, "lease_ns": NOW, "price": "p"}
    used = {"id": f"{i:032x}", "lines": [[key, unit, 1_000_000] for key, unit, *_ in lines]}
    opened = Fact(CALL_OPENED, f"o{i}", NOW, "r1", f"{i:032x}", {**who, "hold": hold})
    return opened, Fact(CALL_CLOSED, f"c{i}", NOW, "r1", f"{i:032x}", {**who, "hold": used})


if __name__ == "__main__":
    main()
