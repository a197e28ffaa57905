"""The ledger's signing key (Ed25519): what receipts and recount packs are signed with, and others check offline.

The private part lies in the ledger's `keys/`, wrapped by the ledger's secret as subjects' keys are; the public part
lies beside it as a PEM file for whoever wants to check. A key is named by its JWK thumbprint (RFC 7638).
"""

import os
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from comptroller.core.errors import StoreError
from comptroller.store import folder
from comptroller.store.keys import Keys, open_keys
from comptroller.store.locks import Lock
from comptroller.store.publickey import LENGTH, PublicKey, read_public

PRIVATE, PUBLIC, LOCK = "signing.key", "signing.pub", "signing.lock"


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
    seed = os.urandom(LENGTH)
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
