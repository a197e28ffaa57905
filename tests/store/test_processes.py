import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from comptroller.core.facts import CALL_OPENED, HOLD_EXPIRED, LEDGER_OPENED, Fact
from comptroller.core.settings import Settings
from comptroller.metering.budget import Purse
from comptroller.store import journal
from comptroller.store.ledger import Ledger

WORKER = Path(__file__).with_name("worker.py")
KEY, UNIT = "run:r|", "USD"
Worker = subprocess.Popen[str]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills and forks as POSIX does")


@pytest.fixture
def start(folder: Path) -> Iterator[object]:
    made: list[Worker] = []

    def start_one(what: str, name: str) -> Worker:
        command = [sys.executable, "-W", "ignore", str(WORKER), what, str(folder), name]
        made.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return made[-1]

    yield start_one
    for worker in made:
        worker.kill()
        worker.communicate()


def tell(worker: Worker, calls: int) -> None:
    assert worker.stdin is not None
    worker.stdin.write(f"{calls}\n")
    worker.stdin.flush()


def lines(worker: Worker, count: int = -1) -> list[str]:
    """The next lines a worker says; up to its word that it is done, or its end, where no count is given."""
    assert worker.stdout is not None
    said: list[str] = []
    while len(said) != count and (line := worker.stdout.readline().strip()) and line != "done":
        said.append(line)
    return said


def check(folder: Path, acknowledged: list[str]) -> list[Fact]:
    """What must be true whatever happened: nothing lost or doubled, the chain whole, the purse the sum of facts."""
    ledger = Ledger.open(folder, Settings())
    counted = ledger.counter(KEY, UNIT)
    ledger.close()
    facts = [fact for _, fact in journal.read(folder)]
    seen = Counter(fact.id for fact in facts)
    assert [fact for fact in acknowledged if seen[fact] != 1] == []
    assert [fact for fact, times in seen.items() if times != 1] == []
    assert journal.verify(folder).ok
    purse = Purse()
    for fact in facts:
        purse.apply(fact)
    assert not purse.live()
    assert counted == purse.counter(KEY, UNIT)
    return facts


def owner_of(folder: Path) -> int:
    return int(json.loads((folder / "owner.json").read_text())["pid"])


def test_owners_killed_among_writers_lose_nothing_that_was_acknowledged(start, folder: Path) -> None:
    workers = {name: start("serve", name) for name in "abcd"}
    said: dict[str, list[str]] = {name: [] for name in workers}
    assert sorted(lines(worker, 1)[0] for worker in workers.values()) == ["open False"] * 3 + ["open True"]
    for _ in range(2):
        for worker in workers.values():
            tell(worker, 120)
        pid = owner_of(folder)
        watched = next(name for name, worker in workers.items() if worker.pid != pid)
        said[watched] += lines(workers[watched], 30)
        os.kill(pid, signal.SIGKILL)
        for name, worker in workers.items():
            said[name] += lines(worker)
        dead = next(name for name, worker in workers.items() if worker.pid == pid)
        workers.pop(dead).wait()
    assert [len(said[name]) for name in workers] == [240, 240]
    for worker in workers.values():
        worker.communicate()
    facts = check(folder, [line for acknowledged in said.values() for line in acknowledged])
    assert len([fact for fact in facts if fact.kind == LEDGER_OPENED]) >= 3
    opened = {fact.call for fact in facts if fact.kind == CALL_OPENED}
    expired = {fact.call for fact in facts if fact.kind == HOLD_EXPIRED}
    assert expired <= opened
    assert not any(name.startswith(tuple(workers)) for name in expired)


def test_a_process_killed_in_its_calls_leaves_a_ledger_that_foots(start, folder: Path) -> None:
    said: list[str] = []
    for number in range(6):
        worker = start("serve", f"k{number}")
        assert lines(worker, 1) == ["open True"]
        tell(worker, 10_000)
        said += lines(worker, 20 + 15 * number)
        worker.kill()
        said += [line for line in lines(worker) if line.count("-") == 2]
    facts = check(folder, said)
    assert len([fact for fact in facts if fact.kind == HOLD_EXPIRED]) <= 6


def test_children_of_a_fork_make_calls_of_their_own(start, folder: Path) -> None:
    said = lines(start("fork", "p"))
    assert said[0] == "open True"
    assert "codes [0, 0, 0, 0, 0, 0]" in said
    calls = [line for line in said if line.startswith("c-")]
    assert sum(line.startswith("c-p-f") for line in calls) == 6 * 20
    check(folder, calls)


def test_a_child_takes_over_when_its_parent_is_killed(start, folder: Path) -> None:
    said = lines(start("outlive", "p"))
    assert said[1:] == ["c-p-child", "local True"]
    facts = check(folder, ["parent", "c-p-child"])
    assert [fact.kind for fact in facts].count(LEDGER_OPENED) == 3


def test_a_file_that_may_not_grow_stops_calls_and_loses_none(start, folder: Path) -> None:
    said = lines(start("fill", "p"))
    [full] = [line for line in said if line.startswith("full")]
    assert "00000001.ndjson: cannot be written: File too large. Raise the file size limit" in full
    assert said[-1] == "c-p-after"
    check(folder, [line for line in said if line.startswith("c-")])
