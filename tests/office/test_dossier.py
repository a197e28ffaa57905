"""Evidence packs and proofs: made from a ledger, checked without it."""

import zipfile
from pathlib import Path

import pytest

import comptroller as ct
from comptroller.core.clock import SYSTEM
from comptroller.core.errors import SettingsError
from comptroller.core.facts import Fact
from comptroller.office import dossier, dossiers
from comptroller.office.dossier import Wanted
from comptroller.office.recount import recount
from comptroller.store import segment
from comptroller.store.backward import backward

POLICY = "policy: p\nrules:\n  - {id: no-pay, on: tool, tool: pay, then: deny, because: Nobody pays here.}\n"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("evidence")
    (home / "p.yaml").write_text(POLICY, encoding="utf-8")
    with ct.open(home / "ledger", config={"policies": [str(home / "p.yaml")]}), ct.run("desk", customer="acme"):
        for tool in (pay, look):
            try:
                tool()
            except ct.Denied:
                continue
    return home / "ledger"


@ct.tool(effect="write")
def pay() -> str:
    return "paid"


@ct.tool(effect="read")
def look() -> str:
    return "seen"


def records_of(ledger: Path) -> list[segment.Record]:
    return [segment.parse(line) for _, line in backward(ledger)][::-1]


def test_a_pack_holds_the_decisions_and_policies_and_no_call_that_nothing_was_said_of(ledger: Path) -> None:
    made = dossier.make(ledger, Wanted("default", True, to="KPMG"), SYSTEM.now_ns())
    (ledger.parent / "pack.zip").write_bytes(made.data)
    with zipfile.ZipFile(ledger.parent / "pack.zip") as archive:
        said = [segment.parse(line) for line in archive.read(dossier.RECORDS).splitlines()]
    assert [record.k for record in said] == ["policy.loaded", "call.closed"]
    assert said[1].d["rule"] == "no-pay"
    found = recount(ledger.parent / "pack.zip")
    assert [(check.what, check.verdict) for check in found.checks] == [
        ("signature", "PASS"),
        ("journal", "PASS"),
        ("chain", "PASS"),
        ("period", "PASS"),
    ]


def test_a_record_put_into_a_pack_is_found_out(ledger: Path, tmp_path: Path) -> None:
    made = dossier.make(ledger, Wanted("default", True), SYSTEM.now_ns())
    changed = made.data.replace(b"Nobody pays here", b"Anybody pays her")
    assert changed != made.data
    (tmp_path / "pack.zip").write_bytes(changed)
    assert not recount(tmp_path / "pack.zip").ok


def test_what_its_signer_forged_is_found_out_against_the_root(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dossier._Chosen, "look", _forged)
    (tmp_path / "pack.zip").write_bytes(dossier.make(ledger, Wanted("default", True), SYSTEM.now_ns()).data)
    found = recount(tmp_path / "pack.zip")
    assert [check.what for check in found.checks if check.verdict == "FAIL"] == ["journal"]


def _forged(self: "dossier._Chosen", stored: bytes) -> None:
    if b"Nobody pays here" in stored and b'"k":"call.closed"' in stored:
        number = segment.parse(stored).n
        self.lines[number] = stored.replace(b"Nobody pays here", b"Anybody pays her")


def test_one_record_is_proved_by_itself(ledger: Path, tmp_path: Path) -> None:
    wanted = next(record.n for record in records_of(ledger) if record.d.get("rule") == "no-pay")
    made = dossier.make(ledger, Wanted("default", True, record=wanted), SYSTEM.now_ns())
    (tmp_path / "proof.zip").write_bytes(made.data)
    found = recount(tmp_path / "proof.zip")
    assert found.ok
    assert found.about["record"] == wanted
    assert made.records == 1


def test_another_tenant_gets_none_of_it(ledger: Path) -> None:
    with pytest.raises(SettingsError, match="Nothing on record fits"):
        dossier.make(ledger, Wanted("other", False), SYSTEM.now_ns())
    with pytest.raises(SettingsError, match="There is no record 2 of this tenant"):
        dossier.make(ledger, Wanted("other", False, record=2), SYSTEM.now_ns())


def test_a_period_begins_with_the_policies_that_held_then(ledger: Path) -> None:
    denied = next(record for record in records_of(ledger) if record.d.get("rule") == "no-pay")
    made = dossier.make(ledger, Wanted("default", True, since=denied.t), SYSTEM.now_ns())
    assert made.records == 2
    with pytest.raises(SettingsError):
        dossier.make(ledger, Wanted("default", True, since=1, until=2), SYSTEM.now_ns())


def test_a_pack_made_in_a_process_of_its_own_is_noted_with_its_digest(ledger: Path) -> None:
    facts: list[Fact] = []

    class Notes:
        def sync(self, fact: Fact) -> None:
            facts.append(fact)

    wanted = Wanted("default", True, to="KPMG", subjects=("decisions",))
    made = dossiers.make_apart(ledger, wanted)
    given = dossiers.note(Notes(), SYSTEM, wanted, made, "maria", "Yearly audit")
    assert dossiers.fold(facts) == [given]
    assert (given.to, given.by, given.records, given.bytes) == ("KPMG", "maria", 1, len(made.data))


def test_what_cannot_be_made_apart_says_why(ledger: Path) -> None:
    with pytest.raises(SettingsError, match="Nothing on record fits"):
        dossiers.make_apart(ledger, Wanted("other", False))
