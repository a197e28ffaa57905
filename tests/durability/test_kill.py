"""A few rounds of `make chaos`, with seeds that stay the same; a failure names the one to run again."""

import sys
from pathlib import Path

import pytest

from tests.durability.chaos import kill_many, kill_one
from tests.durability.relays import kill_workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills and forks as POSIX does")


@pytest.mark.parametrize("seed", [100, 105, 106])
def test_an_agent_killed_in_its_calls_loses_nothing_that_returned(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}: {kill_one(tmp_path, seed)}")


@pytest.mark.parametrize("seed", [104])
def test_agents_killed_on_one_ledger_owners_among_them_hold_nobody_up(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}: {kill_many(tmp_path, seed)}")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")
@pytest.mark.parametrize("seed", [1, 3])
def test_workers_of_a_gateway_killed_in_their_calls_lose_nothing_that_returned(tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}: {kill_workers(tmp_path, seed)}")
