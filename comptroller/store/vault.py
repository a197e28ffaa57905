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
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import zstandard

from comptroller.core.errors import StoreError
from comptroller.store import folder
from comptroller.store.keys import Keys
from comptroller.store.subjects import Subjects
from comptroller.store.tail import unwritable

MAGIC = b"comptroller vault 1\n"
SUFFIX = ".seg"
HEADER = struct.Struct("<I16s16s12s")  # length of what follows, digest, key id, nonce
_LEVEL = 3
# Up to this size a hash table of 8 KB will do. Between a program's own work and its waits every call finds the
# processor's caches cold, and there 2 KB of text take 0.65 of the time that level 3 takes (19 us, not 30), for 2 % more
# bytes; much longer ones would take 11 % more.
_SHORT = 8_192
_TIGHT = zstandard.ZstdCompressionParameters(
    window_log=13, hash_log=11, chain_log=6, strategy=zstandard.STRATEGY_FAST, search_log=1, min_match=4
)
_FULL = 256 * 1024 * 1024  # bytes after which the next file begins
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_TAGS = 4_096  # subjects whose tag is remembered
# How often to look for an erasure by another process; at each message it cost 12 us of a call's 60 here. What is kept
# under a key that was destroyed within this time cannot be read by anybody, as if it had come just before the erasure.
_LOOK_NS = 50_000_000
_KNOWN = 65_536  # messages remembered as stored; an older one is stored again, which costs bytes and nothing else


class Vault:
    """What one process writes. Thread-safe."""

    def __init__(self, ledger: Path, keys: Keys, now: Callable[[], int] = time.monotonic_ns) -> None:
        self._ledger, self._keys, self._now = ledger, keys, now
        self._fd, self._size, self._dirty = -1, 0, False
        self.forked()

    def forked(self) -> None:
        """Start anew with a file and keys of one's own, as a child after a fork must."""
        self._lock = threading.Lock()
        self._known: dict[tuple[str, bytes], None] = {}
        self._tags: dict[tuple[str, str], bytes] = {}
        self._tight = zstandard.ZstdCompressor(compression_params=_TIGHT)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._look_ns = 0  # when to look for an erasure again
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._begin()

    def keep(self, messages: Sequence[bytes], tenant: str, subject: str) -> list[str]:
        """Store what is not stored yet, with one write(); returns a digest for each message."""
        digests = [self._keys.digest(message) for message in messages]
        tag = self._tags.get((tenant, subject)) or self._tag(tenant, subject)
        with self._lock:
            if self._now() >= self._look_ns:
                self._look()
            known = self._known
            new = {
                digest: message for digest, message in zip(digests, messages, strict=True) if (digest, tag) not in known
            }
            if new:
                self._store(new, tag)
        return digests

    def look(self) -> None:
        """Drop what an erasure has destroyed now, not in a moment."""
        with self._lock:
            self._look()

    def _look(self) -> None:
        if self._subjects.refresh():
            self._known.clear()
        self._look_ns = self._now() + _LOOK_NS

    def _tag(self, tenant: str, subject: str) -> bytes:
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
        if self._size >= _FULL:
            self._flush()
            self._let_go()
        key_id, key = self._subjects.key(tag)
        parts = [] if self._size else [MAGIC]
        for digest, message in new.items():
            packed = (self._tight if len(message) <= _SHORT else self._compressor).compress(message)
            nonce = os.urandom(12)
            head = HEADER.pack(len(packed) + 16, bytes.fromhex(digest), key_id, nonce)
            parts += head, key.encrypt(nonce, packed, head)
        self._write(b"".join(parts))
        known = self._known
        for digest in new:
            known[digest, tag] = None
        while len(known) > _KNOWN:
            del known[next(iter(known))]

    def _write(self, data: bytes) -> None:
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
