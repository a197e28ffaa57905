"""Proofs while somebody waits: of any record, of a journal that grows, and none of one that is not what it was."""

import logging
from contextlib import closing
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.office import inclusion, prover
from comptroller.office.prover import Prover
from comptroller.store import hashtree, segment
from comptroller.store.hashtree import BLOCK
from comptroller.store.ledger import Ledger


@pytest.fixture
def place(tmp_path: Path) -> Path:
    clock, path = FrozenClock(), tmp_path / "ledger"
    with closing(Ledger.open(path, Settings(), clock)) as ledger:
        for number in range(BLOCK + 20):
            ledger.record(Fact("claim", clock.new_id(), clock.now_ns(), data={"number": number}))
    return path


def line(place: Path, sequence: int) -> bytes:
    return segment.path_of(place, 1).read_bytes().splitlines()[sequence - 1]


def change(place: Path, sequence: int) -> None:
    path, old = segment.path_of(place, 1), line(place, sequence)
    path.write_bytes(path.read_bytes().replace(old, old.replace(b'"k":"claim"', b'"k":"clAim"')))


@pytest.mark.parametrize("sequence", [1, BLOCK, BLOCK + 1, BLOCK + 20])
def test_a_record_is_proven_and_no_other_line_in_its_place(place: Path, sequence: int) -> None:
    proof = Prover(place).prove(sequence, line(place, sequence))
    assert proof is not None
    assert proof.holds
    assert inclusion.climb(proof.leaf, sequence - 1, proof.records, proof.path) == proof.root
    other = Prover(place).prove(sequence, line(place, sequence - 1 or 2))
    assert other is not None
    assert not other.holds


def test_nobody_waits_for_a_tree_that_has_much_to_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prover, "MOST", 100)
    made = Prover(place)
    assert made.prove(1, line(place, 1)) is None
    while not made.grow(100):
        pass
    assert made.prove(1, line(place, 1)) is not None


def test_what_was_read_is_kept_for_the_next(place: Path) -> None:
    Prover(place).grow()
    assert (place / hashtree.FILE).stat().st_size


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("sequence", [5, 9, BLOCK + 10])
def test_a_record_that_was_changed_or_follows_one_is_not_proven(place: Path, sequence: int, kept: bool) -> None:
    made = Prover(place)
    if kept:
        made.grow()
    change(place, 5)
    proof = made.prove(sequence, line(place, sequence))
    assert proof is not None
    assert proof.holds is (kept and sequence > BLOCK)  # that block stands as it did


def test_a_damaged_tree_is_made_anew_and_said_so(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    Prover(place).grow()
    path = place / hashtree.FILE
    data = bytearray(path.read_bytes())
    data[-76] ^= 1
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        proof = Prover(place).prove(1, line(place, 1))
    assert proof is not None
    assert proof.holds
    assert "not that of its records" in caplog.text
