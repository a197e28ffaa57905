import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.settings import Settings
from comptroller.metering.budget import Purse
from comptroller.store import journal, owner, recovery, segment
from comptroller.store.ledger import Ledger


def fold(ledger: Path) -> Purse:
    """The purse as all facts say, without any snapshot."""
    purse = Purse()
    for _, fact in journal.read(ledger):
        purse.apply(fact)
    return purse


def crashed(ledger: Ledger, folder: Path, to: Path) -> Path:
    """The ledger as a `kill -9` now would leave it."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*.sock"))
    return to


def test_a_record_cut_at_any_byte_is_taken_off_and_nothing_else(
    folder: Path, open_ledger: Callable[..., Ledger], facts, tmp_path: Path
) -> None:
    ledger = open_ledger()
    ledger.record(facts.claim("kept"))
    whole = segment.path_of(folder, 1).stat().st_size
    ledger.record(facts.claim("torn"))
    label = ledger.id
    data = segment.path_of(folder, 1).read_bytes()
    copy = crashed(ledger, folder, tmp_path / "copy")
    for end in range(whole, len(data)):
        segment.path_of(copy, 1).write_bytes(data[:end])
        found = recovery.recover(copy, label)
        assert (found.cut, found.at.offset) == (end - whole, whole)
        assert segment.path_of(copy, 1).stat().st_size == whole
    segment.path_of(copy, 1).write_bytes(data)
    assert recovery.recover(copy, label).at.offset == len(data)


def test_a_corrupt_middle_record_is_never_appended_to(folder: Path, open_ledger: Callable[..., Ledger], facts) -> None:
    ledger = open_ledger()
    for number in range(5):
        ledger.record(facts.claim(f"f{number}"))
    ledger.close()
    path = segment.path_of(folder, 1)
    data = path.read_bytes().replace(b'"f2"', b'"g2"')
    path.write_bytes(data)
    with pytest.raises(
        StoreError, match=r"00000001\.ndjson: segment .* record 4: .* Restore this segment from a backup"
    ):
        open_ledger()
    assert path.read_bytes() == data


def test_opening_reads_the_last_snapshot_and_what_follows(
    folder: Path, open_ledger: Callable[..., Ledger], facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "MEGABYTE", 1000)
    ledger = open_ledger(Settings(limits={"segment_mb": 1}))
    for number in range(20):
        ledger.reserve(facts.opened(f"f{number}", amount=2))
        ledger.record(facts.closed(f"f{number}", amount=1))
    label = ledger.id
    ledger.close()
    before = segment.numbers(folder)[-2]
    for number in range(1, before):
        segment.path_of(folder, number).unlink()  # would be noticed if they were read
    found = recovery.recover(folder, label)
    assert found.purse.counter(facts.key, facts.unit) == (20, 0)


def test_a_clean_close_after_many_records_spares_the_next_opener_their_folding(
    folder: Path, open_ledger: Callable[..., Ledger], facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "_SNAP", 2000)
    for run in range(6):
        ledger = open_ledger()
        for number in range(2):
            ledger.reserve(facts.opened(f"{run}-{number}", amount=2))
            ledger.record(facts.closed(f"{run}-{number}", amount=1))
        ledger.close()
    kinds = [fact.kind for _, fact in journal.read(folder)]
    assert 0 < kinds.count("snapshot") < 6
    applied: list[str] = []
    monkeypatch.setattr(Purse, "apply", lambda _, fact: applied.append(fact.call))
    found = recovery.recover(folder, ledger.id)
    assert found.purse.counter(facts.key, facts.unit)[0] + len(applied) // 2 == 12
    assert 0 < found.snapped < found.at.offset


def test_the_purse_after_a_crash_is_the_fold_of_all_facts(
    folder: Path, open_ledger: Callable[..., Ledger], facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "MEGABYTE", 2000)
    ledger = open_ledger(Settings(limits={"segment_mb": 1}))
    for number in range(30):
        if ledger.reserve(facts.opened(f"f{number}", amount=9)) is None and number % 3:
            ledger.record(facts.closed(f"f{number}", amount=number % 9))
        copy = crashed(ledger, folder, tmp_path / f"copy{number}")
        found = recovery.recover(copy, ledger.id)
        found.purse.check()
        assert found.purse.counter(facts.key, facts.unit) == fold(copy).counter(facts.key, facts.unit)


def test_a_crash_between_a_roll_and_its_snapshot_loses_nothing(
    folder: Path, open_ledger: Callable[..., Ledger], facts
) -> None:
    ledger = open_ledger()
    ledger.reserve(facts.opened("a", amount=5))
    ledger.close()
    segment.path_of(folder, 2).write_bytes(b'{"n":9,"k":"snap')
    again = open_ledger()
    again.record(facts.claim("after"))
    again.close()
    assert again.id
    assert journal.verify(folder).ok
    assert segment.parse(segment.path_of(folder, 2).read_bytes().splitlines()[0]).k == "snapshot"
    assert fold(folder).counter(facts.key, facts.unit) == (5, 0)


def test_a_label_from_a_newer_version_is_refused_and_left_alone(
    folder: Path, open_ledger: Callable[..., Ledger]
) -> None:
    open_ledger().close()
    label = folder / "ledger.json"
    label.write_text(json.dumps(json.loads(label.read_text()) | {"format": 9}))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(StoreError, match="has format 9"):
        open_ledger()
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_ids_of_the_last_records_are_found_again_across_segments(
    folder: Path, open_ledger: Callable[..., Ledger], facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "MEGABYTE", 600)
    ledger = open_ledger(Settings(limits={"segment_mb": 1}))
    for number in range(10):
        ledger.record(facts.claim(f"f{number}"))
    ledger.close()
    at = recovery.recover(folder, ledger.id).at
    every = [fact.id for _, fact in journal.read(folder)]
    assert list(recovery.recent_ids(folder, 1000, at)) == every
    assert list(recovery.recent_ids(folder, 4, at)) == every[-4:]


def test_a_clock_that_jumped_back_is_on_record_and_holds_nothing_up(
    folder: Path, open_ledger: Callable[..., Ledger], clock: FrozenClock, facts
) -> None:
    open_ledger().close()
    clock.tick(-3600)
    ledger = open_ledger()
    assert ledger.reserve(facts.opened("a")) is None
    opened = [fact for _, fact in journal.read(folder) if fact.kind == "ledger.opened"][-1]
    assert opened.data["recovered"] == {"cut": 0, "holds": 0, "clock_back_ns": 3600 * 10**9}
