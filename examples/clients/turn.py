"""One client's turn: its program, moved to the gateway by its environment alone."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from comptroller.core.clock import SYSTEM
from examples.clients.environment import KEPT, python_in
from examples.clients.manifest import Client
from examples.clients.model import Sent
from examples.clients.world import World


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of it, seen from outside."""

    workflow: str  # its runs are found by it
    agent: str
    key: str
    output: str
    errors: str
    exit_code: int | None  # None where it was not done in time
    sent: list[Sent]
    seconds: float


def take(client: Client, world: World, made: Path, denied: bool) -> Turn:
    """Run the client once, with a key of its own."""
    name = f"{client.name}-denied" if denied else client.name
    key = world.issue(workflow=name, agent=name)
    home = world.folder / name
    work = home / "work"
    work.mkdir(parents=True)
    for file, text in client.files.items():
        (work / file).write_text(text, encoding="utf-8")
    world.model.serve(client, str(work))
    fill = {"url": world.url, "key": key, "model": client.model, "made": str(made), "work": str(work), "name": name}
    if client.kind == "python":
        fill["python"] = python_in(made)
    argv = [_filled(word, fill) for word in client.argv]
    began = SYSTEM.monotonic_ns()
    code = _run(argv, _where(client, made, work), _env(client, home, fill), home, client.limit_s)
    seconds = (SYSTEM.monotonic_ns() - began) / 1_000_000_000
    output, errors = (_read(home / file) for file in ("out.txt", "err.txt"))
    return Turn(name, name, key, output, errors, code, world.model.sent(), seconds)


def _where(client: Client, made: Path, work: Path) -> Path:
    return {"python": client.folder, "node": made, "cli": work}[client.kind]


def _env(client: Client, home: Path, fill: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but the path: a key, a proxy or a home directory left in would prove nothing."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    homes = {name: str(home) for name in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TMPDIR", "TEMP", "TMP")}
    ours = {"NO_PROXY": "127.0.0.1,localhost", "PYTHONUTF8": "1", "CLIENT_MODEL": client.model}
    return {**kept, **homes, **ours, **{name: _filled(text, fill) for name, text in client.env.items()}}


def _run(argv: list[str], folder: Path, env: dict[str, str], home: Path, limit_s: int) -> int | None:
    """Output goes to files: a pipe that a grandchild holds open would be waited for beyond the limit."""
    with (home / "out.txt").open("wb") as out, (home / "err.txt").open("wb") as err:
        try:
            done = subprocess.run(
                argv,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        except OSError as error:
            err.write(str(error).encode())
            return 127
    return done.returncode


def _filled(text: str, fill: Mapping[str, str]) -> str:
    for name, value in fill.items():
        text = text.replace("{" + name + "}", value)
    return text


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
