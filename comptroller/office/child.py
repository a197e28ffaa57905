"""A child process that is kept: started, given its settings, started again when it dies, gone when its parent is."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from comptroller.core.settings import Settings

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
STOP_S = 5.0


@contextmanager
def kept(child: "Child") -> Iterator["Child"]:
    """Keep a child for as long as the block lasts."""
    child.start()
    try:
        yield child
    finally:
        child.close()


class Child:
    """Keeps one process running: a module of ours that reads `line` from its standard input, and ends with it.

    `what` is how its log calls it.
    """

    def __init__(self, module: str, line: bytes, what: str, surroundings: Mapping[str, str], log: str) -> None:
        self._command = [sys.executable, "-m", module]
        self._line, self._what, self._surroundings = line, what, dict(surroundings)
        self._log = logging.getLogger(log)
        self._closing = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name=log.replace(".", "-"), daemon=True)

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
            self._log.error("%s ended with %s; it is started again.", self._what, code)
            pause = min(pause * 2, LONGEST_PAUSE_S)
            self._launch()

    def _launch(self) -> None:
        with self._turn:
            if self._closing.is_set():
                return
            child = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=self._surroundings)
            self._child = child
        assert child.stdin is not None
        with contextlib.suppress(OSError):  # it died already: whoever waits for it will see
            child.stdin.write(self._line + b"\n")
            child.stdin.flush()


def without_keys(settings: Settings) -> dict[str, str]:
    """Our environment without the providers' keys: what only answers questions has no use for them."""
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
