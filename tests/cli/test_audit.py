"""`audit verify`: a whole record is a plain yes, a changed one a place and a remedy."""

import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("duckdb")

from comptroller.office.audit import audit
from comptroller.store import segment
from comptroller.store.books import FILE

Cli = Callable[..., Any]


def test_a_whole_record_verifies_and_the_books_are_in_step(cli: Cli, world: Any, refund: str) -> None:
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 0
    assert "books in step: 7 calls in 1 run" in said.out
    assert said.out.endswith("✓ ok\n")


def test_one_changed_digit_is_found_with_its_place(cli: Cli, world: Any, refund: str) -> None:
    world.ledger.close()
    path = segment.path_of(world.path, 1)
    path.write_bytes(path.read_bytes().replace(b'"cost":1500000', b'"cost":1500001', 1))
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 1
    assert "✗ fail" in said.out
    assert "00000001.ndjson, byte " in said.out
    assert "its hash does not follow" in said.out
    found = json.loads(cli("audit", "verify", "--json", "--ledger", world.path).out)
    assert (found["ok"], found["books"]) == (False, "not compared")


def test_a_journal_cut_short_is_found_by_the_books(cli: Cli, world: Any, refund: str) -> None:
    cli("runs", "ls", "--ledger", world.path)
    world.ledger.close()
    path = segment.path_of(world.path, 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 1
    assert "cut or replaced" in said.out


def test_a_torn_end_is_no_fault_and_is_mentioned(cli: Cli, world: Any, refund: str) -> None:
    world.ledger.close()
    with segment.path_of(world.path, 1).open("ab") as file:
        file.write(b'{"n":99')
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 0
    assert "7 bytes at the end" in said.out


def test_damaged_books_are_a_finding_with_a_remedy(world: Any, refund: str) -> None:
    (world.path / FILE).write_bytes(b"x" * 20000)
    found = audit(world.path)
    assert not found.ok
    assert found.place.endswith(FILE)
    assert "made anew" in found.remedy
