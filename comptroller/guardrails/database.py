"""The compiled scanner database: made once per user and set of patterns, then read from a cache."""

import contextlib
import hashlib
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comptroller.guardrails.pattern import Pattern

_MAGIC = b"comptroller-scan-1\n"


def load(patterns: Sequence[Pattern], folder: Path | None = None) -> Any:
    """The database for these patterns: from the cache if it is sound, else compiled (80 ms) and cached."""
    import hyperscan

    path = (folder or cache_folder()) / f"scan-{_digest(patterns)}.bin"
    body = _read(path)
    if body is not None:
        with contextlib.suppress(hyperscan.error):  # made for another processor: compile for this one
            return _usable(hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK))
    database = compile_patterns(patterns)
    _write(path, hyperscan.dumpb(database))
    return database


def compile_patterns(patterns: Sequence[Pattern]) -> Any:
    """Compile the triggers; the number of a pattern is its place in the sequence."""
    import hyperscan

    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    # No start-of-match tracking: it makes the database larger and slower, and a trigger's end bounds its match.
    database.compile(
        expressions=[pattern.trigger.encode("ascii") for pattern in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[hyperscan.HS_FLAG_CASELESS if pattern.caseless else 0 for pattern in patterns],
    )
    return _usable(database)


def _usable(database: Any) -> Any:
    import hyperscan

    hyperscan.Scratch(database)  # raises for a database of another platform
    return database


def cache_folder() -> Path:
    """Where this user's caches live on this system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        return Path(base) / "comptroller" / "cache"
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "comptroller"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "comptroller"
    return Path.home() / ".cache" / "comptroller"


def _digest(patterns: Sequence[Pattern]) -> str:
    import hyperscan

    version = getattr(hyperscan, "__version__", "")
    parts = [version, platform.machine(), platform.system(), *(f"{p.trigger}\0{p.caseless}" for p in patterns)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _read(path: Path) -> bytes | None:
    """The cached bytes, if nobody else could have written them and none is damaged: hyperscan trusts its input."""
    try:
        if not _is_ours(path.parent) or not _is_ours(path):
            return None
        held = path.read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + 32
    sound = held.startswith(_MAGIC) and held[len(_MAGIC) : start] == hashlib.sha256(held[start:]).digest()
    return held[start:] if sound else None


def _is_ours(path: Path) -> bool:
    if sys.platform == "win32":
        return path.exists()
    found = path.lstat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not path.is_symlink()


def _write(path: Path, body: bytes) -> None:
    """Write the cache; where that is not possible the next start compiles again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(path.parent):
            return
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".scan-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(body).digest() + body)
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
