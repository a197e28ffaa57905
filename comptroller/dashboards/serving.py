"""The process itself: serves the console until its standard input ends, as it does however the parent does."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from comptroller.core.clock import SYSTEM
from comptroller.core.errors import ComptrollerError, SettingsError
from comptroller.core.settings import Settings
from comptroller.dashboards import session, source
from comptroller.dashboards.connection import LedgerConnection
from comptroller.dashboards.door import IDENTITY, Door
from comptroller.dashboards.frame import broken
from comptroller.dashboards.hosts import hosts_of, is_loopback
from comptroller.dashboards.process import Wanted
from comptroller.dashboards.reception import Reception
from comptroller.dashboards.sessions import Sessions
from comptroller.dashboards.signin import CALLBACK, PROVIDER, Front
from comptroller.office.lifeline import Lifeline, Server, first_line, stand_back
from comptroller.office.logs import log_as_json
from comptroller.office.roll import Roll
from comptroller.office.switchboard import Switchboard
from comptroller.store import folder
from comptroller.store.keys import open_keys

SCRIPT = Path(__file__).parent / "console.py"
log = logging.getLogger("comptroller.console")
# What a user's own configuration of Streamlit says must not weaken it, so all that matters is said here.
OPTIONS: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "global.developmentMode": False,
    "logger.enableRich": False,  # what fails is one line of JSON, as all that is logged
    "logger.level": "warning",
    "runner.magicEnabled": False,
    "runner.postScriptGC": False,  # it looks through all there is while the browser waits for the last of a page
    "server.baseUrlPath": "",
    "server.corsAllowedOrigins": [],
    "server.enableAgentApi": False,
    "server.enableCORS": True,
    "server.enableStaticServing": True,
    "server.enableXsrfProtection": True,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 5,
    "server.runOnSave": False,
    "server.scriptHealthCheckEnabled": False,
    "server.trustedUserHeaders": {IDENTITY: "identity"},
    "server.unsafeMetricsUserAttributes": [],
}


def main() -> None:
    """Serve what the first line of standard input says."""
    log_as_json()
    stand_back()
    line = first_line()
    if not line:
        return
    wanted = msgspec.json.decode(line, type=Wanted)
    try:
        serve(Settings.model_validate_json(wanted.settings), wanted)
    except ComptrollerError as error:
        log.error("The console cannot be served: %s", error)
        sys.exit(1)


def serve(settings: Settings, wanted: Wanted) -> None:
    """Serve until the lifeline is cut."""
    lifeline = Lifeline()
    listener = socket.create_server(
        (wanted.host, wanted.port), family=socket.AF_INET6 if ":" in wanted.host else socket.AF_INET, backlog=128
    )
    app = application(settings, wanted)
    log_as_json()  # once more: Streamlit set up logs of its own
    gc.freeze()  # what is loaded by now stays
    server = lifeline.server = Server(
        uvicorn.Config(
            app,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            ws_max_size=8 << 20,
            # Within one machine packing costs more than it saves: some fifty messages make a page.
            ws_per_message_deflate=not is_loopback(wanted.host),
            ssl_certfile=wanted.certfile or None,
            ssl_keyfile=wanted.keyfile or None,
        )
    )
    server.should_exit = lifeline.cut.is_set()
    server.run(sockets=[listener])


def application(settings: Settings, wanted: Wanted) -> "Served":
    """The console as an ASGI application."""
    ledger, tls = Path(settings.ledger), bool(wanted.certfile)
    digest = open_keys(ledger, _label(ledger)).digest
    roll = Roll(ledger, digest)
    wide = not is_loopback(wanted.host)
    sessions = Sessions(settings, roll, digest, SYSTEM, f"comptroller_{wanted.port}", wide)
    session.use(sessions)
    source.connect(LedgerConnection(ledger))
    hosts = hosts_of(wanted.host, wanted.port, settings.console.url, tls)
    switchboard = Switchboard(ledger)
    streamlit = _streamlit(settings, digest(b"comptroller console cookies 1"), wanted)
    reception = Reception(settings, switchboard, sessions, digest)
    front = Front(reception, hosts, streamlit, SYSTEM, settings.console.url or wanted.url)
    return Served(Door(streamlit, front.app, sessions, hosts, _page()))


class Served:
    """The door, watched for as long as it is served."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._door(scope, receive, send)
            return
        async with _watched(self._door):
            await self._door(scope, receive, send)


@contextlib.asynccontextmanager
async def _watched(door: Door) -> AsyncIterator[None]:
    watching = asyncio.create_task(door.watch())
    try:
        yield
    finally:
        watching.cancel()


def _streamlit(settings: Settings, cookie_secret: str, wanted: Wanted) -> Any:
    from streamlit import config
    from streamlit.starlette import App

    script = Path(wanted.script) if wanted.script else SCRIPT
    app = App(script, secrets=_secrets(settings, cookie_secret, wanted), on_script_error=broken)
    config.get_config_options(force_reparse=True)  # only now does it know the look that lies beside the script
    for name, value in (OPTIONS | {"server.cookieSecret": cookie_secret, "server.port": wanted.port}).items():
        config.set_option(name, value)
    return app


def _page() -> str:
    """Streamlit's own page, which all of the console's pages are made in."""
    from streamlit import file_util

    return (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")


def _secrets(settings: Settings, cookie_secret: str, wanted: Wanted) -> dict[str, Any] | None:
    """What Streamlit's sign-in needs, in memory: no file on disk holds it."""
    oidc = settings.console.oidc
    if oidc is None:
        return None
    secret = os.environ.get(oidc.client_secret_env, "")
    if not secret:
        raise SettingsError(f"{oidc.client_secret_env} is not set: it holds the client's secret of `console: oidc`.")
    client = {
        "client_id": oidc.client_id,
        "client_secret": secret,
        "server_metadata_url": oidc.metadata,
        "client_kwargs": {"scope": "openid email profile", "code_challenge_method": "S256"},
    }
    url = settings.console.url or wanted.url
    return {"auth": {"redirect_uri": f"{url}{CALLBACK}", "cookie_secret": cookie_secret, PROVIDER: client}}


def _label(ledger: Path) -> str:
    label = folder.label(ledger)
    if label is None:
        raise SettingsError(f"{ledger}: there is no ledger here.")
    return label.id


if __name__ == "__main__":
    main()
