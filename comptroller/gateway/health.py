"""Whether the gateway lives, whether it can do its work, and what it has counted."""

import os
from pathlib import Path

import msgspec

from comptroller.core.errors import StoreError
from comptroller.gateway.gate import Gate

LEAST_FREE = 16 << 20  # bytes on the disk of the ledger: below that the next calls may not be recorded


def ready(gate: Gate) -> tuple[int, bytes]:
    """200 where calls can be governed and recorded, else 503 and what is wrong."""
    wrong = dict(_wrong(gate))
    body = {"ready": not wrong, "policies": len(gate.desk.book.files), **({"wrong": wrong} if wrong else {})}
    return (503 if wrong else 200), msgspec.json.encode(body)


def counted(gate: Gate) -> bytes:
    """All counters, for Prometheus."""
    gauges = (
        ("calls_under_way", "Requests not answered yet.", gate.meters.under_way),
        ("runs_open", "Runs seen lately and not closed yet.", len(gate.runs)),
    )
    return gate.meters.text(gauges).encode()


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
