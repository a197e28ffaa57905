"""Where the clients run: the scripted provider, one `comptroller up` in front of it, and a ledger of their own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comptroller.testing import Upstream
from examples.clients.manifest import HERE
from examples.clients.model import Model

PROVIDER_KEY = "sk-the-provider-key-that-clients-never-see"
STOP_S = 60


@dataclass(frozen=True, slots=True)
class World:
    """A gateway under way, and what is behind it."""

    folder: Path
    url: str
    model: Model

    def issue(self, workflow: str, agent: str) -> str:
        """A Comptroller key that fixes who its calls are of."""
        fixed = ["--name", agent, "--agent", agent, "--workflow", workflow, "--customer", "acme"]
        return str(comptroller(self.folder, "keys", "issue", *fixed, "--budget", "5 USD/day", "--json")["secret"])


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """The gateway serves within; behind it, the ledger is complete."""
    model = Model()
    with Upstream(model.reply_to) as upstream:
        _settle_in(folder, upstream.url)
        # The first key comes before the gateway: from then on nobody passes without one.
        comptroller(folder, "keys", "issue", "--name", "first", "--json")
        with _gateway(folder) as url:
            yield World(folder, url, model)


def comptroller(folder: Path, *arguments: str) -> Any:
    """What a command of ours prints, as JSON."""
    command = [sys.executable, "-m", "comptroller.cli", *arguments]
    done = subprocess.run(command, cwd=folder, env=clean(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"comptroller {' '.join(arguments)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def clean() -> dict[str, str]:
    """This environment without what would lead a gateway elsewhere."""
    leading = ("COMPTROLLER_", "OTEL_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {name: text for name, text in os.environ.items() if not name.upper().startswith(leading)}


def _settle_in(folder: Path, url: str) -> None:
    shutil.copy(HERE / "policy.yaml", folder)
    ways: Sequence[tuple[str, str]] = (("openai", f"{url}/v1"), ("anthropic", url), ("gemini", url))
    upstreams = [{"name": way, "format": way, "url": to, "key_env": "PROVIDER_KEY"} for way, to in ways]
    settings = {"ledger": "ledger", "policies": ["policy.yaml"], "upstreams": upstreams}
    (folder / "comptroller.yaml").write_text(json.dumps(settings), encoding="utf-8")


@contextmanager
def _gateway(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "comptroller.cli", "up", "--no-console", "--port", "0"]
    env = {**clean(), "PROVIDER_KEY": PROVIDER_KEY}
    with (
        (folder / "gateway.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            first = process.stdout.readline().split()
            if not first:
                raise SystemExit(f"The gateway did not start: {(folder / 'gateway.log').read_text(encoding='utf-8')}")
            yield first[-1]
        finally:
            process.terminate()
            process.wait(STOP_S)
