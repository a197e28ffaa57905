"""Whether the gateway lives, whether it can do its work, and what it has counted."""

import asyncio
import os
from pathlib import Path

import msgspec

from comptroller.core.errors import StoreError
from comptroller.gateway.gate import Gate

LEAST_FREE = 16 << 20  # bytes on the disk of the ledger: below that the next calls may not be recorded


async def ready(gate: Gate) -> tuple[int, bytes]:
    """200 where calls can be governed and recorded, by all workers, else 503 and what is wrong."""
    wrong = dict(await troubles(gate))
    if gate.crew is not None:
        wrong = {**dict(await gate.crew.wrong()), **wrong}
    body = {"ready": not wrong, "policies": len(gate.desk.book.files), **({"wrong": wrong} if wrong else {})}
    return (503 if wrong else 200), msgspec.json.encode(body)


async def counted(gate: Gate) -> bytes:
    """All counters, those of all workers added up, for Prometheus."""
    meters, runs, workers = gate.meters, len(gate.runs), 1
    if gate.crew is not None:
        meters, runs, workers = await gate.crew.counted()
    live, held = await asyncio.to_thread(gate.desk.ledger.held)
    gauges = (
        ("calls_under_way", "Requests not answered yet.", meters.under_way),
        ("runs_open", "Runs seen lately and not closed yet.", runs),
        ("workers", "Processes that serve.", workers),
        ("holds_live", "Calls that hold money, calls or tokens.", live),
        ("holds_nanos", "What they hold, in billionths of the currency.", held),
    )
    return meters.text(gauges).encode()


async def troubles(gate: Gate) -> list[tuple[str, str]]:
    """What is wrong with this process; asked of the ledger's owner in a thread, for it may not answer."""
    return await asyncio.to_thread(_wrong, gate)


def _wrong(gate: Gate) -> list[tuple[str, str]]:
    found = []
    if gate.stopping:
        found.append(("stopping", "The gateway is stopping."))
    try:
        gate.desk.ledger.counter("ready", "calls")
    except (StoreError, OSError) as error:
        found.append(("ledger", str(error)))
    path = Path(gate.desk.settings.ledger)
    if path.is_dir():
        if not os.access(path, os.W_OK):
            found.append(("ledger", "The ledger's directory cannot be written."))
        elif hasattr(os, "statvfs") and (disk := os.statvfs(path)).f_bavail * disk.f_frsize < LEAST_FREE:
            found.append(("ledger", "The ledger's disk is full."))
    return found
