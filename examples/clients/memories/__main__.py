"""Each vendor's client writes to its store through a gateway, and reads as its own customer and as another."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.table import table
from comptroller.core.clock import SYSTEM
from comptroller.gateway.gate import Gate
from comptroller.gateway.server import background
from comptroller.testing import Stores, desk
from examples.clients.environment import KEPT, make, python_in
from examples.clients.manifest import Client

FORMATS = ("pinecone", "qdrant", "chroma", "mem0")
# A program that fills a store calls no model, so nothing says what led to what it writes: it passes, and is noted.
POLICY = 'policy: memories\nmemories: {"*": {write: {when_tainted: note}, share: customer}}\n'
CLIENT = Client("memories", "python", "qdrant-client", "its address", {}, "", python=("3.11", "3.12"))
NOTE = "likes tea"
LIMIT_S = 60
# Who asks, what is written, and what must be read afterwards.
STEPS = (("acme", NOTE, NOTE), ("acme", "", NOTE), ("globex", "", ""))


def main() -> int:
    """A table of what came of each; 1 if any is wrong."""
    chosen = sys.argv[1:] or FORMATS
    python = python_in(make(CLIENT))
    with Stores() as stores:
        named = [{"name": name, "format": name, "url": f"{stores.url}/{name}"} for name in FORMATS]
        with desk(POLICY, clock=SYSTEM, memories=named) as at, background(Gate.of(at)) as url:
            rows = [[name, *(_step(python, url, name, *step) for step in STEPS)] for name in chosen]
    table("Memories through the gateway", ["client", "writes", "reads its own", "reads another's"], rows)
    return 0 if all(word == "as it should" for row in rows for word in row[1:]) else 1


def _step(python: str, url: str, name: str, customer: str, text: str, wanted: str) -> str:
    env = {key: os.environ[key] for key in KEPT if key in os.environ}
    env |= {"MEMORY_URL": url, "MEMORY_CUSTOMER": customer, "NO_PROXY": "127.0.0.1", "MEM0_TELEMETRY": "False"}
    command = [python, str(Path(__file__).parent / "agent.py"), name, text]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:120]
    return "as it should" if done.stdout.strip() == wanted else f"read {done.stdout.strip()!r}"


if __name__ == "__main__":
    raise SystemExit(main())
