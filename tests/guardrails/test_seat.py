"""A guard from elsewhere sits in a process of its own: whatever it does there, the text is refused and we go on."""

import json
import os
import select
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.verdict import Finding
from comptroller.guardrails import pipe, row
from comptroller.guardrails import seat as seats
from comptroller.guardrails.bench import Bench, GuardFailed
from comptroller.guardrails.chain import Chain
from comptroller.guardrails.guard import Installed, installed_guards
from comptroller.guardrails.seat import MOST_TEXT, Broken, Seat, surroundings

CODE = '''
import ctypes, json, os, sys, time
from comptroller.core.verdict import Finding


class Moody:
    """Does what the text says."""

    name = "moody"

    def inspect(self, text):
        return getattr(self, text.partition(" ")[0], lambda text: [])(text)

    def find(self, text):
        return [Finding("moody", "word", 5, len(text))]

    def raises(self, text):
        raise ValueError("I will not say " + text)

    def leaves(self, text):
        sys.exit(3)

    def hangs(self, text):
        time.sleep(600)

    def spins(self, text):
        while True:
            pass

    def crashes(self, text):
        ctypes.string_at(0)

    def grows(self, text):
        kept = []
        while True:
            kept.append(bytearray(1 << 24))

    def huge(self, text):
        return [Finding("moody", "word", 0, 1)] * 1_000_000

    def nothing(self, text):
        return None

    def numbers(self, text):
        return [1, 2]

    def outside(self, text):
        return [Finding("moody", "word", 0, 10_000)]

    def wordy(self, text):
        return [Finding("moody", "word" * 100, 0, 1)]

    def prints(self, text):
        print("out of turn", flush=True)
        print("and here", file=sys.stderr, flush=True)
        os.write(1, b"more")
        assert sys.stdin.read() == ""
        return [Finding("moody", "word", 0, 1)]

    def closes(self, text):
        os.closerange(3, 64)
        time.sleep(600)

    def scribbles(self, text):
        for descriptor in range(3, 16):
            try:
                os.write(descriptor, b"\\x00\\x00\\x00\\x0brubbish 123")
            except OSError:
                pass
        return []

    def shouts(self, text):
        for descriptor in range(3, 16):
            try:
                os.write(descriptor, b"\\xff\\xff\\xff\\xff")
            except OSError:
                pass
        time.sleep(600)

    def forks(self, text):
        os.fork()
        return [Finding("moody", "word", 0, 1)]

    def surroundings(self, text):
        with open(text.partition(" ")[2], "w") as file:
            json.dump({"names": sorted(os.environ), "pid": os.getpid(), "cwd": os.getcwd()}, file)
        return []


class Unloadable:
    def __init__(self):
        raise RuntimeError("no model here")


NO_GUARD = 42
'''
PLAN = {"moody": "redact"}


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A package that offers guards, as pip leaves one."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "moody_guards.py").write_text(textwrap.dedent(CODE))
    about = folder / "moody_guards-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: moody-guards\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[comptroller.guards]\nmoody = moody_guards:Moody\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture
def chain() -> Iterator[Chain]:
    chain = Chain(installed_guards(), limit_ms=5000, clock=FrozenClock(), memory_mb=128)
    yield chain
    chain.close()


def failure(chain: Chain, text: str) -> str:
    seen = chain.inspect(text, PLAN)  # type: ignore[arg-type]
    assert (seen.action, seen.failed, seen.text) == ("deny", "moody", text)
    return seen.because


def test_an_installed_guard_is_known_without_loading_it() -> None:
    assert installed_guards() == [Installed("moody", "moody_guards:Moody", "moody-guards 1.2")]
    assert "moody_guards" not in sys.modules


def test_it_takes_part(chain: Chain) -> None:
    seen = chain.inspect("find Jäne \ud800", PLAN)  # type: ignore[arg-type]
    assert (seen.action, seen.text) == ("redact", "find [moody:word]")
    assert seen.findings == (Finding("moody", "word", 5, 11),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raises", "it raised ValueError at moody_guards.py:"),
        ("leaves", "it raised SystemExit at moody_guards.py:"),
        ("nothing", "it answered NoneType where a list of findings belongs."),
        ("numbers", "it answered int where a Finding belongs."),
        ("huge", "it answered 1000000 findings, more than 10000."),
        ("outside", "its finding 0..10000 lies outside the text."),
        ("wordy", "the kind of its finding is longer than 80 characters."),
    ],
)
def test_an_answer_that_is_none_refuses_and_the_process_goes_on(chain: Chain, text: str, reason: str) -> None:
    for _ in range(3):
        assert f"The guard moody failed: {reason}" in failure(chain, text)
    assert chain.inspect("find it", PLAN).action == "redact"  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="what signals and forks are there, they are not here")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("crashes", "its process died with signal 11 (SIGSEGV)."),
        ("scribbles", "it spoke without being asked; it was killed."),
        ("shouts", "its answer is longer than 4194304 bytes; it was killed."),
        ("closes", "it closed its pipe; it was killed."),
    ],
)
def test_a_process_that_breaks_is_replaced(chain: Chain, text: str, reason: str) -> None:
    assert f"The guard moody failed: {reason}" in failure(chain, text)
    assert chain.inspect("find it", PLAN).action == "redact"  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is watched, see test_child")
def test_a_guard_that_takes_memory_without_end_is_killed(chain: Chain) -> None:
    assert "it took more than 128 MB of memory (limits.guard_mb); it was killed." in failure(chain, "grows")
    assert chain.inspect("find it", PLAN).action == "redact"  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["hangs", "spins"])
@pytest.mark.parametrize("make", [pipe.Polled, pipe.Threaded])
def test_a_guard_that_never_answers_is_killed(monkeypatch: pytest.MonkeyPatch, make: object, text: str) -> None:
    monkeypatch.setattr("comptroller.guardrails.seat.open_pipe", make)
    chain = Chain(installed_guards(), limit_ms=50)
    assert "no answer within 50 ms (limits.guard_ms); it was killed." in failure(chain, text)
    chain.close()


@pytest.mark.parametrize("text", ["crashes", "closes", "shouts", "scribbles"])
def test_both_kinds_of_pipe_contain_the_same(monkeypatch: pytest.MonkeyPatch, chain: Chain, text: str) -> None:
    monkeypatch.setattr("comptroller.guardrails.seat.open_pipe", pipe.Threaded)
    assert "The guard moody failed: it" in failure(chain, text)
    assert chain.inspect("find it", PLAN).action == "redact"  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["prints it", "forks it"])
def test_what_it_prints_or_forks_reaches_nobody(chain: Chain, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert chain.inspect(text, PLAN).action == "redact"  # type: ignore[arg-type]
    assert capfd.readouterr() == ("", "")


def test_a_text_beyond_all_bounds_is_refused(chain: Chain) -> None:
    assert "is longer than it is given" in failure(chain, "x" * (MOST_TEXT + 1))


def test_nothing_that_may_be_a_credential_is_in_its_environment(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("COMPTROLLER_MASTER_KEY", "k")
    monkeypatch.setenv("GUARD_MODEL", "small")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    chain.inspect(f"surroundings {tmp_path}/seen", PLAN)  # type: ignore[arg-type]
    names = set(json.loads((tmp_path / "seen").read_text())["names"])
    assert {"GUARD_MODEL", "LC_ALL", "PATH"} <= names
    assert names <= set(surroundings(os.environ))
    assert not {"OPENAI_API_KEY", "COMPTROLLER_MASTER_KEY"} & names


def test_a_guard_that_breaks_again_and_again_is_left_alone_for_a_while() -> None:
    clock, started = FrozenClock(), []
    bench = Bench(5000, 128, clock)
    guard = installed_guards()[0]

    def ask(text: str) -> str:
        with pytest.raises(GuardFailed) as failed:
            bench.run(guard, text)
        return str(failed.value)

    assert "SIGSEGV" in ask("crashes")
    seats = bench._rows["moody"]
    make = seats._make
    seats._make = lambda: started.append(1) or make()  # type: ignore[func-returns-value]
    assert "SIGSEGV" in ask("crashes")  # the first time it is replaced at once
    for _ in range(20):
        assert "it broke 2 times, and is left alone for 0.5 s: its process died with signal 11" in ask("find it")
    clock.tick(0.5)
    assert "SIGSEGV" in ask("crashes")
    assert "left alone for 1.0 s" in ask("find it")
    clock.tick(1)
    assert bench.run(guard, "find it")
    assert len(started) == 3
    bench.close()


def test_enough_good_answers_make_up_for_a_break() -> None:
    clock = FrozenClock()
    seats = row.Row(installed_guards()[0], 5000, 128, clock)
    for _ in range(3):
        with pytest.raises(row.Broken):
            seats.ask("crashes")
        for _ in range(row.FORGIVEN):
            seats.ask("find it")
    seats.close()


def test_a_guard_that_does_not_load_says_so_and_is_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, told in [
        ("moody_guards:Unloadable", "it could not be loaded: RuntimeError at moody_guards.py:"),
        ("moody_guards:NO_GUARD", "it is no guard: moody_guards:NO_GUARD has no `inspect(text)`"),
        ("nowhere_at_all:Guard", "it could not be loaded: ModuleNotFoundError"),
    ]:
        seats = row.Row(Installed("moody", value), 5000, 128, FrozenClock())
        with pytest.raises(row.Broken, match=told.replace("(", r"\(").replace(")", r"\)")):
            seats.ask("find it")
        with pytest.raises(row.NotYet, match="it is still starting"):
            seats.ask("find it")
        seats.close()


def test_two_processes_answer_many_threads() -> None:
    chain = Chain(installed_guards(), limit_ms=5000)
    pids, answers = set(), []
    together = threading.Barrier(6)

    def ask() -> None:
        together.wait()
        for _ in range(20):
            answers.append(chain.inspect("find it", PLAN).action)  # type: ignore[arg-type]
            pids.update(seat.process for seat in list(chain._bench._rows["moody"]._seats))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain.close()
    assert answers == ["redact"] * 120
    assert 1 <= len(pids) <= row.MOST


def test_closing_ends_the_processes_and_the_next_text_starts_one(chain: Chain) -> None:
    chain.inspect("find it", PLAN)  # type: ignore[arg-type]
    (seat,) = chain._bench._rows["moody"]._seats
    chain.close()
    assert seat._process.returncode is not None
    assert chain.inspect("find it", PLAN).action == "redact"  # type: ignore[arg-type]


def test_closing_takes_no_pipe_from_under_a_text_that_is_on_its_way() -> None:
    chain = Chain(installed_guards(), limit_ms=20_000, clock=FrozenClock(), memory_mb=128)
    chain.inspect("find it", PLAN)  # type: ignore[arg-type]
    made = chain._bench._rows["moody"]
    seat = made._take()  # a text is on its way
    chain.close()
    assert not seat._pipe._files[0].closed  # type: ignore[attr-defined]
    with pytest.raises(Broken, match="SIGKILL" if sys.platform != "win32" else "code"):
        seat.ask("find it")
    made._give_back(seat)
    assert seat._pipe._files[0].closed  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_guard_that_never_loads_ends_itself_where_nobody_is_left_to_end_it(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "sleepy_guards.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(seats, "START_S", -seats.LINGER_S + 0.2)
    seat = Seat(Installed("sleepy", "sleepy_guards:Sleepy"), 1000, 128)
    seat._until += 30  # we are not who ends it
    try:
        with pytest.raises(Broken, match="SIGALRM"):
            seat.ready(wait=True)
    finally:
        seat.end()


PARENT = """
import os, sys, json
from comptroller.guardrails.chain import Chain
from comptroller.guardrails.guard import installed_guards
chain = Chain(installed_guards(), limit_ms=5000)
def pid(name):
    assert chain.inspect(f"surroundings {sys.argv[1]}/{name}", {"moody": "note"}).action == "allow"
    with open(f"{sys.argv[1]}/{name}") as file:
        return json.load(file)["pid"]
first = pid("first")
child = os.fork()
if not child:
    assert pid("forked") != first
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert pid("again") == first
print(first, flush=True)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and waits for a process that is not ours")
@pytest.mark.parametrize("end", ["orderly", "killed"])
def test_a_fork_has_its_own_and_all_end_with_their_parent(package: Path, tmp_path: Path, end: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PARENT, str(tmp_path), end],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(package), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stderr == ""
    assert run.returncode == (0 if end == "orderly" else -9)
    assert _ends(int(run.stdout))


def _ends(pid: int) -> bool:
    """Whether a process ends, which may take until it is its turn."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = bool(select.select([process], [], [], 30)[0])
    os.close(process)
    return ended
