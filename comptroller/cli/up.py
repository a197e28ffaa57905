"""`comptroller up`: the gateway in the foreground, until it is told to stop."""

import ipaddress
import socket
import ssl
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from comptroller.cli import screen
from comptroller.cli.console import BESIDE, Place, how_to_get_it, kept_console, missing, place
from comptroller.cli.main import Misuse
from comptroller.core.errors import SettingsError
from comptroller.wrapper.desk import Desk

if TYPE_CHECKING:
    from comptroller.gateway.upstream import Upstreams


def up(
    host: str,
    port: int,
    ledger: str,
    config: str,
    certfile: str,
    keyfile: str,
    workers: int = 1,
    console_port: int | None = None,
    with_console: bool = True,
) -> None:
    """Serve; prints where, and what to point agents at."""
    if workers > 1 and sys.platform == "win32":
        raise Misuse("--workers: on Windows the gateway is one process. Leave --workers out.")
    try:
        from comptroller.gateway.api.process import started
        from comptroller.gateway.crew import Crew, run_crew
        from comptroller.gateway.entrance import reserve
        from comptroller.gateway.gate import Gate
        from comptroller.gateway.heap import settle_heap
        from comptroller.gateway.keys import KeyRing
        from comptroller.gateway.server import Server, address_of, bind, run
        from comptroller.gateway.upstream import Upstreams
        from comptroller.office.logs import log_as_json
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The gateway needs {error.name}, which is not installed. Run `pip install 'comptroller[server]'`."
        ) from None
    log_as_json()
    check_tls(certfile, keyfile)
    with Desk.open(ledger or None, config or None) as desk:
        keys = KeyRing(Path(desk.settings.ledger), desk.ledger.digest, desk.clock)
        if not keys.configured and not _is_loopback(host):
            raise Misuse(
                f"--host {host}: no Comptroller key was issued yet, so anybody who reaches this address could spend "
                "your money. Run `comptroller keys issue` first, or leave --host out."
            )
        upstreams = Upstreams(desk.settings.upstreams, desk.settings.gateway, desk.clock)  # what is wrong is said first
        listener = reserve(host, port) if workers > 1 else bind(host, port)
        url = address_of(listener, bool(certfile))
        console = _console(desk, console_port, certfile, keyfile) if with_console else None

        def ready() -> None:
            _say(url, keys.configured, upstreams, bool(certfile))
            if with_console:
                screen.say(f"\n{console.told if console is not None else how_to_get_it()}")
            settle_heap()

        if workers > 1:
            crew = partial(Crew, desk, listener, workers, config, certfile, keyfile)
            with started(desk.settings), kept_console(console):
                run_crew(crew, ready)
        else:
            gate = Gate.of(desk, keys, upstreams)
            server = Server(gate, listener, certfile, keyfile)
            with started(desk.settings), kept_console(console):
                run(server, ready)


def _console(desk: Desk, port: int | None, certfile: str, keyfile: str) -> "Place | None":
    """Where the console will be; None where it is not installed."""
    if missing():
        return None
    settings = desk.settings
    return place(settings, desk.ledger.digest, "", port, certfile, keyfile, BESIDE)


def _say(url: str, keyed: bool, upstreams: "Upstreams", tls: bool) -> None:
    screen.say(f"Comptroller's gateway is on {url}\n")
    seen = _seen(url)
    screen.say(f"  OPENAI_BASE_URL={seen}/v1")
    screen.say(f"  ANTHROPIC_BASE_URL={seen}")
    screen.say(f"  GOOGLE_GEMINI_BASE_URL={seen}\n")
    for target in upstreams.targets:
        whose = _whose(target.auth is not None, target.provider.key_env, target.provider.key_file, keyed)
        screen.say(f"  {screen.clean(target.name)}: {screen.clean(target.provider.url)} ({whose})")
    if keyed:
        screen.say("\nClients bring a Comptroller key (ck_...) where their provider's would stand.")
    else:
        screen.say("\nNo Comptroller key was issued: it serves this machine only. `comptroller keys issue` makes one.")
    if keyed and not tls and not _is_loopback(url.partition("://")[2].rpartition(":")[0].strip("[]")):
        screen.say("Keys travel in clear text here. Give --certfile and --keyfile, or put a TLS proxy in front.")


def _seen(url: str) -> str:
    """The address as others reach it: one that means all of this machine's leads nowhere from elsewhere."""
    scheme, _, place = url.partition("://")
    host, _, port = place.rpartition(":")
    return f"{scheme}://{socket.gethostname()}:{port}" if host in ("0.0.0.0", "[::]") else url


def check_tls(certfile: str, keyfile: str) -> None:
    """Find out now, and in words, whether TLS can be served with these files."""
    if not certfile and not keyfile:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile or None)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or error
        names = " with ".join(
            f"--{kind} {name}" for kind, name in (("certfile", certfile), ("keyfile", keyfile)) if name
        )
        raise Misuse(
            f"{names}: TLS cannot be served with these ({why}). "
            "Name a PEM file with the chain, and one with its private key."
        ) from None


def _whose(found: bool, key_env: str, key_file: str, keyed: bool) -> str:
    if found:
        return f"key from {screen.clean(key_file or key_env)}"
    what = "calls go without one" if keyed else "the client's own is passed on"
    return f"no key{f' in {screen.clean(key_env)}' if key_env else ''}: {what}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
