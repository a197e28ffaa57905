"""Bodies, encrypted from the first byte: each message stored once per subject, found again by its keyed digest.

Every process appends to a segment file of its own, so no lock is shared. A record is a header (length, digest, id of
the key, nonce) and the message, zstd inside AES-GCM, bound to its header. A journal record names digests only, and is
written after the bodies it names.
"""

import contextlib
import os
import secrets
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from comptroller.core.errors import StoreError
from comptroller.store import folder
from comptroller.store.keys import Keys
from comptroller.store.subjects import Subjects
from comptroller.store.tail import unwritable

MAGIC = b"comptroller vault 1\n"
SUFFIX = ".seg"
HEADER = struct.Struct("<I16s16s12s")  # length of what follows, digest, key id, nonce
_LEVEL = 3
_FULL = 256 * 1024 * 1024  # bytes after which the next file begins
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_TAGS = 4_096  # subjects whose tag is remembered
_KNOWN = 65_536  # messages remembered as stored; an older one is stored again, which costs bytes and nothing else


class Vault:
    """What one process writes. Thread-safe."""

    def __init__(self, ledger: Path, keys: Keys) -> None:
        self._ledger, self._keys = ledger, keys
        self._fd, self._size, self._dirty = -1, 0, False
        self.forked()

    def forked(self) -> None:
        """Start anew with a file and keys of one's own, as a child after a fork must."""
        self._lock = threading.Lock()
        self._known: dict[tuple[str, bytes], None] = {}
        self._tags: dict[tuple[str, str], bytes] = {}
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._begin()

    def keep(self, messages: Sequence[bytes], tenant: str, subject: str) -> list[str]:
        """Store what is not stored yet, with one write(); returns a digest for each message."""
        digests = [self._keys.digest(message) for message in messages]
        tag = self._tag(tenant, subject)
        with self._lock:
            if self._subjects.refresh():
                self._known.clear()
            new: dict[str, bytes] = {}
            for digest, message in zip(digests, messages, strict=True):
                if (digest, tag) not in self._known:
                    new[digest] = message
            if new:
                if self._size >= _FULL:
                    self._flush()
                    self._let_go()
                self._store(new, tag)
        return digests

    def _tag(self, tenant: str, subject: str) -> bytes:
        tag = self._tags.get((tenant, subject))
        if tag is None:
            if len(self._tags) >= _TAGS:
                self._tags.clear()
            tag = self._tags[tenant, subject] = tag_of(self._keys, tenant, subject)
        return tag

    def sync(self) -> None:
        """Return once everything kept is durable."""
        if not self._dirty:
            return
        with self._lock:
            self._flush()

    def close(self) -> None:
        """Let go of the file; keeping more begins another."""
        with self._lock:
            self._let_go()

    def _flush(self) -> None:
        if self._dirty:
            try:
                self._subjects.sync()  # first: a body is worth nothing without its key
                os.fsync(self._fd)
            except OSError as error:
                raise StoreError(unwritable(self._path, error)) from error
            self._dirty = False

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
        packed: bytes = self._compressor.compress(message)
        head = HEADER.pack(len(packed) + 16, bytes.fromhex(digest), key_id, nonce)
        return head + key.encrypt(nonce, packed, head)

    def _write(self, data: bytes) -> None:
        if not self._size:
            data = MAGIC + data
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, _FLAGS, 0o600)
            done = os.write(self._fd, data)
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError as error:
            path = self._path
            self._take_back()
            raise StoreError(unwritable(path, error)) from error
        self._size += len(data)
        self._dirty = True

    def _take_back(self) -> None:
        # Half a record would hide all that follow it: cut it off, or leave the file to its readers and begin another.
        if self._fd >= 0:
            try:
                os.ftruncate(self._fd, self._size)
            except OSError:
                self._let_go()

    def _let_go(self) -> None:
        fd = self._fd
        self._begin()
        if fd >= 0:
            os.close(fd)

    def _begin(self) -> None:
        # Keys lie in a file of the same name, so a reader knows where to look for them.
        stem = secrets.token_hex(16)
        self._path = self._ledger / folder.VAULT / f"{stem}{SUFFIX}"
        self._subjects = Subjects(self._ledger, stem, self._keys)
        self._fd, self._size, self._dirty = -1, 0, False


def tag_of(keys: Keys, tenant: str, subject: str) -> bytes:
    """What stands for a subject in key files: a keyed digest, since a name in clear would outlive its erasure."""
    return bytes.fromhex(keys.digest(f"subject {len(tenant)} {tenant} {subject}".encode("utf-8", "backslashreplace")))
