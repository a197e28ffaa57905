"""Approvals at the ledger's owner: one of any number of identical calls passes, whoever dies in between."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comptroller.core.clock import SYSTEM, FrozenClock
from comptroller.core.facts import APPROVAL_ANSWERED, APPROVAL_EXPIRED, APPROVAL_REMINDED, APPROVAL_USED, ASK, Fact
from comptroller.core.settings import Limits, Settings
from comptroller.policies.approvals import Approvals
from comptroller.store import journal
from comptroller.store.ledger import Ledger
from tests.store.passer import HOUR, ask_fact, attempt

PASSER = Path(__file__).with_name("passer.py")
ROOT = Path(__file__).parents[2]
Passer = subprocess.Popen[str]
Open = Callable[..., Ledger]

posix = pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")


def answer(ledger: Ledger, approval: str, word: str = "approve") -> None:
    data = {"approval": approval, "answer": word, "by": "jane"}
    ledger.sync(Fact(APPROVAL_ANSWERED, SYSTEM.new_id(), SYSTEM.now_ns(), "r", "c", data))


def used(folder: Path) -> int:
    return sum(fact.kind == APPROVAL_USED for _, fact in journal.read(folder))


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[[], Passer]]:
    made: list[Passer] = []

    def start_one() -> Passer:
        command = [sys.executable, "-W", "ignore", "-m", "tests.store.passer", str(folder)]
        made.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return made[-1]

    yield start_one
    for passer in made:
        passer.kill()
        passer.communicate()


def hear(passer: Passer) -> str:
    assert passer.stdout is not None
    return passer.stdout.readline().strip()


def go(passer: Passer) -> None:
    assert passer.stdin is not None
    passer.stdin.write("go\n")
    passer.stdin.flush()


def test_a_call_is_asked_for_once_and_passes_once(folder: Path) -> None:
    ledger = Ledger.open(folder, Settings())
    assert [attempt(ledger), attempt(ledger)] == ["pending", "pending"]
    [ask] = [fact for _, fact in journal.read(folder) if fact.kind == ASK]
    answer(ledger, ask.id)
    assert [attempt(ledger), attempt(ledger)] == ["passed", "pending"]
    ledger.close()
    assert used(folder) == 1


def test_a_use_that_is_sent_twice_is_one(folder: Path) -> None:
    ledger = Ledger.open(folder, Settings())
    told = ledger.ask(ask_fact("a1"))
    answer(ledger, told.approval)
    use = Fact(APPROVAL_USED, "u1", SYSTEM.now_ns(), "r", "c", {"approvals": ["a1"]})
    assert [ledger.use(use), ledger.use(use)] == ["", ""]
    other = Fact(APPROVAL_USED, "u2", SYSTEM.now_ns(), "r", "c", {"approvals": ["a1"]})
    assert ledger.use(other) == "it is used"
    ledger.close()
    assert used(folder) == 1


def test_of_several_approvals_all_are_used_or_none(folder: Path) -> None:
    ledger = Ledger.open(folder, Settings())
    for id in ("a1", "a2"):
        ledger.ask(ask_fact(id, digest=id))
    answer(ledger, "a1")
    both = Fact(APPROVAL_USED, "u1", SYSTEM.now_ns(), "r", "c", {"approvals": ["a1", "a2"]})
    assert ledger.use(both) == "it is pending"
    answer(ledger, "a2")
    assert ledger.use(both) == ""
    ledger.close()


@pytest.mark.parametrize("roll", [False, True])
def test_what_was_approved_is_known_after_a_restart_and_over_segments(folder: Path, roll: bool) -> None:
    settings = Settings(limits=Limits(segment_mb=1))
    ledger = Ledger.open(folder, settings)
    told = ledger.ask(ask_fact("a1", of=["finance"]))
    answer(ledger, told.approval)
    if roll:
        for number in range(30):
            ledger.record(Fact("claim", f"f{number}", SYSTEM.now_ns(), data={"subject": "x" * 100_000}))
    ledger.close()
    ledger = Ledger.open(folder, settings)
    assert [attempt(ledger), attempt(ledger)] == ["passed", "pending"]
    ledger.close()


@posix
def test_of_identical_calls_in_several_processes_one_passes(folder: Path, start: Callable[[], Passer]) -> None:
    passers = [start() for _ in range(4)]
    assert Counter(hear(passer) for passer in passers) == {"open True": 1, "open False": 3}
    go(passers[0])
    assert hear(passers[0]) == "pending"
    ledger = Ledger.open(folder, Settings())
    for _ in range(5):
        assert attempt(ledger) == "pending"  # where all who lost had lost at the last moment, nobody asked anew yet
        pending = next(fact for _, fact in reversed([*journal.read(folder)]) if fact.kind == ASK)
        answer(ledger, pending.id)
        for passer in passers:
            go(passer)
        said = Counter(hear(passer) for passer in passers)
        assert said["passed"] == 1
    ledger.close()
    assert used(folder) == 5


@posix
def test_killed_between_approval_and_use_a_call_still_passes_once(folder: Path, start: Callable[[], Passer]) -> None:
    first, second = start(), None
    assert hear(first) == "open True"
    second = start()
    assert hear(second) == "open False"
    go(first)
    assert hear(first) == "pending"
    ledger = Ledger.open(folder, Settings())
    answer(ledger, next(fact.id for _, fact in journal.read(folder) if fact.kind == ASK))
    os.kill(json.loads((folder / "owner.json").read_text())["pid"], signal.SIGKILL)
    first.wait()
    go(second)
    said = [hear(second), attempt(ledger), attempt(ledger)]
    assert Counter(said) == {"passed": 1, "pending": 2}
    ledger.close()
    assert used(folder) == 1


@posix
def test_killed_amid_many_uses_none_is_used_twice(folder: Path, start: Callable[[], Passer]) -> None:
    passed = 0
    for _ in range(4):
        passers = [start(), start()]
        for passer in passers:
            hear(passer)
        go(passers[0])
        assert hear(passers[0]) in ("pending", "passed")
        ledger = Ledger.open(folder, Settings())
        for _, fact in [*journal.read(folder)]:
            if fact.kind == ASK:
                answer(ledger, fact.id)
        for passer in passers:
            go(passer)
        passers[0].kill()
        said = [hear(passer) for passer in passers]
        passed += said.count("passed")
        for passer in passers:
            passer.kill()
            passer.wait()
        ledger.close()
    uses = [id for _, fact in journal.read(folder) if fact.kind == APPROVAL_USED for id in fact.data["approvals"]]  # type: ignore[attr-defined]
    assert len(uses) == len(set(uses))
    assert len(uses) >= passed >= 2


def test_time_alone_reminds_escalates_and_expires_on_record(
    folder: Path, clock: FrozenClock, open_ledger: Open
) -> None:
    ledger = open_ledger()
    now = clock.now_ns()
    times = {"within": HOUR, "until": now + HOUR, "remind": HOUR // 4, "after": HOUR // 2}
    said = {"rule": "r", "version": "v", "digest": "d", "of": ["finance"], "escalate": ["cfo"]}
    ledger.ask(Fact(ASK, "a1", now, data={**said, **times}))
    owner = ledger._owner
    assert owner is not None
    for _ in range(8):
        clock.tick(600)
        owner.sweep()
    found = Counter(fact.kind for _, fact in journal.read(folder))
    assert found[APPROVAL_REMINDED] == 2
    assert (found["approval.escalated"], found[APPROVAL_EXPIRED]) == (1, 1)
    approval = Approvals().fold(fact for _, fact in journal.read(folder)).approvals["a1"]
    assert (approval.state, approval.of) == ("expired", ("finance", "cfo"))


def test_a_snapshot_gives_an_equal_register() -> None:
    register = Approvals().fold([ask_fact("a1", of=["finance"], escalate=["cfo"]), ask_fact("a2", digest="e")])
    register.apply(
        Fact(APPROVAL_ANSWERED, "v", SYSTEM.now_ns(), data={"approval": "a1", "answer": "approve", "by": "j"})
    )
    assert Approvals.restore(register.snapshot()) == register  # type: ignore[arg-type]
