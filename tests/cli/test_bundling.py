"""Signing policies and checking who signed them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

Cli = Callable[..., Any]
POLICY = "policy: p\nrules: [{id: r, on: model, then: deny}]\ntests: [{call: {}, expect: deny}]\n"


@pytest.fixture
def signed(cli: Cli, world: Any, tmp_path: Path) -> Path:
    """A bundle of a ledger's key, its public key beside it."""
    (tmp_path / "p.yaml").write_text(POLICY, encoding="utf-8")
    out, key = tmp_path / "p.bundle", tmp_path / "key.pem"
    assert cli("policy", "bundle", tmp_path / "p.yaml", "--out", out, "--ledger", world.path).code == 0
    assert cli("receipts", "key", "--out", key, "--ledger", world.path).code == 0
    return out


def test_what_was_signed_is_checked_offline_with_the_public_key(cli: Cli, signed: Path) -> None:
    told = json.loads(cli("policy", "verify", signed, "--key", signed.parent / "key.pem", "--json").out)
    version = json.loads(cli("policy", "check", signed.parent / "p.yaml", "--json").out)["version"]
    assert (told["ok"], told["version"], [file["path"] for file in told["files"]]) == (True, version, ["p.yaml"])


def test_a_changed_bundle_is_exit_1(cli: Cli, signed: Path) -> None:
    text = signed.read_text(encoding="ascii")
    signed.write_text(text[:200] + ("A" if text[200] != "A" else "B") + text[201:], encoding="ascii")
    said = cli("policy", "verify", signed, "--key", signed.parent / "key.pem")
    assert (said.code, "fail" in said.out) == (1, True)


def test_settings_that_trust_a_key_go_by_the_bundle_alone(cli: Cli, signed: Path) -> None:
    here = Path("comptroller.yaml")
    here.write_text(f"policies: [{signed}]\npolicy_keys: [{signed.parent / 'key.pem'}]\n", encoding="utf-8")
    assert cli("policy", "check").out.startswith("ok: 1 file, 1 rule")
    assert cli("policy", "verify", signed).code == 0


def test_a_policy_whose_own_tests_fail_is_not_signed(cli: Cli, world: Any, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY.replace("expect: deny", "expect: ask"), encoding="utf-8")
    said = cli("policy", "bundle", tmp_path / "p.yaml", "--out", tmp_path / "p.bundle", "--ledger", world.path)
    assert (said.code, "Nothing was signed" in said.out, (tmp_path / "p.bundle").exists()) == (1, True, False)


def test_wrong_use_is_told(cli: Cli, signed: Path, world: Any) -> None:
    assert cli("policy", "verify", signed).code == 2
    assert cli("policy", "verify", signed.parent / "none", "--key", signed.parent / "key.pem").code == 2
    assert cli("policy", "bundle", signed.parent / "p.yaml", "--out", "p.txt", "--ledger", world.path).code == 2
