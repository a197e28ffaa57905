"""The child's side of a kept process: settings in the first line of standard input, and an end when that ends."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import uvicorn

from comptroller.office.child import STOP_S

LOWER = 5  # it yields to the gateway where both want the processor


class Server(uvicorn.Server):
    """Uvicorn's server; when it ends is the parent's to say."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A stop from the terminal goes to all its processes, and the parent still has requests to pass on."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.handle_exit)
        yield


class Lifeline:
    """Notices that the parent is gone: the other end of standard input is closed."""

    def __init__(self) -> None:
        self.cut = threading.Event()
        self.server: Server | None = None
        threading.Thread(target=self._watch, name="comptroller-lifeline", daemon=True).start()

    def _watch(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1 << 12):
                pass
        self.cut.set()
        if self.server is not None:
            self.server.should_exit = True
        last = threading.Timer(STOP_S - 1, os._exit, (0,))  # a question that does not hear an interrupt
        last.daemon = True
        last.start()


def stand_back() -> None:
    """Let the gateway go first where both want the processor."""
    nice: Callable[[int], int] | None = getattr(os, "nice", None)
    if nice is not None:
        nice(LOWER)


def first_line() -> bytes:
    """Read byte by byte, so that nothing of what follows is taken: whoever watches the end reads the rest."""
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)
