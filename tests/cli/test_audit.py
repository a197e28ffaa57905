"""`audit verify`: a whole record is a plain yes, a changed one a place and a remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.office.audit import audit
from comptroller.store import segment
from comptroller.store.books import FILE, Books
from comptroller.store.ledger import Ledger

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


def test_a_master_key_of_another_ledger_is_a_fault(
    cli: Cli, world: Any, refund: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPTROLLER_MASTER_KEY", "ab" * 32)
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 1
    assert "is not the master key that" in said.out


def test_without_a_master_key_the_seals_are_counted_and_that_is_said(cli: Cli, world: Any, refund: str) -> None:
    world.ledger.close()
    (world.path / "keys" / "master.key").unlink()
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 0
    assert "1 seal (counted, not checked)" in said.out
    assert "! warn  no master key at hand" in said.out
    blind = cli("audit", "verify", "--bodies", "--ledger", world.path)
    assert blind.code == 1
    assert "no text can be opened" in blind.out


def vault(world: Any) -> Path:
    (path,) = (world.path / "vault").glob("*.seg")
    return path


def test_every_text_is_counted_and_opened_when_asked(cli: Cli, world: Any, refund: str) -> None:
    assert (
        "2 texts in 1 segment of the vault (counted, see --bodies)"
        in cli("audit", "verify", "--ledger", world.path).out
    )
    assert "each opened, its digest as on record" in cli("audit", "verify", "--bodies", "--ledger", world.path).out


def test_a_text_changed_in_the_vault_is_found_when_opened(cli: Cli, world: Any, refund: str) -> None:
    data = bytearray(vault(world).read_bytes())
    data[-1] ^= 1
    vault(world).write_bytes(data)
    assert cli("audit", "verify", "--ledger", world.path).code == 0
    said = cli("audit", "verify", "--bodies", "--ledger", world.path)
    assert said.code == 1
    assert f"{vault(world)}, byte " in said.out
    assert "this body is not what was written" in said.out


def test_a_damaged_header_in_the_vault_is_found_without_opening(cli: Cli, world: Any, refund: str) -> None:
    data = bytearray(vault(world).read_bytes())
    data[len(b"comptroller vault 1\n") + 4 + 16] ^= 1
    vault(world).write_bytes(data)
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 1
    assert "byte 20" in said.out
    assert "its key is missing, or its header is damaged" in said.out


def test_a_vault_segment_that_was_removed_is_found(cli: Cli, world: Any, refund: str) -> None:
    path = vault(world)
    path.unlink()
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 1
    assert f"{path}\n  the segment is missing" in said.out


def test_evidence_without_its_text_is_a_fault(cli: Cli, world: Any, refund: str) -> None:
    world.fact("claim", refund, type="x", subject="y", evidence="ab" * 16)
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 1
    assert f"evidence of claims is missing (1), the first being {'ab' * 16}" in said.out


def test_texts_of_an_erased_subject_are_told_apart_and_no_fault(cli: Cli, world: Any, refund: str) -> None:
    world.ledger.forget("default", "acme")
    said = cli("audit", "verify", "--bodies", "--ledger", world.path)
    assert said.code == 0
    assert "2 of them erased" in said.out


def test_a_text_kept_as_a_digest_alone_is_counted_apart(cli: Cli, world: Any, refund: str) -> None:
    world.call(refund, request=["ab" * 16])
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 0
    assert "1 text on record as a digest alone" in said.out


def test_a_kept_head_finds_a_tail_that_was_cut_even_without_books(cli: Cli, world: Any, refund: str) -> None:
    head = json.loads(cli("audit", "verify", "--json", "--ledger", world.path).out)["head"]
    later = world.run()
    said = cli("audit", "verify", "--head", head, "--ledger", world.path)
    assert said.code == 0
    assert "1 came since" in said.out
    world.ledger.close()
    path = segment.path_of(world.path, 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    (world.path / FILE).unlink()
    assert cli("audit", "verify", "--ledger", world.path).code == 0
    said = cli("audit", "verify", "--head", head, "--ledger", world.path)
    assert said.code == 1
    assert "was cut off or replaced" in said.out
    assert later


def test_a_head_that_is_none_is_wrong_use(cli: Cli, world: Any) -> None:
    assert cli("audit", "verify", "--head", "abc", "--ledger", world.path).code == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "UPDATE calls SET cost = cost + 1 WHERE call = (SELECT min(call) FROM calls)",
            "the journal has 7 and 0.003 USD",
        ),
        ("DELETE FROM calls WHERE cost = 0", "the books have 2 calls"),
        ("UPDATE runs SET cost = cost + 1", "the sums by run are not those of the calls"),
        ("UPDATE costs_daily SET cost = cost + 1", "the sums by day are not those of the calls"),
        ("UPDATE calls_hourly SET calls = calls + 1", "the sums by hour are not those of the calls"),
        ("UPDATE runs_hourly SET runs = runs + 1", "runs by hour are not all runs"),
    ],
)
def test_books_whose_sums_are_not_those_of_the_journal_are_a_fault(
    cli: Cli, world: Any, refund: str, change: str, said: str
) -> None:
    cli("runs", "ls", "--ledger", world.path)
    books = Books.open(world.path)
    books._connection.execute(change)
    books.close()
    found = cli("audit", "verify", "--ledger", world.path)
    assert found.code == 1
    assert said in found.out
    assert "the books are made anew from the journal" in found.out


def test_a_closed_segment_without_its_seal_is_a_fault(cli: Cli, world: Any, refund: str) -> None:
    world.ledger.close()
    path = segment.path_of(world.path, 1)
    *lines, seal = path.read_bytes().splitlines(keepends=True)
    assert b'"k":"seal"' in seal
    path.write_bytes(b"".join(lines))
    assert cli("audit", "verify", "--ledger", world.path).code == 0  # the newest may lack it: its process was killed
    segment.path_of(world.path, 2).touch()
    said = cli("audit", "verify", "--ledger", world.path)
    assert said.code == 1
    assert "the segment before it is not sealed" in said.out


MOVES = st.lists(st.tuples(st.sampled_from(["open", "close", "lose", "euro", "read"]), st.integers(0, 3)), max_size=20)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_the_audits_own_count_is_that_of_the_books_whatever_happened(moves: Any, tmp_path_factory: Any) -> None:
    path, clock = tmp_path_factory.mktemp("audit") / "ledger", FrozenClock()
    ledger = Ledger.open(path, Settings(), clock)
    try:
        for move, number in moves:
            call, data = f"{number:032x}", {"kind": "model", "name": "m"}
            if move == "open":
                ledger.record(Fact("call.opened", clock.new_id(), clock.now_ns(), "r", call, data))
            elif move == "lose":
                lost = {"hold": {"id": call, "lines": [["k", "calls", 1], ["k", "USD", number + 7]]}}
                ledger.record(Fact("hold.expired", clock.new_id(), clock.now_ns(), "r", call, lost))
            elif move == "read":
                audit(path)
            else:
                cost = {"cost": number + 3, "currency": "EUR" if move == "euro" else "USD", "status": "ok"}
                ledger.record(Fact("call.closed", clock.new_id(), clock.now_ns(), "r", call, {**data, **cost}))
        assert audit(path).books == "in step"
    finally:
        ledger.close()


def test_a_read_only_ledger_is_judged_by_its_journal_and_vault(
    cli: Cli, world: Any, refund: str, read_only: Callable[[Path], None]
) -> None:
    world.ledger.close()
    read_only(world.path)
    said = cli("audit", "verify", "--bodies", "--ledger", world.path)
    assert said.code == 0
    assert "books not compared: nothing can be written here, so the journal was judged alone" in said.out
    assert "2 texts in 1 segment of the vault" in said.out
    assert not (world.path / FILE).exists()
