"""A process in which one guard from elsewhere sits, as seen from here: started, asked, ended."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from comptroller.guardrails.guard import GROUP, Installed, Unanswered
from comptroller.guardrails.pipe import Gone, Late, TooLong, open_pipe

START_S = 10.0  # for an interpreter and the guard's own imports
LINGER_S = 2.0  # beyond the time limit, after which a process that nobody ends, ends itself
MOST_TEXT = 16 << 20  # bytes of one text that is sent
MOST_ANSWER = 4 << 20
NUMBER = struct.Struct("!I")
OVER_MEMORY = 86
# What a guard may see of our environment: where things lie and how people write. None of it is a credential; whatever
# else a guard needs is given to it under a name that begins with GUARD_.
_PLAIN = (
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR TEMP TMP SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT "
    "USERPROFILE APPDATA LOCALAPPDATA PROGRAMDATA NUMBER_OF_PROCESSORS LD_LIBRARY_PATH DYLD_LIBRARY_PATH VIRTUAL_ENV "
    "CONDA_PREFIX OMP_NUM_THREADS CUDA_VISIBLE_DEVICES SSL_CERT_FILE SSL_CERT_DIR HF_HOME HF_HUB_OFFLINE"
)
PASSED = frozenset(_PLAIN.split())
PREFIXES = ("GUARD_", "LC_", "PYTHON", "XDG_")
_PROGRAM = "import sys; sys.path[:] = {path!r}; from comptroller.guardrails.child import main; main()"


class Broken(Unanswered):
    """The process is of no more use."""


class Odd(Unanswered):
    """The guard did not answer as guards do; its process goes on."""


class NotYet(Unanswered):
    """There is none that could answer now."""


class Seat:
    """One process. Used by one thread at a time."""

    def __init__(self, guard: Installed, limit_ms: int, memory_mb: int) -> None:
        self._limit_ms, self._memory_mb = limit_ms, memory_mb
        self._maker = os.getpid()
        self._process = _start()
        self._pipe = open_pipe(self._process, MOST_ANSWER)
        self._until = time.monotonic() + START_S
        self.was_ready = False
        self._asked = 0
        hello = {"name": guard.name, "value": guard.value, "group": GROUP, "memory_mb": memory_mb}
        times = {"start_s": START_S + LINGER_S, "limit_s": limit_ms / 1000 + LINGER_S}
        self._hello = json.dumps({**hello, **times}).encode()

    @property
    def process(self) -> int:
        """Its number."""
        return self._process.pid

    def ready(self, wait: bool) -> None:
        """Return once the guard is loaded; without `wait`, or after all of its time, fail."""
        if self.was_ready:
            return
        try:
            if self._hello:
                self._pipe.send(self._hello, self._until)
                self._hello = b""
            answer = _read(self._pipe.receive(self._until if wait else time.monotonic()))
        except Late:
            if time.monotonic() < self._until:
                raise NotYet("it is still starting") from None
            raise Broken(f"it did not start within {START_S:.0f} s") from None
        except (Gone, TooLong) as end:
            raise Broken(self._how(end)) from None
        if answer.get("ready") is not True:
            raise Broken(f"it {_words(answer)}")
        self.was_ready = True

    def ask(self, text: str) -> list[tuple[str, int, int]]:
        """The kinds and places of what the guard found."""
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > MOST_TEXT:
            raise Odd(f"a text of {len(data)} bytes is longer than it is given ({MOST_TEXT})")
        self._asked = (self._asked + 1) & 0xFFFFFFFF
        number, until = NUMBER.pack(self._asked), time.monotonic() + self._limit_ms / 1000
        try:
            self._pipe.send(number + data, until)
            answer = self._pipe.receive(until)
        except Late:
            raise Broken(f"no answer within {self._limit_ms} ms (limits.guard_ms); it was killed") from None
        except (Gone, TooLong) as end:
            raise Broken(self._how(end)) from None
        if answer[: NUMBER.size] != number:
            raise Broken("it spoke without being asked; it was killed")
        return self._found(_read(answer[NUMBER.size :]))

    def _found(self, answer: Mapping[str, Any]) -> list[tuple[str, int, int]]:
        if answer.get("memory") is True:
            raise Broken(self._too_much())
        found = answer.get("found")
        if not isinstance(found, list):
            raise Odd(f"it {_words(answer)}")
        try:
            return [(kind, start, end) for kind, start, end in found]
        except (TypeError, ValueError):
            raise Broken("it answered rubbish; it was killed") from None

    def _how(self, end: Exception) -> str:
        """How the process ended, as far as anybody can say."""
        if isinstance(end, TooLong):
            return f"its answer is longer than {MOST_ANSWER} bytes; it was killed"
        try:
            code = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            return "it closed its pipe; it was killed"
        if code == OVER_MEMORY:
            return self._too_much()
        return f"its process died with signal {_signal(-code)}" if code < 0 else f"its process ended with code {code}"

    def _too_much(self) -> str:
        return f"it took more than {self._memory_mb} MB of memory (limits.guard_mb); it was killed"

    def end(self) -> None:
        """Kill the process, and what it may have started; nothing it could still do counts."""
        self.kill()
        if self._maker != os.getpid():
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._pipe.close()

    def kill(self) -> None:
        """The process alone: whoever waits for its answer finds out, and lets go of the pipe when done with it."""
        if self._maker != os.getpid() or self._process.returncode is not None:
            return
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def leave(self) -> None:
        """This is a fork: the process is its parent's, and must see its pipe closed when that one ends."""
        self._pipe.close()
        self._process.returncode = 0  # not ours to wait for


def _start() -> "subprocess.Popen[bytes]":
    """An interpreter of its own, in a session of its own: no Ctrl-C at our terminal is meant for it."""
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(path=[str(place) for place in sys.path])],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=surroundings(os.environ),
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, ValueError) as error:
        raise Broken(f"no process could be started for it ({type(error).__name__})") from None


def surroundings(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment a guard is given: nothing that could be a credential of ours."""
    return {name: value for name, value in ours.items() if name.upper() in PASSED or name.upper().startswith(PREFIXES)}


def _read(message: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(message)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise Broken("it answered rubbish; it was killed")
    return answer


def _words(answer: Mapping[str, Any]) -> str:
    odd = answer.get("odd")
    return odd[:400] if isinstance(odd, str) else "answered rubbish"


def _signal(number: int) -> str:
    with suppress(ValueError):
        return f"{number} ({signal.Signals(number).name})"
    return str(number)
