"""The ledger's own keys: digests, seals and the wrapping of subjects' keys, all under one master key."""

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from comptroller.core.errors import StoreError
from comptroller.store import folder
from comptroller.store.segment import Position

VARIABLE = "COMPTROLLER_MASTER_KEY"
MASTER = "master.key"
SECRET = "ledger.key"  # the ledger's secret, wrapped by the master key: a new master key rewraps this one file
_NONCE = 12


class Keys:
    """Derived from the ledger's secret: the same in every process, useless without the master key."""

    def __init__(self, ledger_id: str, secret: bytes) -> None:
        self._id = ledger_id
        self._digest, self._seal, wrapping = secret[:32], secret[32:64], secret[64:]
        self._wrapping = AESGCM(wrapping)

    def digest(self, data: bytes) -> str:
        """A keyed digest, so that a short secret cannot be guessed from it.

        Keyed BLAKE2b is a MAC by design and runs at 0.6 us where HMAC-SHA256 takes 3; 128 bits are ample, as nobody
        without the key can search for two equal ones.
        """
        return hashlib.blake2b(data, digest_size=16, key=self._digest).hexdigest()

    def seal(self, at: Position) -> str:
        """The MAC over a place in the journal: who rewrites the whole chain cannot make it."""
        said = f"{self._id} {at.segment} {at.sequence} {at.chain}".encode()
        return hmac.new(self._seal, said, hashlib.sha256).hexdigest()

    def vouch(self, data: bytes) -> str:
        """A MAC that no digest of a body can stand in for: those are on record, and whoever writes chooses bodies."""
        return hmac.new(self._seal, b"entry\0" + data, hashlib.sha256).hexdigest()

    def wrap(self, key: bytes, about: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._wrapping.encrypt(nonce, key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes | None:
        """The key, or None where it was destroyed or damaged."""
        try:
            return self._wrapping.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], about)
        except InvalidTag:
            return None


def open_keys(ledger: Path, ledger_id: str) -> Keys:
    """The keys of a ledger that has them."""
    master, source = _master(ledger)
    path = ledger / folder.KEYS / SECRET
    wrapped = _read(path)
    try:
        return Keys(ledger_id, AESGCM(master).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], ledger_id.encode()))
    except InvalidTag:
        raise StoreError(
            f"{source}: is not the master key that {path} was made with. "
            f"Set {VARIABLE} to the right one, or restore keys/{MASTER} from a backup."
        ) from None


def make_keys(ledger: Path, ledger_id: str) -> None:
    """Give a new ledger its keys; only the journal's owner does this."""
    path = ledger / folder.KEYS / SECRET
    if path.exists():
        return
    if VARIABLE not in os.environ:
        _make_master(ledger / folder.KEYS / MASTER)
    master, _ = _master(ledger)
    nonce = os.urandom(_NONCE)
    folder.replace(path, nonce + AESGCM(master).encrypt(nonce, os.urandom(96), ledger_id.encode()))


def _master(ledger: Path) -> tuple[bytes, str]:
    said = os.environ.get(VARIABLE)
    if said is not None:
        return _key_of(said, VARIABLE), VARIABLE
    path = ledger / folder.KEYS / MASTER
    return _key_of(_read(path).decode("ascii", "replace"), str(path)), str(path)


def _key_of(text: str, source: str) -> bytes:
    text = text.strip()
    for read in (bytes.fromhex, base64.b64decode):
        try:
            key = read(text)
        except (ValueError, binascii.Error):
            continue
        if len(key) == 32:
            return key
    raise StoreError(
        f"{source}: is not a master key, which is 32 bytes in hex or base64. "
        'Make one with: python -c "import secrets; print(secrets.token_hex(32))"'
    )


def _make_master(path: Path) -> None:
    # All of it or nothing: whoever dies here must not leave an empty key that no next opener would replace. Only the
    # journal's owner comes here, so nobody makes another one meanwhile.
    if not path.exists():  # never over a key somebody needs
        folder.replace(path, os.urandom(32).hex().encode() + b"\n")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read: {error.strerror}. Restore it from a backup, or set {VARIABLE}; "
            "bodies and digests need it."
        ) from error
