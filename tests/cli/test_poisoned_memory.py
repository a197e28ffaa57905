"""A note that one process wrote, read by the run of another: the tree shows that a value came from the memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from examples.poisoned_memory import POLICY, THEIRS, work


def test_a_value_out_of_a_memory_is_told_with_who_wrote_it_there(cli: Callable[..., Any], tmp_path: Path) -> None:
    policy = tmp_path / "memory.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    run = work(tmp_path / "ledger", policy)
    lines = cli("runs", "tree", run, "--ledger", tmp_path / "ledger").out.splitlines()
    at = next(number for number, line in enumerate(lines) if "tool send_money" in line)
    assert "no-stranger: The recipient comes from what nobody vouches for." in lines[at]
    told = " ".join(lines[at + 1 : at + 3])
    assert "to: untrusted, from result:" in told
    assert "(memory.read of vectors/notes, written by researcher in run" in told
    assert THEIRS not in "\n".join(lines)
