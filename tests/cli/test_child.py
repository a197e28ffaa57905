"""A program run in our place: what goes in, what comes out, how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from comptroller.cli.child import Unstartable, run_child

# Runs run_child in a process of its own, away from the test's terminal and signals.
PARENT = """
import os, sys
from comptroller.cli.child import run_child
sys.exit(run_child(sys.argv[1:], os.environ))
"""


def parent(*command: str, before: str = "", **more: object) -> "subprocess.Popen[bytes]":
    line = [sys.executable, "-c", before + PARENT, *command]
    return subprocess.Popen(line, stdout=subprocess.PIPE, start_new_session=True, **more)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_childs(code: int) -> None:
    assert run_child([sys.executable, "-c", f"raise SystemExit({code})"], os.environ) == code


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_child_ended_by_a_signal_ends_as_in_a_shell() -> None:
    line = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run_child([sys.executable, "-c", line], os.environ) == 137


def test_a_program_that_is_not_there_is_said_with_the_code_of_a_shell(tmp_path: Path) -> None:
    with pytest.raises(Unstartable, match="there is no such program") as caught:
        run_child([str(tmp_path / "nowhere")], os.environ)
    assert caught.value.code == 127


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
def test_a_file_that_is_no_program_is_said_with_the_code_of_a_shell(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(Unstartable, match="cannot be started") as caught:
        run_child([str(tmp_path / "data")], os.environ)
    assert caught.value.code == 126


def test_input_and_output_pass_untouched() -> None:
    line = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    data = os.urandom(1 << 20)
    with parent(sys.executable, "-c", line, stdin=subprocess.PIPE) as process:
        out, _ = process.communicate(data)
    assert out == data


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_signals_reach_the_child_which_decides_what_they_mean(name: str) -> None:
    line = (
        "import signal, sys\n"
        f"signal.signal(signal.{name}, lambda *_: sys.exit(42))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()"
    )
    with parent(sys.executable, "-c", line) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(getattr(signal, name))
        assert process.wait(30) == 42


@pytest.mark.skipif(sys.platform == "win32", reason="terminals")
def test_ctrl_c_at_a_terminal_reaches_the_child_once() -> None:
    line = (
        "import signal, sys\n"
        "seen = []\n"
        "signal.signal(signal.SIGINT, lambda *_: (seen.append(1), print('seen', flush=True)))\n"
        "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(len(seen)))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()"
    )
    take = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    keyboard, terminal = os.openpty()
    with (
        open(keyboard, "wb", buffering=0) as keys,
        open(terminal, "rb", buffering=0) as end,
        parent(sys.executable, "-c", line, before=take, stdin=end) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        keys.write(b"\x03")
        assert process.stdout.readline() == b"seen\n"
        process.send_signal(signal.SIGUSR1)  # would come after a second one
        assert process.wait(30) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_child_that_lets_a_signal_end_it_gives_128_and_the_signal() -> None:
    line = "import signal; signal.signal(signal.SIGINT, signal.SIG_DFL); print(1, flush=True); signal.pause()"
    with parent(sys.executable, "-c", line) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_we_were_told_to_ignore_the_child_ignores_too() -> None:
    line = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with parent(sys.executable, "-c", line) as process:
            out, _ = process.communicate()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert out == b"True\n"


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    run_child([sys.executable, "-c", ""], os.environ)
    assert signal.getsignal(signal.SIGINT) is before
