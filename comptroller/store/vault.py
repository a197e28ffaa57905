"""Bodies, encrypted from the first byte: each message stored once per subject, found again by its keyed digest.

Every process appends to a segment file of its own, so no lock is shared. A record is a header (length, digest, id of
the key, nonce) and the message, zstd inside AES-GCM, bound to its header. A journal record names digests only, and is
written after the bodies it names.
"""

import os
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from comptroller.core.clock import Clock
from comptroller.core.errors import StoreError
from comptroller.store import folder
from comptroller.store.keys import Keys
from comptroller.store.subjects import Subjects
from comptroller.store.tail import unwritable

MAGIC = b"comptroller vault 1\n"
SUFFIX = ".seg"
HEADER = struct.Struct("<I16s16s12s")  # length of what follows, digest, key id, nonce
_LEVEL = 3
_KNOWN = 65_536  # messages remembered as stored; an older one is stored again, which costs bytes and nothing else


class Vault:
    """What one process writes. Thread-safe."""

    def __init__(self, ledger: Path, keys: Keys, clock: Clock) -> None:
        self._ledger, self._keys, self._clock = ledger, keys, clock
        self._lock = threading.Lock()
        self._local = threading.local()
        self.forked()

    def forked(self) -> None:
        """Start anew with a file and keys of one's own, as a child after a fork must."""
        self._lock = threading.Lock()
        stem = self._clock.new_id()
        self._path = self._ledger / folder.VAULT / f"{stem}{SUFFIX}"
        self._subjects = Subjects(self._ledger, stem, self._keys)
        self._known: dict[tuple[str, bytes], None] = {}
        self._fd, self._size, self._dirty = -1, 0, False

    def keep(self, messages: Sequence[bytes], tenant: str, subject: str) -> list[str]:
        """Store what is not stored yet, with one write(); returns a digest for each message."""
        digests = [self._keys.digest(message) for message in messages]
        tag = tag_of(self._keys, tenant, subject)
        with self._lock:
            if self._subjects.refresh():
                self._known.clear()
            new: dict[str, bytes] = {}
            for digest, message in zip(digests, messages, strict=True):
                if (digest, tag) not in self._known:
                    new[digest] = message
            if new:
                self._store(new, tag)
        return digests

    def sync(self) -> None:
        """Return once everything kept is durable."""
        if not self._dirty:
            return
        with self._lock:
            if self._dirty:
                try:
                    os.fsync(self._fd)
                except OSError as error:
                    raise StoreError(unwritable(self._path, error)) from error
                self._dirty = False

    def close(self) -> None:
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _store(self, new: dict[str, bytes], tag: bytes) -> None:
        key_id, key = self._subjects.key(tag)
        data = b"".join([self._sealed(digest, message, key_id, key) for digest, message in new.items()])
        self._write(data)
        for digest in new:
            self._known[digest, tag] = None
        while len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]

    def _sealed(self, digest: str, message: bytes, key_id: bytes, key: AESGCM) -> bytes:
        nonce = os.urandom(12)
        packed: bytes = zstandard.ZstdCompressor(level=_LEVEL).compress(message)
        head = HEADER.pack(len(packed) + 16, bytes.fromhex(digest), key_id, nonce)
        return head + key.encrypt(nonce, packed, head)

    def _write(self, data: bytes) -> None:
        try:
            if self._fd < 0:
                self._open()
            done = os.write(self._fd, data)
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError as error:
            self._take_back()
            raise StoreError(unwritable(self._path, error)) from error
        self._size += len(data)
        self._dirty = True

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._fd = os.open(self._path, flags, 0o600)
        os.write(self._fd, MAGIC)
        self._size = len(MAGIC)

    def _take_back(self) -> None:
        # Half a record would hide all that follow it: cut it off, or leave the file to its readers and begin another.
        fd = self._fd
        if fd < 0:
            return
        try:
            os.ftruncate(fd, self._size)
        except OSError:
            self._fd = -1
            os.close(fd)
            self._path = self._path.with_name(f"{self._clock.new_id()}{SUFFIX}")


def tag_of(keys: Keys, tenant: str, subject: str) -> bytes:
    """What stands for a subject in key files: a keyed digest, since a name in clear would outlive its erasure."""
    return bytes.fromhex(keys.digest(f"subject {len(tenant)} {tenant} {subject}".encode("utf-8", "backslashreplace")))
