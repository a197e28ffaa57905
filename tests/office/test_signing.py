"""The signing key: made once, wrapped, known by its public half, which anybody can check with."""

import os
import threading
from pathlib import Path

import pytest

from comptroller.core.errors import SettingsError, StoreError
from comptroller.core.settings import Settings
from comptroller.office import signing
from comptroller.office.signing import Signer
from comptroller.store import folder, publickey
from comptroller.store.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    Ledger.open(tmp_path / "ledger", Settings()).close()
    return tmp_path / "ledger"


def test_a_ledger_has_one_signing_key_whoever_asks(ledger: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(Signer.open(ledger).kid)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_public_half_is_read_without_the_master_key_and_checks_what_was_signed(ledger: Path) -> None:
    signature = Signer.open(ledger).sign(b"ten outcomes")
    (ledger / "keys" / "master.key").unlink()
    public = signing.public_of(ledger)
    assert public is not None
    assert public.check(signature, b"ten outcomes")
    assert not public.check(signature, b"eleven outcomes")
    assert not public.check(b"", b"ten outcomes")


def test_the_private_half_does_not_lie_open(ledger: Path) -> None:
    signer = Signer.open(ledger)
    seed = signer._key.private_bytes_raw()
    lying = [path.read_bytes() for path in ledger.rglob("*") if path.is_file()]
    assert not any(seed in data or seed.hex().encode() in data for data in lying)
    assert seed.hex() not in repr(signer)


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_the_private_half_is_for_this_user_only(ledger: Path) -> None:
    Signer.open(ledger)
    assert (ledger / "keys" / signing.PRIVATE).stat().st_mode & 0o077 == 0


def test_a_damaged_key_is_said_and_never_replaced(ledger: Path) -> None:
    Signer.open(ledger)
    path = ledger / "keys" / signing.PRIVATE
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(StoreError, match="Restore it from a backup"):
        Signer.open(ledger)


def test_a_replaced_public_half_is_said(ledger: Path) -> None:
    Signer.open(ledger)
    folder.replace(ledger / "keys" / signing.PUBLIC, Signer(bytes(32)).public.pem.encode())
    with pytest.raises(StoreError, match="somebody replaced it"):
        Signer.open(ledger)


def test_the_name_of_a_key_is_its_thumbprint_as_rfc_8037_computes_it() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert publickey.from_jwk(jwk).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_public_key_reads_as_pem_and_as_jwk(tmp_path: Path) -> None:
    import json

    public = Signer(b"7" * 32).public
    for name, text in (("key.pem", public.pem), ("key.jwk", json.dumps(public.jwk))):
        (tmp_path / name).write_text(text)
        assert publickey.read_public(tmp_path / name) == public


@pytest.mark.parametrize(
    "text",
    ["", "hello", "{}", '{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}', "{", "-----BEGIN PUBLIC KEY-----\n\n", "\xe9"],
)
def test_what_is_no_public_key_is_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text, encoding="latin-1")
    with pytest.raises(SettingsError, match="no Ed25519 public key"):
        publickey.read_public(tmp_path / "key")
