"""A ledger under whose maker the floor opens at any step of making it: it opens all the same."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.facts import CLAIM, LEDGER_OPENED, Fact
from comptroller.core.settings import Settings
from comptroller.store import journal
from comptroller.store.ledger import Ledger

STEPS = ("mkdir", "open", "write", "fsync", "replace", "unlink", "urandom", "chmod", "fdatasync")

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="dies as POSIX does"),
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]


def dies_at(step: int, work: Callable[[], object]) -> bool:
    """Do the work in a child that ends untidily before its so many-th step; False where it gets through."""
    pid = os.fork()
    if pid == 0:
        left = [step]
        for name in STEPS:
            if hasattr(os, name):
                setattr(os, name, _dying(getattr(os, name), left))
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def _dying(function: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def instead(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os._exit(9)
        return function(*args, **kwargs)

    return instead


def make(folder: Path) -> None:
    ledger = Ledger.open(folder, Settings())
    ledger.keep([b"body"], "t", "s")
    ledger.sync(Fact(CLAIM, "c", 1))
    ledger.close()


def test_whoever_dies_while_making_a_ledger_leaves_one_that_opens(tmp_path: Path) -> None:
    step, dead = 1, True
    while dead:
        folder = tmp_path / str(step)
        dead = dies_at(step, lambda folder=folder: make(folder))  # type: ignore[misc]
        before = [fact.id for _, fact in journal.read(folder)]
        make(folder)
        assert journal.verify(folder).ok
        facts = [fact for _, fact in journal.read(folder)]
        assert [fact.id for fact in facts][: len(before)] == before
        assert facts[len(before)].kind == LEDGER_OPENED
        step += 1
    assert step > 20
