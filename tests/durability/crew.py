"""Processes at work on one ledger, watched through one pipe and ended, every one, by its own id."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


class Crew:
    """Agent processes and what they say; forked children of theirs count as well."""

    def __init__(self, ledger: Path, url: str) -> None:
        self.ledger, self.url = ledger, url
        self.notes = ledger.with_name("returned")
        self.returned: Counter[int] = Counter()  # by process
        self.words: dict[int, str] = {}  # the last thing each said of itself
        self.killed: set[int] = set()
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        self._reading, self._writing = os.pipe()
        self._rest = b""

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started.values():
            process.kill()
            process.communicate()  # its standard input ends, and with it whatever it forked
        if self._writing >= 0:
            os.close(self._writing)
        os.close(self._reading)

    def start(self, calls: int, threads: int, seed: int, forks: int = 0, segment_kb: int = 1024) -> int:
        """Start an agent; returns its process id."""
        options = {"calls": calls, "threads": threads, "seed": seed, "forks": forks, "segment_kb": segment_kb}
        command = [sys.executable, "-W", "ignore", "-m", "tests.durability.agent"]
        command += [str(self.ledger), self.url, str(self.notes)]
        command += [f"--{name}={value}" for name, value in options.items()]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=self._writing)
        self._started[process.pid] = process
        return process.pid

    def started(self) -> None:
        """No more will be started: what they say ends when the last of them does."""
        os.close(self._writing)
        self._writing = -1

    def until(self, enough: Callable[[], bool]) -> bool:
        """Listen until it is enough; False when all have ended before."""
        while not enough():
            heard = self._hear()
            if not heard:
                return False
            for line in heard:
                self._note(*line.decode().split(" ", 1))
        return True

    def total(self) -> int:
        return sum(self.returned.values())

    def alive(self) -> list[int]:
        """Who is at work and neither done nor dead."""
        return [pid for pid, word in self.words.items() if word == "open" and pid not in self.killed]

    def owner(self) -> int:
        """Who says that it owns the ledger; 0 where nobody does just now."""
        with contextlib.suppress(OSError, ValueError):
            return int(json.loads((self.ledger / "owner.json").read_bytes())["pid"])
        return 0

    def kill(self, pid: int) -> None:
        self.killed.add(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _note(self, pid: str, word: str) -> None:
        if word == "1":
            self.returned[int(pid)] += 1
            word = "open"
        self.words[int(pid)] = word

    def _hear(self) -> list[bytes]:
        ready, _, _ = select.select([self._reading], [], [], PATIENCE_S)
        if not ready:
            raise TimeoutError(f"Nobody has said anything for {PATIENCE_S} s: {self.words}, killed {self.killed}")
        data = os.read(self._reading, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines or ([] if not data else self._hear())


@contextlib.contextmanager
def provider(folder: Path) -> Iterator[tuple[str, Path]]:
    """A provider in a process of its own: where it listens, and a file with one byte for each request it got."""
    noted = folder / "sent"
    noted.touch()
    command = [sys.executable, "-m", "tests.durability.provider", str(noted)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().decode().strip(), noted
        finally:
            process.kill()
