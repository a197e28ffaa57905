"""Bookmarks: a shortcut where they can be trusted, nothing where they cannot."""

from pathlib import Path

import pytest

from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.office import bookmark
from comptroller.office.follower import Place
from comptroller.testing.memory import MemoryLedger

DIGEST = MemoryLedger().digest
PLACE = Place(3, 1234, b'..."}\n')
FACTS = [Fact("key.issued", "a", 1, data={"key": "k", "hash": "h", "scopes": ["x"]}), Fact("key.revoked", "b", 2)]


def test_a_bookmark_comes_back_as_it_was_left(tmp_path: Path) -> None:
    bookmark.save(tmp_path, DIGEST, PLACE, FACTS)
    assert bookmark.load(tmp_path, DIGEST) == (PLACE, FACTS)


def test_without_one_nothing_is_found(tmp_path: Path) -> None:
    assert bookmark.load(tmp_path, DIGEST) is None


def test_one_that_was_touched_anywhere_is_not_trusted(tmp_path: Path) -> None:
    bookmark.save(tmp_path, DIGEST, PLACE, FACTS)
    path = tmp_path / bookmark.NAME
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert bookmark.load(tmp_path, DIGEST) is None
    path.write_bytes(whole[:-1])
    assert bookmark.load(tmp_path, DIGEST) is None


def test_one_made_with_another_ledgers_key_is_not_trusted(tmp_path: Path) -> None:
    bookmark.save(tmp_path, lambda data: "0" * 32, PLACE, FACTS)
    assert bookmark.load(tmp_path, DIGEST) is None


def test_a_disk_that_takes_none_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise StoreError("no space")

    monkeypatch.setattr("comptroller.store.folder.replace", full)
    bookmark.save(tmp_path, DIGEST, PLACE, FACTS)
    assert bookmark.load(tmp_path, DIGEST) is None
