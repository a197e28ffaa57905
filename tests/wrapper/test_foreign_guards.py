"""A guard from another package on the path of a call: what breaks there refuses the call, is on record, and ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED
from comptroller.testing import desk
from comptroller.testing.testdesk import TestDesk

POLICY = "policy: p\nguards: {moody: {in: deny, out: deny}}\nrules: []\n"
CODE = """
import os
from comptroller.core.verdict import Finding

class Moody:
    name = "moody"
    def inspect(self, text):
        if "crash" in text:
            os.abort()
        return [Finding("moody", "swearing", 0, 1)] if "damn" in text else []
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestDesk]:
    (tmp_path / "abrupt_guards.py").write_text(CODE)
    about = tmp_path / "abrupt_guards-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: abrupt-guards\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[comptroller.guards]\nmoody = abrupt_guards:Moody\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with desk(POLICY, limits={"guard_ms": 10_000, "guard_mb": 256}) as opened:
        yield opened


@ct.tool(effect="write")
def say(words: str) -> str:
    return "said"


def test_a_guard_that_dies_refuses_the_call_and_is_named_on_record(house: TestDesk) -> None:
    with ct.run("w"):
        assert say("well") == "said"
        with pytest.raises(ct.Denied, match=r"The guard moody failed: its process died with signal \d+"):
            say("crash")
        with pytest.raises(ct.Denied, match="moody found swearing"):
            say("damn")
        assert say("well again") == "said"
    refused = [str(fact) for fact in house.facts(CALL_CLOSED) if "guards.moody" in str(fact)]
    assert len(refused) == 2
    assert "The guard moody failed: its process died with signal" in refused[0]
    assert "crash" not in refused[0]


def test_its_processes_end_with_the_desk(house: TestDesk) -> None:
    with ct.run("w"):
        say("well")
    (seat,) = house.chain._bench._rows["moody"]._seats
    house.close()
    assert seat._process.returncode is not None
