"""The ledger's signing key (Ed25519): what receipts and recount packs are signed with, and others check offline.

The private part lies in the ledger's `keys/`, wrapped by the ledger's secret as subjects' keys are; the public part
lies beside it as a PEM file for whoever wants to check. A key is named by its JWK thumbprint (RFC 7638).
"""

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from comptroller.core.errors import SettingsError, StoreError
from comptroller.store import folder
from comptroller.store.keys import Keys, open_keys
from comptroller.store.locks import Lock

PRIVATE, PUBLIC, LOCK = "signing.key", "signing.pub", "signing.lock"
_LENGTH = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half that may be known to everybody."""

    raw: bytes

    @property
    def kid(self) -> str:
        """Its name and fingerprint: the JWK thumbprint, SHA-256, base64url."""
        said = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return _text(hashlib.sha256(said.encode()).digest())

    @property
    def jwk(self) -> dict[str, str]:
        return {"crv": "Ed25519", "kty": "OKP", "x": _text(self.raw)}

    @property
    def pem(self) -> str:
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)

    def check(self, signature: bytes, data: bytes) -> bool:
        """Whether this key signed these bytes."""
        try:
            self._key.verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """The private half."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def __repr__(self) -> str:
        return f"Signer({self.kid})"

    @property
    def kid(self) -> str:
        return self.public.kid

    def sign(self, data: bytes) -> bytes:
        """64 bytes; the same for the same data, every time."""
        return self._key.sign(data)

    @classmethod
    def open(cls, ledger: Path) -> Self:
        """The ledger's signer; its key is made when it is first wanted."""
        label = folder.label(ledger)
        if label is None:
            raise StoreError(f"{ledger}: there is no ledger. Name one with --ledger.")
        keys, about = open_keys(ledger, label.id), f"signing key of {label.id}".encode()
        lock = Lock(ledger / folder.KEYS / LOCK)
        lock.take(wait=True)  # two that come first at once must not sign with two keys
        try:
            return cls(_unwrapped(ledger, keys, about) or _made(ledger, keys, about))
        finally:
            lock.drop()


def public_of(ledger: Path) -> PublicKey | None:
    """The ledger's public key, without its master key; None where it has none yet."""
    path = ledger / folder.KEYS / PUBLIC
    return read_public(path) if path.exists() else None


def read_public(path: Path) -> PublicKey:
    """A public key out of a PEM or JWK file."""
    try:
        return parse_public(path.read_text(encoding="ascii"))
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: {_NONE}") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. Name the public key's file.") from None
    except ValueError:
        raise SettingsError(f"{path}: {_NONE}") from None


_NONE = (
    "holds no Ed25519 public key. Give the PEM file that `comptroller receipts key` writes, or a JWK with "
    '"kty": "OKP", "crv": "Ed25519".'
)


def parse_public(text: str) -> PublicKey:
    """A public key written as PEM or as JWK; ValueError for anything else."""
    text = text.strip()
    if text.startswith("{"):
        return from_jwk(json.loads(text))
    key = load_pem_public_key(text.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not Ed25519")
    return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def from_jwk(jwk: object) -> PublicKey:
    """A public key from its JWK; ValueError for anything else."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise ValueError("not an Ed25519 JWK")
    text = str(jwk.get("x", ""))
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if len(raw) != _LENGTH or _text(raw) != text:
        raise ValueError("not an Ed25519 JWK")
    return PublicKey(raw)


def _unwrapped(ledger: Path, keys: Keys, about: bytes) -> bytes | None:
    path = ledger / folder.KEYS / PRIVATE
    if not path.exists():
        return None
    try:
        seed = keys.unwrap(path.read_bytes(), about)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}. Run as the user the ledger is of.") from error
    if seed is None:
        raise StoreError(
            f"{path}: is not this ledger's signing key, or damaged. Restore it from a backup: what was signed with "
            "it stays checkable with the public key alone, but nothing new can be signed in its name."
        )
    _publish(ledger, seed)
    return seed


def _made(ledger: Path, keys: Keys, about: bytes) -> bytes:
    seed = os.urandom(_LENGTH)
    folder.replace(ledger / folder.KEYS / PRIVATE, keys.wrap(seed, about))
    _publish(ledger, seed)
    return seed


def _publish(ledger: Path, seed: bytes) -> None:
    """Lay the public part beside the private one; one that says otherwise is not this key's."""
    path, pem = ledger / folder.KEYS / PUBLIC, Signer(seed).public.pem
    if not path.exists():
        folder.replace(path, pem.encode())
    elif path.read_text(encoding="ascii", errors="replace") != pem:
        raise StoreError(
            f"{path}: is not the public part of {PRIVATE} beside it, so somebody replaced it. Restore it from a "
            "backup, or remove it and it is written again; tell those who were given the other one."
        )


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
