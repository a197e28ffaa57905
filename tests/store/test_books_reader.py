"""Reading a ledger from several processes: one has the books open, the others ask it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.store import enquiry
from comptroller.store.books import Books
from comptroller.store.ledger import Ledger
from comptroller.store.reader import Reader

ELSEWHERE = """
import json, sys
from comptroller.store.reader import Reader
with Reader.open(sys.argv[1]) as reader:
    print(json.dumps([reader.local, [row["run"] for row in reader.rows("runs_list")]]))
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger.open(tmp_path / "ledger", Settings(), FrozenClock())
    yield made
    made.close()


@pytest.fixture
def path(ledger: Ledger, tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def open_run(ledger: Ledger, run: str) -> None:
    ledger.record(Fact("run.opened", f"o-{run}", 1, run))


def test_whoever_finds_the_books_free_opens_them(ledger: Ledger, path: Path) -> None:
    open_run(ledger, "r1")
    with Reader.open(path) as reader:
        assert reader.local
        assert [row["run"] for row in reader.rows("runs_list")] == ["r1"]


def test_another_process_asks_the_one_that_has_them_and_sees_what_is_new(ledger: Ledger, path: Path) -> None:
    with Reader.open(path, serve=True):
        open_run(ledger, "r1")
        done = subprocess.run([sys.executable, "-c", ELSEWHERE, str(path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [False, ["r1"]]


def test_when_the_keeper_leaves_the_next_who_asks_takes_over(ledger: Ledger, path: Path) -> None:
    keeper = Reader.open(path, serve=True)
    asker = Reader.open(path)
    assert not asker.local
    open_run(ledger, "r1")
    keeper.close()
    assert [row["run"] for row in asker.rows("runs_list")] == ["r1"]
    assert asker.local
    asker.close()


def test_refresh_shows_what_was_written_since(ledger: Ledger, path: Path) -> None:
    with Reader.open(path, serve=True) as keeper, Reader.open(path) as asker:
        open_run(ledger, "r1")
        asker.refresh()
        assert len(asker.rows("runs_list")) == 1
        open_run(ledger, "r2")
        keeper.refresh()
        assert len(asker.rows("runs_list")) == 2


def test_mistakes_travel_as_words(path: Path) -> None:
    with Reader.open(path, serve=True), Reader.open(path) as asker:
        with pytest.raises(StoreError, match="no query called 'nope'"):
            asker.query("nope")
        assert asker.rows("runs_list") == []


def test_books_held_without_an_answer_are_told_after_the_wait(path: Path) -> None:
    silent = Books.open(path)
    with pytest.raises(StoreError, match=r"for 0 s and does not answer"):
        Reader.open(path, wait_s=0)
    silent.close()


def test_a_stale_address_of_a_dead_process_is_no_obstacle(path: Path) -> None:
    keeper = Reader.open(path, serve=True)
    address = (path / enquiry.LABEL).read_bytes()
    keeper.close()
    (path / enquiry.LABEL).write_bytes(address)
    (path / enquiry.SOCKET).touch()
    with Reader.open(path, serve=True) as reader, Reader.open(path) as asker:
        assert reader.local
        assert not asker.local


def test_nobody_is_answered_without_the_token(path: Path) -> None:
    with Reader.open(path, serve=True):
        asker = enquiry.Asker(path)
        asker._address.token = "wrong"
        with pytest.raises(enquiry.Gone):
            asker.query("totals", {})
        asker.close()


def test_a_question_nobody_would_ask_hangs_up(path: Path) -> None:
    with Reader.open(path, serve=True):
        asker = enquiry.Asker(path)
        asker._socket.sendall(b"\xff\xff\xff\xff")
        assert asker._socket.recv(1) == b""
        asker.close()


def test_many_threads_ask_at_once(ledger: Ledger, path: Path) -> None:
    open_run(ledger, "r1")
    found: list[int] = []
    with Reader.open(path, serve=True), Reader.open(path) as asker:
        threads = [threading.Thread(target=lambda: found.append(len(asker.rows("runs_list")))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [1] * 8


def test_a_path_too_long_for_a_socket_is_served_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 30)
    Ledger.open(path, Settings(), FrozenClock()).close()
    with Reader.open(path, serve=True), Reader.open(path) as asker:
        assert not asker.local
        assert asker.rows("runs_list") == []


def test_only_this_user_can_read_the_address_and_the_books(path: Path) -> None:
    with Reader.open(path, serve=True):
        modes = {(path / name).stat().st_mode & 0o077 for name in (enquiry.LABEL, "books.duckdb")}
    assert modes == {0}


def test_a_keeper_leaves_no_thread_and_no_file_behind(path: Path) -> None:
    Reader.open(path, serve=True).close()
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith(("comptroller-books", "comptroller-enq"))
    ]
    assert not (path / enquiry.LABEL).exists()
    assert not (path / enquiry.SOCKET).exists()


def test_a_reader_that_only_asks_never_opens_the_books_and_waits_for_who_does(ledger: Ledger, path: Path) -> None:
    open_run(ledger, "r1")
    with Reader.asking(path) as asking:
        found: list[list[dict[str, object]]] = []
        asked = threading.Thread(target=lambda: found.append(asking.rows("runs_list")))
        asked.start()
        with Reader.open(path, serve=True):
            asked.join()
            assert not asking.local
            assert [row["run"] for row in found[0]] == ["r1"]


def test_a_reader_that_only_asks_says_in_words_that_nobody_keeps_the_books(ledger: Ledger, path: Path) -> None:
    with (
        Reader.asking(path, wait_s=0) as asking,
        pytest.raises(StoreError, match=r"is not there. Start it with `comptroller up`"),
    ):
        asking.rows("runs_list")
    assert not (path / "books.duckdb").exists()


def test_a_reader_that_only_asks_finds_the_next_keeper(ledger: Ledger, path: Path) -> None:
    with Reader.asking(path) as asking:
        for run in ("r1", "r2"):
            with Reader.open(path, serve=True):
                open_run(ledger, run)
                asking.refresh()
                assert asking.rows("runs_list")[0]["run"] == run


def test_many_threads_share_a_few_connections(ledger: Ledger, path: Path) -> None:
    open_run(ledger, "r1")
    with Reader.open(path, serve=True), Reader.asking(path) as asking:
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(len(asking.rows("runs_list")))) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [1] * 30


def test_a_question_that_fails_leaves_the_next_one_its_own_answer(ledger: Ledger, path: Path) -> None:
    open_run(ledger, "r1")
    with Reader.open(path, serve=True), Reader.asking(path) as asking:
        with pytest.raises(StoreError, match="no parameter runn"):
            asking.rows("run", runn="x")
        assert [row["run"] for row in asking.rows("runs_list")] == ["r1"]


def test_who_waits_for_a_long_answer_does_not_keep_others_waiting(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_run(ledger, "r1")
    quick, answer = threading.Event(), Books.query

    def slow(books: Books, name: str, params: dict[str, object]) -> object:
        if name == "totals":
            assert quick.wait(30)
        return answer(books, name, params)

    monkeypatch.setattr(Books, "query", slow)
    with Reader.open(path, serve=True), Reader.asking(path) as asking:
        waiting = threading.Thread(target=lambda: asking.rows("totals"))
        waiting.start()
        assert len(asking.rows("runs_list")) == 1
        quick.set()
        waiting.join()


def test_who_watches_sees_what_is_new_though_keeping_fresh_would_rest(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enquiry, "EVERY_S", 0.01)
    monkeypatch.setattr(enquiry, "REST", 10**9)
    with Reader.open(path, serve=True), Reader.open(path) as asker:
        for run in ("r1", "r2", "r3"):
            open_run(ledger, run)
            until = time.monotonic() + 30
            while run not in [row["run"] for row in asker.rows("runs_list")] and time.monotonic() < until:
                pass
        assert {row["run"] for row in asker.rows("runs_list")} == {"r1", "r2", "r3"}
