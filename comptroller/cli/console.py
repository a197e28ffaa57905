"""`comptroller console`: the console in the foreground, and what `comptroller up` needs to start one."""

import contextlib
import importlib.util
import os
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from comptroller.cli import screen
from comptroller.cli.main import Misuse
from comptroller.cli.place import ledger_of
from comptroller.core.errors import SettingsError
from comptroller.core.settings import Settings, load_settings

BESIDE = "--console-port"  # the option where a gateway runs beside it
NEEDS = {"streamlit": "streamlit", "authlib": "Authlib"}
INSTALL = "`pip install 'comptroller[server,console]'`"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a console will be, and what is said of it."""

    settings: Settings
    host: str
    port: int
    url: str
    certfile: str
    keyfile: str
    told: str


def console(host: str, port: int | None, ledger: str, config: str, certfile: str, keyfile: str) -> None:
    """Serve until told to stop. Where no gateway answers questions about this ledger, we start what does."""
    if name := missing():
        raise SettingsError(f"The console needs {name}, which is not installed. Run {INSTALL}.")
    from comptroller.cli.up import check_tls
    from comptroller.gateway.api.process import started
    from comptroller.office.logs import log_as_json
    from comptroller.store import folder
    from comptroller.store.keys import open_keys

    log_as_json()
    check_tls(certfile, keyfile)
    settings = load_settings(config or None, ledger or None)
    if not (ledger or os.environ.get("COMPTROLLER_LEDGER")) and "ledger" in settings.model_fields_set:
        _begin(settings)
    where = ledger_of(settings.ledger)
    label = folder.label(where)
    assert label is not None, "it is a ledger"
    found = place(settings, open_keys(where, label.id).digest, host, port, certfile, keyfile, "--port")
    with started(settings), kept_console(found):
        screen.say(found.told)
        _wait()


def _begin(settings: Settings) -> None:
    """Make the ledger that a settings file names, where no call has yet: `init` and then a look is a fair order."""
    from comptroller.store.ledger import Ledger

    if not Path(settings.ledger).exists():
        Ledger.open(settings.ledger, settings).close()


def place(
    settings: Settings,
    digest: Callable[[bytes], str],
    host: str,
    port: int | None,
    certfile: str,
    keyfile: str,
    option: str,
) -> Place:
    """Find out now, and in words, whether a console can be there."""
    from comptroller.dashboards.hosts import is_loopback
    from comptroller.dashboards.process import address_of
    from comptroller.office.roll import Roll

    said = settings.console
    host = host or said.host
    roll = Roll(Path(settings.ledger), digest)
    open_to_all = not (said.oidc or roll.register.entries)
    if open_to_all and not (is_loopback(host) and not said.url):
        raise Misuse(
            f"The console at {said.url or host}: nobody was invited to it, so nobody could sign in there. Run "
            "`comptroller people invite NAME --role admin` or set `console: oidc:`, or serve it on this machine only."
        )
    port = _port(host, said.port, port, option)
    url = said.url or address_of(host, port, bool(certfile))
    lines = [f"Comptroller's console is on {url}"]
    if open_to_all and roll.keyed:
        lines.append("Nobody was invited to it yet. `comptroller people invite NAME --role admin` makes a link.")
    elif open_to_all:
        lines.append("Nobody needs to sign in on this machine, as no key was issued and nobody was invited.")
    return Place(settings, host, port, url, certfile, keyfile, "\n".join(lines))


def _port(host: str, said: int, asked: int | None, option: str) -> int:
    """The port that was asked for; beside a gateway, which must not fail for it, another where the usual is taken."""
    from comptroller.dashboards.process import free_port

    if asked is not None or option != BESIDE:
        return free_port(host, said if asked is None else asked, option)
    try:
        return free_port(host, said, option)
    except SettingsError:
        return free_port(host, 0, option)


def kept_console(found: Place | None) -> AbstractContextManager[object]:
    """The console's process for as long as the block lasts; nothing where there is none."""
    if found is None:
        return contextlib.nullcontext()
    from comptroller.dashboards.process import show, started

    show(Path(found.settings.ledger), found.url)
    return started(found.settings, found.host, found.port, found.certfile, found.keyfile)


def missing() -> str:
    """What is not installed that the console needs; empty where all is there."""
    return next((name for module, name in NEEDS.items() if importlib.util.find_spec(module) is None), "")


def how_to_get_it() -> str:
    """What is said where the console is not installed."""
    return f"The console is not installed. {INSTALL} gets it; --no-console leaves this line out."


def _wait() -> None:
    """Until somebody says stop."""
    told = threading.Event()
    before = {sig: signal.signal(sig, lambda *_: told.set()) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not told.wait(1.0):  # with a limit, as Windows hears no signal during an endless wait
            pass
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
