"""What runs in the process of a guard from elsewhere: it loads the guard, then answers one text after the other.

It is started by `seat` with a pipe as standard input and output, and ends when that is closed. The guard itself gets
neither of them: what it prints goes nowhere.
"""

import faulthandler
import json
import os
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

HEAD = struct.Struct("!I")
NUMBER = struct.Struct("!I")  # of the text, before it and before its answer
MOST_FOUND = 10_000
MOST_NAME = 80  # characters of what is told of an error
OVER_MEMORY = 86  # what it ends with where it was watched and took too much
MAPPED_MB = 4_096  # of address space beside the memory: libraries and what allocators set aside without touching it
WATCH_S = 0.05
MB = 1 << 20


def main() -> None:
    """Load the guard that the first message names, then inspect texts until the pipe is closed."""
    source, sink = _own_streams()
    hello = json.loads(_receive(source))
    _bound(int(hello["memory_mb"]))
    with _Alarm(float(hello["start_s"])):
        guard, odd = _load(hello)
    _send(sink, json.dumps({"ready": guard is not None, **odd}).encode())
    myself, limit_s = os.getpid(), float(hello["limit_s"])
    while guard is not None:
        message = _receive(source)
        text = message[NUMBER.size :].decode("utf-8", "surrogatepass")
        with _Alarm(limit_s):
            told = _inspect(guard, text)
        if os.getpid() != myself:
            os._exit(0)  # the guard forked: only the process that was asked answers
        _send(sink, message[: NUMBER.size] + told)


def _own_streams() -> tuple[int, int]:
    """The pipe under numbers of its own, so that nothing the guard reads or prints gets into it."""
    source, sink = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    return source, sink


def _receive(source: int) -> bytes:
    return _exactly(source, int(HEAD.unpack(_exactly(source, HEAD.size))[0]))


def _exactly(source: int, size: int) -> bytes:
    taken = bytearray()
    while len(taken) < size:
        piece = os.read(source, min(size - len(taken), MB))
        if not piece:
            os._exit(0)  # nobody will ask any more
        taken += piece
    return bytes(taken)


def _send(sink: int, data: bytes) -> None:
    left = memoryview(HEAD.pack(len(data)) + data)
    try:
        while left:
            left = left[os.write(sink, left) :]
    except OSError:
        os._exit(0)


# -- the guard


def _load(hello: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """The guard, or what is wrong with it."""
    try:
        made = EntryPoint(str(hello["name"]), str(hello["value"]), str(hello["group"])).load()
        guard = made() if isinstance(made, type) else made
    except BaseException as error:  # noqa: BLE001 - it is another's code: whatever it raises is told
        return None, {"odd": f"could not be loaded: {_told(error)}"}
    if not callable(getattr(guard, "inspect", None)):
        return None, {"odd": f"is no guard: {hello['value']} has no `inspect(text)`"}
    return guard, {}


def _inspect(guard: Any, text: str) -> bytes:
    """The answer to a text, as it is sent."""
    try:
        return json.dumps(_answer(guard.inspect(text))).encode()
    except MemoryError:
        return b'{"memory": true}'
    except BaseException as error:  # noqa: BLE001 - as above
        return json.dumps({"odd": f"raised {_told(error)}"}).encode()


def _answer(found: object) -> dict[str, object]:
    from comptroller.core.verdict import Finding

    if not isinstance(found, (list, tuple)):
        return {"odd": f"answered {_name(found)} where a list of findings belongs"}
    if len(found) > MOST_FOUND:
        return {"odd": f"answered {len(found)} findings, more than {MOST_FOUND}"}
    rows: list[object] = []
    for one in found:
        if not isinstance(one, Finding):
            return {"odd": f"answered {_name(one)} where a Finding belongs"}
        if not isinstance(one.kind, str) or type(one.start) is not int or type(one.end) is not int:
            return {"odd": "answered a Finding whose kind is no text or whose place is no number"}
        rows.append([one.kind[: MOST_NAME + 1], one.start, one.end])
    return {"found": rows}


def _name(thing: object) -> str:
    return type(thing).__name__[:MOST_NAME]


def _told(error: BaseException) -> str:
    """An error by its kind and place. Not its words: they may quote the text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{_name(error)}{place[: 2 * MOST_NAME]}"


# -- its bounds


class _Alarm:
    """Ends this process where it works for too long and nobody is left to end it; the system keeps time."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    def __enter__(self) -> None:
        if sys.platform == "win32":
            faulthandler.dump_traceback_later(self._limit_s, exit=True)
        else:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # whatever the guard made of it before
            signal.setitimer(signal.ITIMER_REAL, self._limit_s)

    def __exit__(self, *_: object) -> None:
        if sys.platform == "win32":
            faulthandler.cancel_dump_traceback_later()
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _bound(memory_mb: int) -> None:
    """Take no more memory than that, and leave no picture of it behind."""
    if sys.platform == "linux":
        import resource

        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_DATA, memory_mb * MB)
        _lower(resource.RLIMIT_AS, (memory_mb + MAPPED_MB) * MB)
    else:
        threading.Thread(target=watch, args=(memory_mb * MB,), daemon=True).start()


def _lower(what: int, to: int) -> None:
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(what)[1]
        to = to if hard == resource.RLIM_INFINITY else min(to, hard)
        resource.setrlimit(what, (to, to))


def watch(most: int, step_s: float = WATCH_S) -> None:
    """Look every now and then how much is taken, where the system sets no such limit itself."""
    stop = threading.Event()
    while not stop.wait(step_s):
        if taken() > most:
            os._exit(OVER_MEMORY)


def taken() -> int:
    """The most bytes of memory this process has had."""
    if sys.platform == "win32":
        return _taken_on_windows()
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _taken_on_windows() -> int:
    import ctypes

    class Counters(ctypes.Structure):
        _fields_ = [("size", ctypes.c_uint32), ("faults", ctypes.c_uint32)] + [
            (name, ctypes.c_size_t)
            for name in ("peak_set", "set", "peak_paged", "paged", "peak_other", "other", "file", "peak_file")
        ]

    counters = Counters(size=ctypes.sizeof(Counters))
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 - there is none elsewhere
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
    kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.size)
    return int(counters.peak_file)
