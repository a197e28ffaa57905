"""Reading the vault: bodies by digest, out of every process's segments, beside live writers."""

import threading
from pathlib import Path

import zstandard
from cryptography.exceptions import InvalidTag

from comptroller.core.errors import StoreError
from comptroller.store import folder, subjects
from comptroller.store.keys import Keys, open_keys
from comptroller.store.vault import HEADER, MAGIC, SUFFIX

_Place = tuple[str, int]  # stem of a segment, offset of a record


class Bodies:
    """An index over record headers, built when first asked and brought up to date when a digest is not in it."""

    def __init__(self, ledger: Path, keys: Keys) -> None:
        self._ledger, self._keys = ledger, keys
        self._lock = threading.Lock()
        self._index: dict[bytes, _Place | list[_Place]] = {}
        self._read: dict[str, int] = {}  # how far each segment is indexed

    @classmethod
    def open(cls, path: str | Path) -> "Bodies":
        """For a process that only reads."""
        ledger = Path(path)
        label = folder.label(ledger)
        if label is None:
            raise StoreError(f"{ledger}: there is no ledger. Name one with --ledger.")
        return cls(ledger, open_keys(ledger, label.id))

    def fetch(self, digest: str, tag: bytes = b"") -> bytes | None:
        """The body, None where it was never kept or its subject was erased; StoreError where it is damaged.

        With `tag`, only as it was kept for the subject that has it: another's is none of its business.
        """
        try:
            wanted = bytes.fromhex(digest)
        except ValueError:
            return None
        with self._lock:
            self._update()
            found = self._index.get(wanted, [])
        for place in found if isinstance(found, list) else [found]:
            body = self._open(place, digest, tag)
            if body is not None:
                return body
        return None

    def _update(self) -> None:
        for path in sorted((self._ledger / folder.VAULT).glob(f"*{SUFFIX}")):
            start = self._read.get(path.stem, 0)
            if path.stat().st_size > start:
                self._read[path.stem] = self._index_from(path, start)

    def _index_from(self, path: Path, start: int) -> int:
        size = path.stat().st_size
        with path.open("rb") as file:
            if start == 0:
                if size < len(MAGIC):
                    return 0
                if file.read(len(MAGIC)) != MAGIC:
                    raise StoreError(_damaged(path, 0, "it does not begin as a vault segment does"))
                start = len(MAGIC)
            while start + HEADER.size <= size:
                file.seek(start)
                length, digest, _, _ = HEADER.unpack(file.read(HEADER.size))
                if start + HEADER.size + length > size:
                    break  # being written, or torn when its process died
                self._add(digest, (path.stem, start))
                start += HEADER.size + length
        return start

    def _add(self, digest: bytes, place: _Place) -> None:
        known = self._index.get(digest)
        if known is None:
            self._index[digest] = place
        elif isinstance(known, list):
            known.append(place)
        else:
            self._index[digest] = [known, place]

    def _open(self, place: _Place, digest: str, tag: bytes) -> bytes | None:
        stem, offset = place
        path = self._ledger / folder.VAULT / f"{stem}{SUFFIX}"
        with path.open("rb") as file:
            file.seek(offset)
            head = file.read(HEADER.size)
            length, _, key_id, nonce = HEADER.unpack(head)
            sealed = file.read(length)
        try:
            key = subjects.find(self._ledger, stem, key_id, self._keys, tag)
            if key is None:
                return None
            body = zstandard.ZstdDecompressor().decompress(key.decrypt(nonce, sealed, head))
        except LookupError as error:
            raise StoreError(_damaged(path, offset, f"this body cannot be opened: {error}")) from None
        except (InvalidTag, zstandard.ZstdError):
            raise StoreError(_damaged(path, offset, "this body is not what was written")) from None
        return body


def _damaged(path: Path, offset: int, reason: str) -> str:
    return f"{path}, byte {offset}: {reason}. Restore the file from a backup; other bodies can still be read."
