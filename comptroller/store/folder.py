"""A ledger's directory: what lies in it, and whether this version can read it."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from comptroller.core.clock import Clock
from comptroller.core.errors import StoreError
from comptroller.store import segment
from comptroller.store.tail import unwritable

FORMAT = 1
LABEL = "ledger.json"
LOCK = "journal.lock"
MEMBERS = "members.lock"  # every process that uses the ledger shares it: who can have it alone is alone
OWNER = "owner.json"  # where the owner listens
VAULT = "vault"
KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Label:
    """What `ledger.json` says."""

    format: int
    id: str
    created: int


def make(ledger: Path) -> None:
    """Make the directory and its folders where they are missing."""
    try:
        for folder in (ledger, ledger / segment.FOLDER, ledger / VAULT, ledger / KEYS):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(unwritable(Path(error.filename or ledger), error)) from error


def foreign(directory: Path) -> bool:
    """True where a directory holds things and is no ledger: nobody means to make one there."""
    if (directory / LABEL).exists() or not directory.is_dir():
        return False
    return any(path.name not in (segment.FOLDER, VAULT, KEYS, LOCK, MEMBERS) for path in directory.iterdir())


def label(ledger: Path) -> Label | None:
    """The ledger's label, None where there is no ledger yet; StoreError where this version cannot use it."""
    path = ledger / LABEL
    try:
        read = msgspec.json.decode(path.read_bytes(), type=Label)
    except FileNotFoundError:
        if segment.numbers(ledger):
            raise StoreError(f"{path} is missing although a journal is there. Restore it from a backup.") from None
        return None
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read: {error.strerror}. Make it readable for this user, or name another ledger."
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: is not a ledger's label: {error}. Restore the file from a backup.") from error
    if read.format > FORMAT:
        raise StoreError(
            f"{path}: the ledger has format {read.format}, this version reads up to {FORMAT}. "
            "Upgrade: pip install --upgrade comptroller."
        )
    return read


def begin(ledger: Path, clock: Clock) -> Label:
    """Write the label of a new ledger."""
    made = Label(FORMAT, clock.new_id(), clock.now_ns())
    replace(ledger / LABEL, msgspec.json.encode(made) + b"\n")
    return made


def replace(path: Path, data: bytes) -> None:
    """Put a whole small file in place, readable for this user only: readers see the old one or the new one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise StoreError(unwritable(path, error)) from error
