"""Signed policies: read only with trusted keys, and nothing else where the settings say so."""

from pathlib import Path
from typing import Any

import pytest

from comptroller.core import jws
from comptroller.core.errors import SettingsError
from comptroller.core.jws import Forged
from comptroller.core.settings import Settings
from comptroller.office.signing import Signer
from comptroller.policies.load import load_policies
from comptroller.wrapper import bundles, shelf
from comptroller.wrapper.shelf import Shelf, load_book

POLICY = "policy: p\nrules: [{id: r, on: model, then: deny}]\n"
OURS, THEIRS = Signer(b"o" * 32), Signer(b"t" * 32)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A bundle signed by us, our public key beside it."""
    path = tmp_path / "p.bundle"
    path.write_text(bundles.make(load_policies([("p.yaml", POLICY)]).files, OURS, 7), encoding="ascii")
    (tmp_path / "ours.pem").write_text(OURS.public.pem, encoding="ascii")
    return path


def settings(made: Path, **more: Any) -> Settings:
    return Settings(**{"policies": [str(made)], "policy_keys": [str(made.parent / "ours.pem")], **more})


def test_a_bundle_is_in_force_as_its_files_would_be(made: Path) -> None:
    book = load_book(settings(made))
    assert book.version == load_policies([("p.yaml", POLICY)]).version
    assert book.policies[0].rules[0].said.place == f"{made}/p.yaml:2"


def test_a_bundle_of_somebody_else_is_refused(made: Path) -> None:
    text = bundles.make(load_policies([("p.yaml", POLICY)]).files, THEIRS, 7)
    made.write_text(text, encoding="ascii")
    with pytest.raises(SettingsError, match="which is not trusted here"):
        load_book(settings(made))


def test_every_changed_character_is_found(made: Path) -> None:
    text, trusted = made.read_text(encoding="ascii").strip(), {OURS.kid: OURS.public}
    for at in range(0, len(text), 37):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(Forged):
            bundles.open_bundle("p", changed, trusted)


@pytest.mark.parametrize("told", [{}, {"made": 1, "version": "x", "files": []}, {"files": [{"path": 1}], "made": 1}, 7])
def test_what_is_signed_and_is_no_bundle_is_refused(told: object) -> None:
    text = jws.sign(jws.canonical(told), OURS, bundles.KIND)
    with pytest.raises(Forged):
        bundles.open_bundle("p", text, {OURS.kid: OURS.public})


def test_a_receipt_does_not_pass_for_a_bundle(made: Path) -> None:
    text = jws.sign(jws.canonical({"made": 1, "version": "", "files": []}), OURS, "something-else")
    with pytest.raises(Forged, match="not a 'comptroller-policies"):
        bundles.open_bundle("p", text, {OURS.kid: OURS.public})


def test_nothing_unsigned_is_in_force_where_keys_are_named(made: Path) -> None:
    plain = made.parent / "plain.yaml"
    plain.write_text(POLICY, encoding="utf-8")
    for source in (plain, made.parent):
        with pytest.raises(SettingsError, match="is not signed, and `policy_keys` says"):
            load_book(settings(made, policies=[str(source)]))
    assert load_book(settings(made, policies=["pack:leaks", str(made)])).rules == 1
    assert load_book(settings(made), [str(plain)]).rules == 1  # a draft that somebody only wants to look at


def test_a_bundle_without_any_trusted_key_is_refused(made: Path) -> None:
    with pytest.raises(SettingsError, match="not trusted here"):
        load_book(settings(made, policy_keys=[]))


def test_a_forged_new_version_is_refused_and_the_old_one_stays(
    made: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shelf, "LOOK_EVERY_S", -1.0)
    held = Shelf(settings(made))
    made.write_text(bundles.make(load_policies([("p.yaml", "policy: other\n")]).files, THEIRS, 9), encoding="ascii")
    assert held.changed() is None
    assert held.book.rules == 1
    assert "Policies are refused" in caplog.text


def test_a_bundle_that_cannot_be_read_says_why(made: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_book(settings(made, policies=[str(made.parent / "none.bundle")]))
    made.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="is no bundle"):
        load_book(settings(made))
