"""The process that serves the console: kept by its parent, started again when it dies, gone when its parent is."""

import contextlib
import socket
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from comptroller.core.errors import SettingsError, StoreError
from comptroller.core.settings import Settings
from comptroller.office.child import Child, kept, without_keys
from comptroller.store import folder

MODULE = "comptroller.dashboards.serving"
SHOWN = "console.json"


class Wanted(msgspec.Struct):
    """What the process is told."""

    settings: str
    host: str
    port: int
    url: str
    certfile: str = ""
    keyfile: str = ""
    script: str = ""  # other than the console's own, in a test


def started(
    settings: Settings, host: str, port: int, certfile: str = "", keyfile: str = "", script: str = ""
) -> AbstractContextManager[Child]:
    """Keep a process for the ledger of these settings, for as long as the block lasts."""
    url = address_of(host, port, bool(certfile))
    wanted = Wanted(settings.model_dump_json(), host, port, url, certfile, keyfile, script)
    surroundings = without_keys(settings)
    return kept(Child(MODULE, msgspec.json.encode(wanted), "The console", surroundings, "comptroller.console"))


def free_port(host: str, port: int, option: str) -> int:
    """The port, if it can be had; another where it is 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as found:
            return int(found.getsockname()[1])
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]
        raise SettingsError(
            f"The console cannot have {host}:{port}: {why}. Name another with {option}, or 0 for any."
        ) from None


def show(ledger: Path, url: str) -> None:
    """Leave word where the console of a ledger is, for whoever writes a link to it."""
    with contextlib.suppress(StoreError):
        folder.replace(ledger / SHOWN, msgspec.json.encode({"url": url}))


def address_shown(ledger: Path) -> str:
    """Where the console of a ledger was last; empty where none ever was."""
    try:
        return str(msgspec.json.decode((ledger / SHOWN).read_bytes())["url"])
    except (OSError, msgspec.MsgspecError, KeyError, TypeError):
        return ""


def address_of(host: str, port: int, tls: bool = False) -> str:
    """Where a browser on this machine finds it."""
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http{'s' if tls else ''}://{name}:{port}"
