"""The gateway with two workers against one process: CPU a request of all its processes, and how evenly they share.

Both are governed alike (100 rules, guards, three budget scopes, journal and vault) and asked in turn over the same
connections. The supervisor's part is what admission, the journal and what workers share cost beside their own work.
"""

import argparse
import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.gateway import WARM, Canned, gateway, load
from benchmarks.table import conditions, table

HEADS = ("", "req/s", "CPU us", "of it owner", "busiest worker")


@dataclass
class Side:
    """One gateway: its processes, and what they used in the quietest round."""

    title: str
    port: int
    parent: psutil.Process
    rates: list[float] = field(default_factory=list)
    rounds: list[tuple[float, float, float]] = field(default_factory=list)  # CPU in all, of the owner, busiest's share

    async def round(self, connections: int, count: int, stream: bool) -> None:
        before = self._used()
        took = await load(self.port, connections, count, stream, None)
        used = [after - earlier for after, earlier in zip(self._used(), before, strict=True)]
        owner, workers = (used[0], used[1:]) if len(used) > 1 else (0.0, used)
        self.rates.append(count / took.wall)
        self.rounds.append((sum(used) / count, owner / count, max(workers) / sum(workers)))

    def _used(self) -> list[float]:
        workers = [child for child in self.parent.children() if "comptroller.gateway.worker" in child.cmdline()]
        processes = [self.parent, *sorted(workers, key=lambda child: child.pid)]
        return [sum(process.cpu_times()[:2]) for process in processes]

    def row(self, kind: str) -> list[str]:
        cpu, owner, share = min(self.rounds)
        return [
            f"{self.title}, {kind}",
            f"{max(self.rates):,.0f}",
            f"{cpu * 1e6:,.0f}",
            f"{owner * 1e6:,.0f}",
            f"{share:.0%}",
        ]


def main() -> None:
    """Measure both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000, help="a round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    asyncio.run(_measure(args.requests, args.rounds, args.workers))


async def _measure(requests: int, rounds: int, workers: int) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as many:
        async with Canned() as upstream:
            with (
                gateway(Path(one), upstream.port, False) as (port, process),
                gateway(Path(many), upstream.port, False, "--workers", str(workers)) as (shared, parent),
            ):
                rows = []
                for kind, count, stream in (("whole", requests, False), ("stream of 53", requests // 4, True)):
                    sides = [Side("one process", port, process), Side(f"{workers} workers", shared, parent)]
                    for side in sides:
                        await load(side.port, 16, WARM, stream, None)
                    for _ in range(rounds):
                        for side in sides:
                            await side.round(16, count, stream)
                    rows += [side.row(kind) for side in sides]
                table(f"several workers, 16 connections ({conditions()}; quietest round)", HEADS, rows)


if __name__ == "__main__":
    main()
