import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from comptroller.office.intake import UsageError, lost, take_in
from comptroller.store.usage import FOLDER
from tests.office.depot import DAY, HEAD, START, House, row


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.ledger.close()


def test_quantities_add_up_to_the_last_digit(house: House) -> None:
    house.take(row("1", "0.1"), row("2", "0.2"), row("3", "12345678901.000000001"))
    assert house.sums() == {("acme", "tokens"): "12345678901.300000001"}


def test_an_event_told_twice_counts_once_whatever_batch_it_comes_in(house: House) -> None:
    house.take(row("1"), row("2"), row("1"))
    house.take(row("2"), row("3"), name="more.csv")
    assert house.sums() == {("acme", "tokens"): "3"}
    assert house.batches() == [("counted", 2, 1, 0), ("counted", 1, 1, 0)]


def test_the_same_id_of_another_source_is_another_event(house: House) -> None:
    house.take(row("1"), row("1", source="core"))
    assert house.sums() == {("acme", "tokens"): "2"}


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two"])
def test_an_event_told_again_with_other_content_waits_and_the_first_stands(house: House, apart: bool) -> None:
    rows = [row("1", "5"), row("1", "7")]
    if apart:
        for number, told in enumerate(rows):
            house.take(told, name=f"{number}.csv")
    else:
        house.take(*rows)
    assert house.sums() == {("acme", "tokens"): "5"}
    assert house.waiting() == [("1", "conflict")]


def test_a_file_taken_in_twice_is_one_batch(house: House) -> None:
    assert house.take(row("1")) == house.take(row("1"))
    assert house.batches() == [("counted", 1, 0, 0)]


FLAWED = {
    "no_event": row(""),
    "no_customer": row("1", customer=""),
    "no_meter": row("1", meter=""),
    "bad_quantity": row("1", "1e3"),
    "bad_quantity finer than a nano": row("1", "0.0000000001"),
    "bad_quantity empty": row("1", ""),
    "negative": row("1", "-3"),
    "bad_time": row("1", at="yesterday"),
}


def test_a_row_that_cannot_be_used_waits_with_its_reason_and_the_others_count(house: House) -> None:
    house.take(row("9"), *FLAWED.values())
    assert house.sums() == {("acme", "tokens"): "1"}
    assert [why for _, why in house.waiting()] == [reason.split()[0] for reason in FLAWED]


def test_what_is_amended_counts_as_amended_and_what_is_cancelled_not_at_all(house: House) -> None:
    head = f"{HEAD},kind,amends"
    house.take(row("1", "5") + ",,", row("2", "7") + ",,", row("3", "100") + ",usage,", head=head)
    house.take(row("4", "6") + ",amend,1", row("5", "") + ",cancel,3", name="later.csv", head=head)
    assert house.sums() == {("acme", "tokens"): "13"}


def test_an_amendment_told_twice_changes_nothing(house: House) -> None:
    head = f"{HEAD},kind,amends"
    house.take(row("1", "5") + ",,", row("2", "6") + ",amend,1", row("2", "6") + ",amend,1", head=head)
    assert house.sums() == {("acme", "tokens"): "6"}


def test_an_event_counts_in_the_period_of_its_own_time_and_not_in_the_next(house: House) -> None:
    house.take(row("1", at="2026-01-31T23:59:59.999999Z"), row("2", at="2026-02-01T00:00:00Z"))
    assert house.sums() == {("acme", "tokens"): "1"}
    assert house.sums(START + 31 * DAY, START + 59 * DAY) == {("acme", "tokens"): "1"}


def test_every_format_tells_the_same(house: House, tmp_path: Path) -> None:
    house.take(row("1", "0.1"))
    told = {
        "event_id": "2",
        "customer": "acme",
        "meter": "tokens",
        "quantity": 0.2,
        "event_ts": "2026-01-05T11:00:00+01:00",
    }
    house.take(json.dumps(told), name="usage.ndjson", head="", source="edge")
    file = tmp_path / "usage.parquet"
    duckdb.sql(
        "SELECT 'edge' AS source, 3 AS event_id, 'acme' AS customer, 'tokens' AS meter, 0.3::DECIMAL(9,1) AS quantity, "
        "TIMESTAMP '2026-01-05 10:00:00' AS event_ts"
    ).write_parquet(str(file))
    take_in(house.path, house.ledger, house.clock, file)
    assert house.sums() == {("acme", "tokens"): "0.6"}
    assert [row[0] for row in house.batches()] == ["counted"] * 3


def test_a_table_written_on_another_system_is_read_as_well(house: House, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_bytes(f"\ufeff{HEAD}\r\n{row('1', '2')}\r\n{row('2', customer=chr(34) + 'acme' + chr(34))}\r\n".encode())
    take_in(house.path, house.ledger, house.clock, file)
    assert house.sums() == {("acme", "tokens"): "3"}


@pytest.mark.parametrize(
    ("name", "head", "told", "words"),
    [
        ("a.txt", HEAD, row("1"), "Name it .csv"),
        ("a.csv", HEAD.replace("quantity", "amount"), row("1"), "has no column quantity"),
        ("a.csv", HEAD.replace("source,", ""), row("1").removeprefix("edge,"), "--source"),
        ("a.csv", HEAD, row("1") + ",a,b,c", "Nothing was taken in"),
        ("a.ndjson", "", '{"event_id": ', "Nothing was taken in"),
    ],
)
def test_a_file_that_is_no_table_of_usage_is_refused_whole(
    house: House, name: str, head: str, told: str, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        house.take(row("0") if head else '{"event_id": "0"}', told, name=name, head=head)
    assert house.batches() == []
    assert not list((house.path / FOLDER).glob("*.new"))


def test_a_batch_changed_behind_our_back_counts_nothing(house: House) -> None:
    house.take(row("1"))
    (kept,) = (house.path / FOLDER).glob("*.parquet")
    kept.write_bytes(kept.read_bytes() + b" ")
    assert house.batches() == [("altered", 0, 0, 0)]
    assert list(lost(house.path)) == [("a batch of usage is not what was taken in", kept)]


def test_a_batch_that_is_missing_is_told_and_the_books_still_open(house: House) -> None:
    house.take(row("1"))
    (kept,) = (house.path / FOLDER).glob("*.parquet")
    assert list(lost(house.path)) == []
    kept.unlink()
    assert list(lost(house.path)) == [("a batch of usage on record is missing", kept)]
    assert house.batches() == [("missing", 0, 0, 0)]
    assert house.sums() == {}
