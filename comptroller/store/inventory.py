"""What lies in the vault: a walk over its headers, what can still be read of it, and whether that is what was kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from comptroller.store import folder, subjects
from comptroller.store.keys import Keys
from comptroller.store.vault import HEADER, MAGIC, SUFFIX


@dataclass(frozen=True, slots=True)
class Flaw:
    """A place in the vault that is not as it was left."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    size: int
    head: bytes
    digest: bytes
    key_id: bytes
    nonce: bytes


class Inventory:
    """All bodies by digest. Given keys it opens every body, and takes its digest anew."""

    def __init__(self, ledger: Path, keys: Keys | None = None) -> None:
        self._ledger, self._keys = ledger, keys
        self._read: dict[Path, int] = {}  # how far each segment was walked
        self.digests: set[bytes] = set()
        self.flaws: list[Flaw] = []  # one for each segment at most: nothing behind a flaw can be found
        self.bodies = self.erased = self.segments = 0
        self.lost: list[Path] = []  # segments that are gone while their keys are there

    def walk(self) -> None:
        """Take in what is there, or what has come since the last time."""
        found = sorted((self._ledger / folder.VAULT).glob(f"*{SUFFIX}"))
        for path in found:
            size = path.stat().st_size
            if size > self._read.get(path, 0):
                self._read[path] = self._segment(path, size)
        self.segments = len(found)
        keyed = (self._ledger / folder.KEYS).glob(f"*{subjects.SUFFIX}")
        should = {self._ledger / folder.VAULT / f"{path.stem}{SUFFIX}" for path in keyed if path.stat().st_size}
        self.lost = sorted(should - set(found))

    def _segment(self, path: Path, size: int) -> int:
        """Count the bodies of a segment; returns how far it is read, all of it where something is wrong."""
        # Asked for after the size: a body is written behind its key.
        held = subjects.held(self._ledger, path.stem)
        opened: dict[bytes, AESGCM | None] = {}
        at = self._read.get(path, 0) or len(MAGIC)
        with path.open("rb") as file:
            if not MAGIC.startswith(file.read(len(MAGIC))):
                return self._flawed(path, 0, "it does not begin as a vault segment does", size)
            for record in _records(file, at, size):
                about, wrapped = held.get(record.key_id, (b"", b""))
                if not wrapped:
                    return self._flawed(path, record.offset, "its key is missing, or its header is damaged", size)
                at = record.offset + HEADER.size + record.size
                if at > size:
                    return record.offset  # being written, or torn when its process died
                if self._keys and any(wrapped):
                    if record.key_id not in opened:
                        opened[record.key_id] = _unwrapped(self._keys, wrapped, about)
                    if reason := _wrong(self._keys, opened[record.key_id], record, file):
                        return self._flawed(path, record.offset, reason, size)
                self.digests.add(record.digest)
                self.bodies += 1
                self.erased += not any(wrapped)
        return at

    def _flawed(self, path: Path, at: int, reason: str, size: int) -> int:
        self.flaws.append(Flaw(f"{path}, byte {at}", reason))
        return size


def _records(file: BinaryIO, at: int, size: int) -> Iterator[_Record]:
    while at + HEADER.size <= size:
        file.seek(at)
        head = file.read(HEADER.size)
        length, digest, key_id, nonce = HEADER.unpack(head)
        yield _Record(at, length, head, digest, key_id, nonce)
        at += HEADER.size + length


def _unwrapped(keys: Keys, wrapped: bytes, about: bytes) -> AESGCM | None:
    key = keys.unwrap(wrapped, about)
    return AESGCM(key) if key else None


def _wrong(keys: Keys, key: AESGCM | None, record: _Record, file: BinaryIO) -> str:
    """What is wrong with a body, or nothing."""
    if key is None:
        return "its key is damaged"
    file.seek(record.offset + HEADER.size)
    sealed = file.read(record.size)
    try:
        body = zstandard.ZstdDecompressor().decompress(key.decrypt(record.nonce, sealed, record.head))
    except (InvalidTag, zstandard.ZstdError):
        return "this body is not what was written"
    return "" if keys.digest(body) == record.digest.hex() else "this body is not the one its digest names"
