"""A program run in our place: its input and output untouched, signals passed on, its exit code ours."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from comptroller.core.errors import ComptrollerError

_PASSED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_FROM_THE_KEYBOARD = ("SIGINT", "SIGQUIT")


class Unstartable(ComptrollerError):
    """The program cannot be started; `code` is what a shell would exit with."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program to its end; its exit code, 128+n where signal n ended it."""
    with _passing_signals() as child:
        code = child.start(command, environment).wait()
    return 128 - code if code < 0 else code


class _Child:
    """The program, once it is there, and the signals that came for it before."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            # Descriptors it was handed are the child's business too; ours are not inherited.
            process = subprocess.Popen(_found(command, environment), env=dict(environment), close_fds=False)
        except FileNotFoundError:
            raise Unstartable(f"{command[0]}: there is no such program. Check its name and PATH.", 127) from None
        except OSError as error:
            raise Unstartable(f"{command[0]}: cannot be started: {error.strerror}.", 126) from None
        self._process = process
        for number in self._early:
            process.send_signal(number)
        return process

    def tell(self, number: int, frame: FrameType | None) -> None:
        """Pass a signal on, unless the terminal has sent it to both of us already."""
        if signal.Signals(number).name in _FROM_THE_KEYBOARD and _in_the_foreground():
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)


@contextmanager
def _passing_signals() -> Iterator[_Child]:
    child, before = _Child(), {}
    for number in [getattr(signal, name) for name in _PASSED if hasattr(signal, name)]:
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup and the like the child ignores it too
            before[number] = signal.signal(number, child.tell)
    try:
        yield child
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _found(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    if sys.platform != "win32":
        return list(command)
    # Windows starts `npx.cmd` only by its whole name.
    return [shutil.which(command[0], path=environment.get("PATH")) or command[0], *command[1:]]


def _in_the_foreground() -> bool:
    """True where Ctrl-C at the terminal reaches us and, as one of our process group, the child as well."""
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
