"""An environment of its own for each client, made once and kept until what it needs changes."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from examples.clients.manifest import Client

ROOT = Path(__file__).parents[2] / ".clients"
INSTALL_S = 1_200
KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "PATHEXT", "COMSPEC", "SSL_CERT_FILE")
_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


class Missing(Exception):
    """What a client needs is not here: why."""


def make(client: Client) -> Path:
    """The directory of the client's environment; Missing where it cannot be made on this machine."""
    made, stamp = ROOT / client.name, ROOT / f"{client.name}.made"
    wanted = _fingerprint(client)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return made
    stamp.unlink(missing_ok=True)
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    if client.kind == "python":
        _venv(client, made)
    else:
        _node_modules(client, made)
    stamp.write_text(wanted, encoding="utf-8")
    return made


def python_in(made: Path) -> str:
    """The interpreter of a venv."""
    return str(made / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def version(client: Client, made: Path) -> str:
    """The version of the client's package, as it is installed."""
    if client.kind == "python":
        code = f"import importlib.metadata as m; print(m.version({client.package!r}))"
        return _told([python_in(made), "-c", code])
    code = f"console.log(require('./node_modules/{client.package}/package.json').version)"
    return _told(["node", "-e", code], made)


def _venv(client: Client, made: Path) -> None:
    oldest, newest = (tuple(map(int, bound.split("."))) for bound in client.python)
    fitting = [path for path, found in _pythons() if oldest <= found <= newest]
    if not fitting:
        raise Missing(f"needs Python {client.python[0]} to {client.python[1]}, and none is on the path")
    _do([fitting[0], "-m", "venv", str(made)])
    wants = str(client.folder / "requirements.txt")
    _do([python_in(made), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", wants])


def _node_modules(client: Client, made: Path) -> None:
    """Node looks for modules beside the program, so the program goes where they are."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Missing("needs node and npm, and they are not on the path")
    shutil.copytree(client.folder, made, dirs_exist_ok=True)
    verb = "ci" if (made / "package-lock.json").exists() else "install"
    _do([npm, verb, "--no-audit", "--no-fund", "--loglevel=error"], made)


@cache
def _pythons() -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Interpreters that answer, the one we run on first: a name on the path proves nothing."""
    names = (sys.executable, "python3.13", "python3.12", "python3.11", "python3")
    found = []
    for path in filter(None, map(shutil.which, names)):
        try:
            found.append((path, tuple(map(int, _told([path, "-c", _VERSION]).split(".")))))
        except (OSError, ValueError, Missing):
            continue
    return tuple(found)


def _fingerprint(client: Client) -> str:
    """What the environment depends on: what it installs, and for Node the program that lies in it."""
    parts = [path for path in sorted(client.folder.iterdir()) if path.is_file() and path.name != "client.toml"]
    if client.kind == "python":
        parts = [client.folder / "requirements.txt"]
    text = b"\0".join(path.read_bytes() for path in parts)
    return hashlib.sha256(text + repr((client.kind, *client.python)).encode()).hexdigest()


def _told(command: list[str], folder: Path | None = None) -> str:
    return _do(command, folder, 60).strip()


def _do(command: list[str], folder: Path | None = None, limit_s: int = INSTALL_S) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"{Path(command[0]).name} was not done after {limit_s} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
        raise Missing(next((line for line in lines if line.startswith("ERROR")), lines[-1])[:200])
    return done.stdout
