import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.settings import Settings
from comptroller.store import journal, owner, segment
from comptroller.store.ledger import Ledger


@pytest.fixture
def written(folder: Path, open_ledger: Callable[..., Ledger], facts) -> Path:
    """A closed ledger of twelve records in one segment."""
    ledger = open_ledger()
    for number in range(10):
        ledger.record(facts.claim(f"f{number}", text="x" * 20))
    ledger.close()
    return folder


@pytest.fixture
def rolled(folder: Path, open_ledger: Callable[..., Ledger], facts, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A closed ledger of several small segments."""
    monkeypatch.setattr(owner, "MEGABYTE", 1000)
    ledger = open_ledger(Settings(limits={"segment_mb": 1}))
    for number in range(12):
        ledger.reserve(facts.opened(f"f{number}", amount=1))
    ledger.close()
    return folder


def first(ledger: Path) -> Path:
    return segment.path_of(ledger, 1)


def test_facts_are_read_in_order_from_any_place(written: Path) -> None:
    everything = list(journal.read(written))
    assert [fact.kind for _, fact in everything] == ["ledger.opened"] + ["claim"] * 10 + ["seal"]
    for number, (place, _) in enumerate(everything):
        assert list(journal.read(written, place)) == everything[number + 1 :]


def test_reading_follows_from_segment_to_segment(rolled: Path, facts) -> None:
    everything = list(journal.read(rolled))
    assert len({place.segment for place, _ in everything}) > 3
    assert [fact.call for _, fact in everything if fact.call] == [f"f{n}" for n in range(12)]
    middle = len(everything) // 2
    assert list(journal.read(rolled, everything[middle][0])) == everything[middle + 1 :]


def test_each_segment_ends_in_a_seal_and_the_next_begins_with_a_snapshot(rolled: Path) -> None:
    numbers = segment.numbers(rolled)
    for number in numbers:
        kinds = [segment.parse(line).k for line in segment.path_of(rolled, number).read_bytes().splitlines()]
        assert kinds[-1] == "seal"
        assert kinds[0] == ("ledger.opened" if number == 1 else "snapshot")
    found = journal.verify(rolled)
    assert found.ok
    assert found.seals == found.segments == len(numbers)
    assert found.sealed == found.records


def test_a_live_journal_is_read_and_verified_beside_its_owner(
    folder: Path, open_ledger: Callable[..., Ledger], facts
) -> None:
    ledger = open_ledger()
    place = list(journal.read(folder))[-1][0]
    ledger.record(facts.claim("new"))
    assert [fact.id for _, fact in journal.read(folder, place)] == ["new"]
    assert journal.verify(folder).ok


def test_a_torn_tail_is_not_read_and_is_counted(written: Path) -> None:
    whole = list(journal.read(written))
    last = first(written).read_bytes().splitlines(keepends=True)[-1]
    with first(written).open("ab") as file:
        file.write(last[:-1])
    assert list(journal.read(written)) == whole
    found = journal.verify(written)
    assert (found.ok, found.torn) == (True, len(last) - 1)


def test_a_flipped_byte_anywhere_is_found_and_named(written: Path) -> None:
    data = first(written).read_bytes()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for place in range(len(data) - 1):  # without the very last newline: a record without one is torn, not changed
        changed = bytearray(data)
        changed[place] ^= 0x01
        first(written).write_bytes(changed)
        fault = journal.verify(written).fault
        sequence = sum(start <= place for start in starts)
        assert fault is not None
        assert (fault.segment, fault.sequence, fault.offset) == (1, sequence, starts[sequence - 1])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_line_taken_out_doubled_or_moved_is_found(data: st.DataObject, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("l") / "ledger"
    ledger = Ledger.open(folder, Settings(), FrozenClock())
    ledger.close()
    lines = first(folder).read_bytes().splitlines(keepends=True)
    spare = data.draw(st.sampled_from(["drop", "double", "swap"]))
    if spare == "drop":
        changed = lines[1:]
    elif spare == "double":
        at = data.draw(st.integers(0, len(lines) - 1))
        changed = [*lines[: at + 1], *lines[at:]]
    else:
        changed = lines[::-1]
    first(folder).write_bytes(b"".join(changed))
    assert not journal.verify(folder).ok


def test_a_chain_rewritten_as_a_whole_without_the_key_breaks_its_seals(written: Path) -> None:
    place, lines = journal.begin(written), []
    assert place is not None
    chain = place.chain
    for number, line in enumerate(first(written).read_bytes().splitlines(), 1):
        read = segment.parse(line.replace(b"xxx", b"yyy"))
        stored, chain = segment.line(number, chain, segment.encode(read.fact())[1])
        lines.append(stored)
    first(written).write_bytes(b"".join(lines))
    fault = journal.verify(written).fault
    assert fault is not None
    assert fault.reason == "its seal was not made with this ledger's key"
    assert fault.sequence == 12


def test_a_chain_of_another_ledger_does_not_pass(written: Path, tmp_path: Path) -> None:
    other = Ledger.open(tmp_path / "other", Settings())
    other.close()
    shutil.copy(first(tmp_path / "other"), first(written))
    assert journal.verify(written).fault is not None


def test_without_the_master_key_the_chain_is_checked_and_the_seals_are_not(written: Path) -> None:
    (written / "keys" / "master.key").unlink()
    found = journal.verify(written)
    assert (found.ok, found.keyed) == (True, False)


def test_a_missing_segment_is_found(rolled: Path) -> None:
    segment.path_of(rolled, 2).unlink()
    fault = journal.verify(rolled).fault
    assert fault is not None
    assert (fault.segment, fault.reason) == (2, "the segment is missing")


def test_half_a_record_at_the_end_of_a_closed_segment_is_a_fault(rolled: Path) -> None:
    with segment.path_of(rolled, 2).open("ab") as file:
        file.write(b'{"n":')
    fault = journal.verify(rolled).fault
    assert fault is not None
    assert fault.reason == "a closed segment ends in half a record"


def test_a_fault_stops_the_reader_with_place_and_remedy(written: Path) -> None:
    data = first(written).read_bytes()
    first(written).write_bytes(data.replace(b'"f4"', b'"g4"'))
    with pytest.raises(StoreError, match=r"00000001\.ndjson: segment 00000001, byte \d+, record 6: .*audit verify"):
        list(journal.read(written))


def test_a_place_that_is_no_longer_there_is_refused(written: Path) -> None:
    places = [place for place, _ in journal.read(written)]
    data = first(written).read_bytes()
    first(written).write_bytes(data[: places[4].offset])
    with pytest.raises(StoreError, match=r"record 8 is not the one that was read here before.*Rebuild"):
        list(journal.read(written, places[7]))


def test_no_ledger_reads_as_no_facts_and_cannot_be_verified(tmp_path: Path) -> None:
    assert list(journal.read(tmp_path)) == []
    with pytest.raises(StoreError, match="there is no ledger"):
        journal.verify(tmp_path)
