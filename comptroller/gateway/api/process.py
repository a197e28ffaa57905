"""The process that serves `/api`: started beside the gateway, started again when it dies, gone when its parent is."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from comptroller.core.settings import Settings
from comptroller.store.wire import Address

LABEL = "api.json"  # where it listens, in the ledger; only this user can read the token
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
STOP_S = 5.0
TOKEN, WHO = "comptroller-api-token", "comptroller-api-who"  # headers: that the gateway asks, and for whom
log = logging.getLogger("comptroller.api")


@contextlib.contextmanager
def started(settings: Settings) -> Iterator["Keeper"]:
    """Keep a process for the ledger of these settings, for as long as the block lasts."""
    keeper = Keeper(settings)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.close()


class Keeper:
    """Keeps one process running."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._closing = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="comptroller-api", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Begin; does not wait until it answers."""
        self._launch()
        self._thread.start()

    def close(self) -> None:
        """Tell it to end, and wait until it has."""
        with self._turn:
            self._closing.set()
            child = self._child
        if child is not None:
            _end(child)
        if self._thread.ident is not None:
            self._thread.join()

    def _keep(self) -> None:
        pause = FIRST_PAUSE_S
        while (child := self._child) is not None:
            code = child.wait()
            if child.stdin is not None:
                child.stdin.close()
            if self._closing.wait(pause):
                return
            log.error("The process for /api ended with %s; it is started again.", code)
            pause = min(pause * 2, LONGEST_PAUSE_S)
            self._launch()

    def _launch(self) -> None:
        with self._turn:
            if self._closing.is_set():
                return
            command = [sys.executable, "-m", "comptroller.gateway.api.serving"]
            child = subprocess.Popen(command, stdin=subprocess.PIPE, env=_surroundings(self._settings))
            self._child = child
        assert child.stdin is not None
        with contextlib.suppress(OSError):  # it died already: whoever waits for it will see
            child.stdin.write(self._settings.model_dump_json().encode() + b"\n")
            child.stdin.flush()


def address_of(ledger: Path) -> Address | None:
    """Where the process for this ledger listens; None where none says so."""
    try:
        return msgspec.json.decode((ledger / LABEL).read_bytes(), type=Address)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _surroundings(settings: Settings) -> dict[str, str]:
    """Our environment without the providers' keys: what answers questions has no use for them."""
    keys = {provider.key_env for provider in settings.upstreams}
    keys |= {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"}
    return {name: value for name, value in os.environ.items() if name not in keys}


def _end(child: "subprocess.Popen[bytes]") -> None:
    assert child.stdin is not None
    with contextlib.suppress(OSError):
        child.stdin.close()  # its sign to end
    try:
        child.wait(STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
