import secrets
import stat
import sys
from pathlib import Path

import pytest

from comptroller.core.errors import StoreError
from comptroller.store import folder as layout
from comptroller.store.keys import VARIABLE, Keys, make_keys, open_keys
from comptroller.store.segment import Position


@pytest.fixture
def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    layout.make(folder)
    make_keys(folder, "id")
    return folder


def test_every_process_makes_the_same_digest_and_another_ledger_does_not(made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    layout.make(other)
    make_keys(other, "id")
    digest = open_keys(made, "id").digest(b"secret")
    assert digest == open_keys(made, "id").digest(b"secret")
    assert digest != open_keys(other, "id").digest(b"secret")
    assert len(digest) == 32


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_only_this_user_can_read_the_master_key(made: Path) -> None:
    assert stat.S_IMODE((made / "keys" / "master.key").stat().st_mode) == 0o600


def test_making_keys_again_leaves_them_as_they_are(made: Path) -> None:
    before = (made / "keys" / "master.key").read_bytes(), open_keys(made, "id").digest(b"x")
    make_keys(made, "id")
    assert before == ((made / "keys" / "master.key").read_bytes(), open_keys(made, "id").digest(b"x"))


def test_a_key_in_the_environment_needs_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, secrets.token_hex(32))
    layout.make(folder)
    make_keys(folder, "id")
    assert not (folder / "keys" / "master.key").exists()
    assert open_keys(folder, "id").digest(b"x")


def test_a_wrong_master_key_is_said_to_be_wrong(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, secrets.token_hex(32))
    with pytest.raises(StoreError, match=r"COMPTROLLER_MASTER_KEY: is not the master key that .*restore"):
        open_keys(made, "id")


def test_a_key_of_another_ledger_does_not_open_this_one(made: Path) -> None:
    with pytest.raises(StoreError, match="is not the master key"):
        open_keys(made, "another")


@pytest.mark.parametrize("said", ["", "short", "z" * 64, "00" * 31])
def test_a_master_key_of_the_wrong_form_comes_with_a_remedy(
    said: str, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, said)
    with pytest.raises(StoreError, match=r"32 bytes in hex or base64\. Make one with: python"):
        open_keys(made, "id")


def test_a_missing_key_file_is_named(made: Path) -> None:
    (made / "keys" / "master.key").unlink()
    with pytest.raises(StoreError, match=r"master\.key: cannot be read: .* Restore it from a backup"):
        open_keys(made, "id")


def test_a_wrapped_key_opens_only_for_what_it_was_wrapped_about() -> None:
    keys = Keys("id", bytes(96))
    wrapped = keys.wrap(b"k" * 32, b"acme")
    assert keys.unwrap(wrapped, b"acme") == b"k" * 32
    assert keys.unwrap(wrapped, b"other") is None
    assert keys.unwrap(bytes(60), b"acme") is None


def test_a_seal_depends_on_the_key_and_the_place() -> None:
    keys, other = Keys("id", bytes(96)), Keys("id", b"1" * 96)
    at = Position(1, 10, 2, "aa")
    assert keys.seal(at) != other.seal(at)
    assert keys.seal(at) != keys.seal(Position(1, 10, 3, "aa"))
