import errno
import json
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.store import folder as layout


def test_a_new_ledger_gets_a_label(folder: Path, clock: FrozenClock) -> None:
    layout.make(folder)
    assert layout.label(folder) is None
    assert layout.begin(folder, clock) == layout.label(folder)


def test_a_newer_format_asks_for_an_upgrade(folder: Path, clock: FrozenClock) -> None:
    layout.make(folder)
    layout.begin(folder, clock)
    label = json.loads((folder / "ledger.json").read_text())
    (folder / "ledger.json").write_text(json.dumps(label | {"format": 2, "more": 1}))
    with pytest.raises(StoreError, match=r"has format 2, this version reads up to 1\. Upgrade: pip install"):
        layout.label(folder)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\xff", '{"format": "1"}'])
def test_a_broken_label_is_named(text: str, folder: Path) -> None:
    layout.make(folder)
    (folder / "ledger.json").write_text(text, encoding="latin-1")
    with pytest.raises(StoreError, match=r"ledger\.json: is not a ledger's label: .* backup"):
        layout.label(folder)


def test_a_journal_without_a_label_is_not_taken_for_a_new_ledger(folder: Path) -> None:
    layout.make(folder)
    (folder / "journal" / "00000001.ndjson").write_bytes(b"")
    with pytest.raises(StoreError, match="is missing although a journal is there"):
        layout.label(folder)


def test_a_read_only_place_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=r"ledger: cannot be written: Read-only file system\. Make the directory writ"):
        layout.make(folder)


def test_a_failed_replacement_leaves_the_old_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.make(folder)
    layout.replace(folder / "x", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(layout.os, "fsync", full)
    with pytest.raises(StoreError, match="Free some space"):
        layout.replace(folder / "x", b"new")
    assert (folder / "x").read_bytes() == b"old"
    assert not list(folder.glob("*.new"))
