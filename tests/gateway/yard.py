"""A gateway with several workers, as `comptroller up --workers` makes it, in front of the scripted upstream."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from comptroller.core.facts import Fact
from comptroller.store import journal
from comptroller.testing import Upstream
from comptroller.testing.script import Script

HI: list[Any] = [{"role": "user", "content": "Hi"}]
CHAT = "/v1/chat/completions"
PATIENCE_S = 60


@dataclass
class Yard:
    """Workers behind one address, and what they leave in the ledger."""

    folder: Path
    url: str
    up: Upstream
    process: "subprocess.Popen[str]"
    errors: Path
    lost: set[int] = field(default_factory=set)

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def workers(self) -> list[int]:
        """The process ids of those that relay."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children if int(child) not in self.lost and _relays(child)]

    def facts(self, *kinds: str) -> list[Fact]:
        return [fact for _, fact in journal.read(self.ledger) if not kinds or fact.kind in kinds]

    def client(self) -> httpx.Client:
        """A connection of its own."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE_S)

    def kill(self, pid: int) -> None:
        self.lost.add(pid)
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> int:
        """End it as a service manager does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def yard(
    script: Script = "Hello.",
    policy: Mapping[str, Any] | None = None,
    workers: int = 2,
    gateway: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    url: str = "",
) -> Iterator[Yard]:
    """The whole of it, in a folder of its own; `url` is an upstream somewhere else."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yard-")))
        up = Upstream(script)
        if not url:
            stack.enter_context(up)
        config = folder / "comptroller.yaml"
        settings: dict[str, Any] = {
            "ledger": str(folder / "ledger"),
            "upstreams": [{"name": "openai", "format": "openai", "url": f"{url or up.url}/v1"}],
            "gateway": {"access_log": True, "drain_s": 0, **(gateway or {})},
        }
        if policy is not None:
            (folder / "policy.yaml").write_text(yaml.safe_dump({"policy": "yard", **policy}))
            settings["policies"] = [str(folder / "policy.yaml")]
        config.write_text(yaml.safe_dump(settings))
        errors = folder / "errors"
        command = ["up", "--config", str(config), "--workers", str(workers), "--port", "0", "--no-console"]
        process = stack.enter_context(start(command, errors))
        yield Yard(folder, _address(process, errors), up, process, errors)


@contextlib.contextmanager
def start(command: Sequence[str], errors: Path) -> "Iterator[subprocess.Popen[str]]":
    """The program in a session of its own: whatever is left of it at the end is killed by that."""
    with errors.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "comptroller.cli", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _relays(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return b"comptroller.gateway.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _address(process: "subprocess.Popen[str]", errors: Path) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
    line = process.stdout.readline() if ready else ""
    found = re.search(r"http://\S+", line)
    assert found, f"the gateway does not start: {errors.read_text()}"
    return found[0]
