"""The keys of subjects: one per subject and process, wrapped, in append-only files; to forget is to overwrite them.

A key file is made of fixed rows: tag of the subject (16 bytes), id of the key (16), wrapped key (60). Forgetting puts
zeros over the wrapped key where it lies, so that no other process's file handle or position changes.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from comptroller.core.errors import StoreError
from comptroller.store import folder
from comptroller.store.keys import Keys
from comptroller.store.tail import unwritable

SUFFIX = ".keys"
ERASED = "erased"  # grows with every erasure: who holds keys in memory looks at its size
_TAG, _ID, _WRAPPED = 16, 16, 60
_ROW = _TAG + _ID + _WRAPPED
_MOST = 16_384  # subjects whose key stays in memory; one beyond gets another key, which is as good


class Subjects:
    """The keys this process encrypts with. Not thread-safe: the vault's lock guards it."""

    def __init__(self, ledger: Path, stem: str, keys: Keys) -> None:
        self._keys = keys
        self._folder = ledger / folder.KEYS
        self._path = self._folder / f"{stem}{SUFFIX}"
        self._held: dict[bytes, tuple[bytes, AESGCM]] = {}
        self._ledger = ledger
        self._erased = erasures(ledger)
        self._dirty = False

    def key(self, tag: bytes) -> tuple[bytes, AESGCM]:
        """The id of a subject's key and the key; made and stored where there is none yet."""
        held = self._held.get(tag)
        if held is None:
            if len(self._held) >= _MOST:
                del self._held[next(iter(self._held))]
            held = self._held[tag] = self._make(tag)
        return held

    def refresh(self) -> bool:
        """True when something was erased since the last look; then all keys in memory are dropped."""
        erased = erasures(self._ledger)
        if erased == self._erased:
            return False
        self._erased = erased
        self._held.clear()
        return True

    def _make(self, tag: bytes) -> tuple[bytes, AESGCM]:
        key_id, key = os.urandom(_ID), os.urandom(32)
        row = tag + key_id + self._keys.wrap(key, tag + key_id)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            fd = os.open(self._path, flags, 0o600)
            try:
                size = os.fstat(fd).st_size
                if size % _ROW:  # half a row, left by a full disk
                    os.ftruncate(fd, size - size % _ROW)
                if os.write(fd, row) != _ROW:
                    raise OSError("only a part of it was taken")
            finally:
                os.close(fd)
        except OSError as error:
            raise StoreError(unwritable(self._path, error)) from error
        self._dirty = True
        return key_id, AESGCM(key)

    def sync(self) -> None:
        """Return once all keys made are durable."""
        if self._dirty:
            fd = os.open(self._path, os.O_RDWR)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            self._dirty = False


def erasures(ledger: Path) -> int:
    """How many subjects were erased in a ledger."""
    try:
        return os.stat(f"{ledger}{os.sep}{folder.KEYS}{os.sep}{ERASED}").st_size
    except OSError:
        return 0


def find(ledger: Path, stem: str, key_id: bytes, keys: Keys, tag: bytes = b"") -> AESGCM | None:
    """A key by its id; None where it was destroyed or has another tag, LookupError where it is missing or damaged."""
    for _, row in _rows(ledger / folder.KEYS / f"{stem}{SUFFIX}"):
        if row[_TAG : _TAG + _ID] == key_id:
            wrapped = row[_TAG + _ID :]
            if not any(wrapped) or (tag and row[:_TAG] != tag):
                return None
            key = keys.unwrap(wrapped, row[: _TAG + _ID])
            if key is None:
                raise LookupError("its key is damaged")
            return AESGCM(key)
    raise LookupError("its key is missing")


def held(ledger: Path, stem: str) -> dict[bytes, tuple[bytes, bytes]]:
    """Every key of a file by its id: what the wrapping is about, and the wrapped key, all zeros where destroyed."""
    rows = (row for _, row in _rows(ledger / folder.KEYS / f"{stem}{SUFFIX}"))
    return {row[_TAG : _TAG + _ID]: (row[: _TAG + _ID], row[_TAG + _ID :]) for row in rows}


def destroy(ledger: Path, tag: bytes) -> int:
    """Overwrite every key of a subject, durably; returns how many there were."""
    count = 0
    try:
        for path in sorted((ledger / folder.KEYS).glob(f"*{SUFFIX}")):
            found = [offset for offset, row in _rows(path) if row[:_TAG] == tag and any(row[_TAG + _ID :])]
            if found:
                _overwrite(path, found)
                count += len(found)
        with open(ledger / folder.KEYS / ERASED, "ab") as file:
            file.write(b".")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(unwritable(ledger / folder.KEYS, error)) from error
    return count


def _overwrite(path: Path, offsets: list[int]) -> None:
    with path.open("r+b") as file:
        for offset in offsets:
            file.seek(offset + _TAG + _ID)
            file.write(bytes(_WRAPPED))
        file.flush()
        os.fsync(file.fileno())


def _rows(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for offset in range(0, len(data) - _ROW + 1, _ROW):
        yield offset, data[offset : offset + _ROW]
