"""Evidence, health, keys for people and the rules of a version, over HTTP."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.gateway.api import policies
from comptroller.office.recount import recount
from comptroller.office.who import Who
from tests.gateway.api.house import OURS, THEIRS, Answer, Api, api

WANTED = {"to": "KPMG", "because": "Yearly audit", "since": "2020-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api(tmp_path_factory.mktemp("evidence")) as made:
        yield made


def made(house: Api, who: Who = OURS, **more: object) -> Answer:
    assert house.post("/api/evidence", {**WANTED, **more}, who).status == 202
    for thread in threading.enumerate():
        if thread.name == "comptroller-evidence":
            thread.join(60)
    return house.get("/api/evidence", who)


def test_a_pack_is_made_noted_and_handed_out(house: Api, tmp_path: Path) -> None:
    told = made(house, replace(OURS, person="maria"))
    pack = told["packs"][0]
    assert (told["making"], told["failed"]) == ("", "")
    assert (pack["to"], pack["by"], pack["because"], pack["kept"]) == ("KPMG", "maria", "Yearly audit", True)
    (tmp_path / "pack.zip").write_bytes(house.get(f"/api/evidence/{pack['pack']}").body)
    found = recount(tmp_path / "pack.zip")
    assert found.ok
    assert found.about["to"] == "KPMG"
    record = house.get("/api/audit/records?kind=evidence.given")["records"][0]
    assert record["by"] == "maria"
    assert house.get("/api/evidence", THEIRS)["packs"] == []
    assert house.get(f"/api/evidence/{pack['pack']}", THEIRS).status == 404


def test_a_pack_whose_file_is_gone_says_so(house: Api) -> None:
    pack = made(house)["packs"][0]["pack"]
    (house.bureau.ledger / "evidence" / f"{pack}.zip").unlink()
    assert house.get(f"/api/evidence/{pack}").status == 410
    assert house.get("/api/evidence")["packs"][0]["kept"] is False


def test_a_pack_that_cannot_be_made_says_why_and_is_not_noted(house: Api) -> None:
    before = len(house.get("/api/evidence")["packs"])
    told = made(house, until="2020-01-02T00:00:00Z")
    assert "Nothing on record fits" in told["failed"]
    assert len(told["packs"]) == before


def test_evidence_is_for_who_may_read_texts_of_the_whole_tenant(house: Api) -> None:
    reader = replace(OURS, rights=("api:read",))
    assert house.post("/api/evidence", WANTED, reader).status == 403
    assert house.get("/api/evidence", replace(OURS, customer="acme")).status == 403


def test_one_record_is_handed_out_with_its_proof(house: Api, tmp_path: Path) -> None:
    number = house.get("/api/audit/records?kind=claim")["records"][0]["sequence"]
    (tmp_path / "proof.zip").write_bytes(house.get(f"/api/audit/records/{number}/proof").body)
    assert recount(tmp_path / "proof.zip").about["record"] == number
    assert house.get(f"/api/audit/records/{number}/proof", THEIRS).error["code"] == "bad_request"
    assert house.get("/api/audit/records/x/proof").status == 404


def test_health_tells_of_the_record_the_books_and_the_disk(house: Api) -> None:
    told = house.get("/api/health")
    checks = {check["name"]: check["state"] for check in told["checks"]}
    assert {"Writer of the record", "Books", "Disk", "Policies"} <= set(checks)
    assert checks["Policies"] == "ok"
    assert told["journal"] >= told["books"] > 0
    assert {size["part"] for size in told["sizes"]} >= {"journal", "vault", "books"}
    assert house.get("/api/health", replace(OURS, customer="acme")).status == 403


def test_keys_are_listed_for_a_person_who_may_read_and_for_a_key_that_deals_with_keys(house: Api) -> None:
    house.post("/api/keys", {"name": "ci"})
    auditor = replace(OURS, rights=("api:read",), person="ada")
    assert "ci" in {row["name"] for row in house.get("/api/access", auditor)["keys"]}
    assert house.get("/api/access", replace(OURS, rights=("api:read",))).status == 403
    assert house.post("/api/keys", {}, auditor).status == 403


def test_rules_of_a_version_stand_with_their_places(house: Api) -> None:
    version = house.get("/api/policies")["version"]
    told = house.get(f"/api/policies/versions/{version}/rules")["rules"]
    assert [row["kind"] for row in told] == ["budget", "budget", "budget", "rule"]
    assert (told[3]["id"], told[3]["then"], told[3]["because"]) == ("no-bribes", "deny", "We do not bribe.")
    assert told[3]["place"].endswith("spend.yaml:8")
    assert house.get("/api/policies/versions/nothing/rules").status == 404


def test_a_folder_that_was_moved_is_no_change_to_the_files_in_it() -> None:
    before = {"/old/policies/a.yaml": ["a"], "/old/policies/b/c.yaml": ["c"]}
    after = {"C:\\new\\a.yaml": ["a"], "C:\\new\\b.yaml": ["b"]}
    assert policies._beside(before, after) == [{"a.yaml": ["a"], "b/c.yaml": ["c"]}, {"a.yaml": ["a"], "b.yaml": ["b"]}]
    assert policies._beside({"x/a.yaml": []}, {"x/a.yaml": [], "x/b.yaml": []})[0] == {"x/a.yaml": []}
    assert policies._beside({"a.yaml": ["1"]}, {"elsewhere/a.yaml": ["2"]}) == [{"a.yaml": ["1"]}, {"a.yaml": ["2"]}]
