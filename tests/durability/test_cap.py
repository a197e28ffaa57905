"""One cap, many who spend from it at once: threads, tasks and processes are never admitted past it by a nano."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.facts import Fact
from comptroller.metering.budget import Purse
from comptroller.store import journal
from tests.durability.aftermath import check
from tests.durability.crew import ROOT, provider

RUN = "0190000000007000800000000000aaaa"
CAP = 8_000_000  # nanos; a call may cost some 80,000 and costs 35,000 in the mean


def spend(folder: Path, how: str, number: int, processes: int, options: Sequence[str]) -> Counter[str]:
    """Let processes spend until nothing is left; what their calls came to."""
    made: list[subprocess.Popen[str]] = []
    with provider(folder) as (url, sent):
        command = [sys.executable, "-W", "ignore", "-m", "tests.durability.spender", str(folder / "ledger"), url]
        command += [how, str(number), *options]
        try:
            for _ in range(processes):
                pipe = subprocess.PIPE
                made.append(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
            for process in made:
                assert process.stdout is not None
                assert process.stdout.readline() == "open\n"
            for process in made:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            counts = [Counter(json.loads(process.communicate(timeout=60)[0])) for process in made]
        finally:
            for process in made:
                process.kill()
                process.communicate()
        check(folder / "ledger", folder / "none", sent.stat().st_size)
    return sum(counts, Counter())


def never_past(ledger: Path, unit: str, cap: int) -> int:
    """Fold the journal fact by fact: what was settled and held never passed the cap; returns what was settled."""
    purse, fullest, key = Purse(), 0, ""
    for _, fact in journal.read(ledger):
        purse.apply(fact)
        key = key or next((row[0] for row in lines(fact) if row[1:2] == [unit] and row[3:] == [cap]), "")
        settled, held = purse.counter(key, unit)
        assert settled + held <= cap, f"{fact.kind} {fact.id}: settled {settled}, held {held}"
        fullest = max(fullest, settled + held)
    settled, held = purse.counter(key, unit)
    assert held == 0
    assert fullest > 0.9 * cap
    return settled


def lines(fact: Fact) -> list[list[Any]]:
    hold: Any = fact.data.get("hold") or {}
    found: list[list[Any]] = hold.get("lines", [])
    return found


@pytest.mark.parametrize(("how", "number", "processes"), [("threads", 32, 1), ("tasks", 200, 1), ("threads", 8, 4)])
def test_nobody_is_admitted_past_the_cap_of_a_run(tmp_path: Path, how: str, number: int, processes: int) -> None:
    count = spend(tmp_path, how, number, processes, ["--run", RUN, "--budget", "0.008 USD"])
    assert set(count) == {"ok", "over budget"}
    assert count["over budget"] == 3 * number * processes
    settled = never_past(tmp_path / "ledger", "USD", CAP)
    assert settled > 0.5 * CAP
    assert count["ok"] > 50


@pytest.mark.parametrize(("how", "number", "processes"), [("threads", 32, 1), ("threads", 8, 4)])
def test_a_cap_of_so_many_calls_admits_exactly_so_many(tmp_path: Path, how: str, number: int, processes: int) -> None:
    (tmp_path / "cap.yaml").write_text("policy: cap\nbudgets:\n  - {per: customer, cap: 150 calls, over: deny}\n")
    count = spend(tmp_path, how, number, processes, ["--policy", str(tmp_path / "cap.yaml")])
    assert count == {"ok": 150, "over budget": 3 * number * processes}
    assert never_past(tmp_path / "ledger", "calls", 150) == 150


def test_processes_share_the_cap_of_a_customer_in_money(tmp_path: Path) -> None:
    (tmp_path / "cap.yaml").write_text("policy: cap\nbudgets:\n  - {per: customer, cap: 0.008 USD, over: deny}\n")
    count = spend(tmp_path, "threads", 8, 4, ["--policy", str(tmp_path / "cap.yaml")])
    assert set(count) == {"ok", "over budget"}
    assert never_past(tmp_path / "ledger", "USD", CAP) > 0.5 * CAP
