"""The record and the policies over HTTP: newest first, with proof; versions with their text, and what they changed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.store import segment
from comptroller.wrapper.desk import Desk
from tests.gateway.api.house import OURS, POLICY, THEIRS, Api, api


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Api]:
    with api(tmp_path) as made:
        yield made


def test_records_come_newest_first_a_page_at_a_time_and_only_ones_own(house: Api) -> None:
    whole = house.get("/api/audit/records?limit=500")["records"]
    numbers = [row["sequence"] for row in whole]
    assert numbers == sorted(numbers, reverse=True)
    paged, before = list[int](), ""
    while True:
        page = house.get(f"/api/audit/records?limit=4{before}")
        paged += [row["sequence"] for row in page["records"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert paged == numbers
    theirs = house.get("/api/audit/records", THEIRS)["records"]
    assert {row["run"] for row in theirs} == {house.runs[2]}
    assert {row["kind"] for row in house.get("/api/audit/records?kind=call.")["records"]} <= {
        "call.opened",
        "call.closed",
    }
    mine = house.get(f"/api/audit/records?run={house.runs[0]}")["records"]
    assert {row["run"] for row in mine} == {house.runs[0]}
    assert house.get("/api/audit/records", replace(OURS, customer="acme")).status == 403


def test_a_record_is_told_as_it_was_written_with_a_proof_that_holds(house: Api) -> None:
    row = house.get("/api/audit/records?kind=call.closed")["records"][0]
    told = house.get(f"/api/audit/records/{row['sequence']}")
    assert (told["follows"], told["inclusion"]["holds"]) == (True, True)
    assert segment.link(told["previous"], told["line"].encode()) == row["hash"]
    assert house.get("/api/audit/records/1")["follows"] is True
    assert house.get(f"/api/audit/records/{row['sequence']}", THEIRS).status == 404
    assert house.get("/api/audit/records/999999").status == 404
    assert house.get("/api/audit/records/x").status == 404


def test_a_record_that_was_changed_no_longer_follows(house: Api) -> None:
    row = house.get("/api/audit/records?kind=claim")["records"][0]
    path = segment.path_of(house.bureau.ledger, row["segment"])
    path.write_bytes(path.read_bytes().replace(row["id"].encode(), b"0" * len(row["id"])))
    assert house.get(f"/api/audit/records/{row['sequence']}")["follows"] is False


def test_versions_of_policies_are_told_whole_and_side_by_side(house: Api, tmp_path: Path) -> None:
    first = house.get("/api/policies")["version"]
    whole = house.get(f"/api/policies/versions/{first}")
    assert whole["files"][0]["text"] == POLICY
    (tmp_path / "spend.yaml").write_text(POLICY.replace("cap: 1 USD", "cap: 2 USD"))
    with Desk.open(house.bureau.ledger, {"policies": [str(tmp_path / "spend.yaml")]}) as another:
        after = another.book.version  # on record from here on
    house.bureau.reader.refresh()
    (file,) = house.get(f"/api/policies/diff?before={first}&after={after}&around=1")["files"]
    assert [(row["what"], row["text"].strip()) for row in file["rows"] if row["what"] in ("gone", "new")] == [
        ("gone", "- {per: run, cap: 1 USD}"),
        ("new", "- {per: run, cap: 2 USD}"),
    ]
    assert [row["what"] for row in file["rows"]] == ["gap", "same", "gone", "new", "same", "gap"]
    assert house.get(f"/api/policies/diff?before={first}&after=none").error["place"] == "query.after"
    assert house.get(f"/api/policies/versions/{first}", replace(OURS, customer="acme")).status == 403
    assert (house.get("/api/policies/tests")["failed"], house.get("/api/policies/tests")["tests"]) == (0, [])
