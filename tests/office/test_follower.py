"""Following facts of a few kinds: all of them, each once, whatever else the journal holds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.office import follower
from comptroller.office.follower import Follower
from comptroller.store import segment
from comptroller.store.ledger import Ledger

CLOCK = FrozenClock()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger.open(tmp_path / "ledger", Settings(), CLOCK)
    yield made
    made.close()


def write(ledger: Ledger, kind: str, **data: object) -> str:
    fact = Fact(kind, CLOCK.new_id(), CLOCK.now_ns(), data=data)
    ledger.record(fact)
    return fact.id


def ids(following: Follower) -> list[str]:
    return [fact.id for fact in following.read()]


def test_facts_of_our_kinds_come_once_and_in_order(ledger: Ledger, tmp_path: Path) -> None:
    following = Follower(tmp_path / "ledger", "key.")
    first = write(ledger, "key.issued")
    write(ledger, "claim")
    second = write(ledger, "key.revoked")
    assert ids(following) == [first, second]
    assert ids(following) == []
    third = write(ledger, "key.issued")
    assert following.grown
    assert ids(following) == [third]
    assert not following.grown


def test_several_kinds_come_in_the_order_they_were_written(ledger: Ledger, tmp_path: Path) -> None:
    kinds = ("outcome", "key.issued", "claim", "webhook.sent", "outcome", "claims", "books.invoice")
    wrote = [(kind, write(ledger, kind, text=',"k":"outcome"')) for kind in kinds]
    wanted = [id for kind, id in wrote if not kind.startswith(("key.", "claim"))]
    assert ids(Follower(tmp_path / "ledger", "outcome", "webhook.", "books.invoice")) == wanted


def test_data_that_looks_like_a_fact_is_none(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, "claim", n=1, k="key.issued", nested={"x": 1, "k": "key.revoked"}, text='{"n":12,"k":"key.issued"')
    assert ids(Follower(tmp_path / "ledger", "key.")) == []


@pytest.mark.parametrize("chunk", [1, 67, 1000])
def test_records_longer_than_a_look_are_found(
    ledger: Ledger, tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "CHUNK", chunk)
    wanted = [write(ledger, "key.issued", text="x" * 3_000) for _ in range(3) if write(ledger, "claim", text="y" * 999)]
    assert ids(Follower(tmp_path / "ledger", "key.")) == wanted


def test_it_goes_on_through_every_segment(tmp_path: Path) -> None:
    settings = Settings.model_validate({"limits": {"segment_mb": 1}})
    ledger = Ledger.open(tmp_path / "ledger", settings, CLOCK)
    following, seen, wanted = Follower(tmp_path / "ledger", "key."), [], []
    for _ in range(30):
        wanted.append(write(ledger, "key.issued"))
        write(ledger, "claim", text="y" * 100_000)
        seen += ids(following)
    ledger.close()
    assert seen == wanted
    assert len(segment.numbers(tmp_path / "ledger")) > 2
    assert ids(Follower(tmp_path / "ledger", "key.")) == wanted


def test_half_a_record_waits_for_its_end(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    path = segment.path_of(tmp_path, 1)
    line, _ = segment.line(1, "0" * 64, segment.encode(Fact("key.issued", "a", 1))[1])
    following = Follower(tmp_path, "key.")
    for cut in range(len(line)):
        path.write_bytes(line[:cut])
        assert ids(following) == []
    path.write_bytes(line)
    assert ids(following) == ["a"]
    assert following.intact()


def test_a_journal_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    path = segment.path_of(tmp_path, 1)
    line, _ = segment.line(1, "0" * 64, segment.encode(Fact("key.issued", "a", 1))[1])
    other, _ = segment.line(1, "1" * 64, segment.encode(Fact("key.issued", "b", 1))[1])
    path.write_bytes(line)
    following = Follower(tmp_path, "key.")
    assert ids(following) == ["a"]
    path.write_bytes(other + line)
    assert not following.intact()
    path.write_bytes(line[:10])
    assert not following.intact()
    path.unlink()
    assert not following.intact()


def test_of_records_that_must_have_something_only_those_are_read(ledger: Ledger, tmp_path: Path) -> None:
    following = Follower(tmp_path / "ledger", "run.", having=b'"api":true')
    write(ledger, "run.opened", tenant="ours")
    wanted = write(ledger, "run.closed", tenant="ours", api=True)
    write(ledger, "call.closed", tenant="ours", api=True)
    assert following.behind > 0
    assert ids(following) == [wanted]
    assert following.behind == 0


def test_a_record_that_cannot_be_read_is_said_and_never_passed_over(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    segment.path_of(tmp_path, 1).write_bytes(b'{"n":1,"k":"key.revoked","i":broken}\n')
    following = Follower(tmp_path, "key.")
    for _ in range(2):
        with pytest.raises(StoreError, match="audit verify"):
            ids(following)


def test_a_missing_segment_is_said(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    segment.path_of(tmp_path, 2).write_bytes(b"")
    with pytest.raises(StoreError, match="the segment is missing"):
        ids(Follower(tmp_path, "key."))


def test_where_there_is_no_ledger_nothing_is_found(tmp_path: Path) -> None:
    assert ids(Follower(tmp_path / "nowhere", "key.")) == []


def test_a_journal_that_was_replaced_is_noticed_also_after_it_was_found_sound(ledger: Ledger, tmp_path: Path) -> None:
    following = Follower(tmp_path / "ledger", "key.")
    write(ledger, "key.issued")
    list(following.read())
    assert [following.intact(), following.intact()] == [True, True]
    path = segment.path_of(tmp_path / "ledger", 1)
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[:-10] + b"x" * 10)
    assert not following.intact()
    path.write_bytes(whole)
    assert following.intact()
