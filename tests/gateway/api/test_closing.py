"""Closing periods over HTTP: who looks at the books meanwhile is answered, and who writes them waits or is told so."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.core.settings import Settings
from comptroller.gateway.api.bureau import Bureau
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.keeping import keep_books
from comptroller.office.unit_costs import month_of
from comptroller.wrapper.desk import Desk
from tests.gateway.api.books import books
from tests.gateway.api.house import Answer, Api
from tests.gateway.api.test_contracts import DEARER

PATIENCE_S = 120  # so long a test that fails waits for an answer that does not come
LOOKED_AT = ("/api/balance", "/api/invoices", "/api/credit-notes", "/api/economics", "/api/contracts", "/api/drafts",
             "/api/contract?customer=acme", "/api/draft?customer=acme", "/api/draft/outcomes?customer=acme",
             "/api/books/waiting", "/api/books/focus", "/api/books/cost", "/api/outcomes")  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Api]:
    with books(tmp_path) as made:
        yield made


@pytest.fixture
def others() -> Iterator[ThreadPoolExecutor]:
    """Those who ask meanwhile."""
    with ThreadPoolExecutor(4) as pool:
        yield pool


@contextmanager
def held(house: Api, others: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> Iterator["Future[Answer]"]:
    """A close that stands still in its midst: its invoices have their numbers, and nothing of them is posted."""
    reached, released, real = threading.Event(), threading.Event(), Bookkeeper.follow

    def follow(self: Bookkeeper, invoices: Any) -> None:
        if invoices and not reached.is_set():
            reached.set()
            assert released.wait(PATIENCE_S)
        real(self, invoices)

    monkeypatch.setattr(Bookkeeper, "follow", follow)
    closing = others.submit(house.post, "/api/books/close", {})
    try:
        assert reached.wait(PATIENCE_S)
        yield closing
    finally:
        released.set()


def looked(house: Api, *more: str) -> list[tuple[int, bytes]]:
    found = [house.get(path) for path in (*LOOKED_AT, *more)]
    tried = {"text": DEARER, "period": month_of(house.bureau.clock.now_ns())}
    return [(one.status, one.body) for one in (*found, house.post("/api/contracts/try", tried))]


def test_who_looks_at_the_books_is_answered_while_a_close_is_under_way(
    house: Api, others: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = house.post("/api/books/close", {"customer": "acme"})["invoices"][0]["number"]
    assert house.post(f"/api/invoices/{one}/credit", {"amount": "1.00 USD", "reference": "c"}).status == 200
    paths = [f"/api/invoices/{one}{rest}" for rest in ("", "?form=html", "/account", "/outcomes")]
    before = looked(house, *paths)
    assert {status for status, _ in before} == {200}
    with held(house, others, monkeypatch) as closing:
        assert others.submit(looked, house, *paths).result(PATIENCE_S) == before
        assert not closing.done()
    made = closing.result(PATIENCE_S)["invoices"]
    assert {row["customer"] for row in made} == {"bolt"}
    assert {row["customer"] for row in house.get("/api/invoices")["invoices"]} == {"acme", "bolt"}
    assert house.get("/api/balance").body != before[0][1]
    assert house.get("/api/balance")["off"] == {}


def test_a_close_that_fails_in_its_midst_is_looked_at_and_done_again(
    house: Api, others: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Bookkeeper.follow

    def broken(self: Bookkeeper, invoices: Any) -> None:
        if invoices:
            raise OSError("no space")
        real(self, invoices)

    monkeypatch.setattr(Bookkeeper, "follow", broken)
    with pytest.raises(OSError, match="no space"):
        house.post("/api/books/close", {})
    monkeypatch.undo()
    known = house.get("/api/invoices")["invoices"]
    assert house.get("/api/balance")["off"] == {}
    assert {row["number"] for row in house.post("/api/books/close", {})["invoices"]}.isdisjoint(
        row["number"] for row in known
    )
    assert house.post("/api/books/close", {})["invoices"] == []


class Pen:
    """The pen of the books; says when somebody reaches for it."""

    def __init__(self) -> None:
        self._pen, self.wanted = threading.Lock(), threading.Event()

    def acquire(self, timeout: float) -> bool:
        if self._pen.locked():
            self.wanted.set()
        return self._pen.acquire(timeout=timeout)

    def release(self) -> None:
        self._pen.release()


def _closing(house: Api, number: str) -> Answer:
    return house.post("/api/books/close", {})


def _paying(house: Api, number: str) -> Answer:
    return house.post(f"/api/invoices/{number}/pay", {"amount": "1.00 USD", "reference": "w"})


def _crediting(house: Api, number: str) -> Answer:
    return house.post(f"/api/invoices/{number}/credit", {"amount": "1.00 USD", "reference": "c"})


@pytest.mark.parametrize("writing", [_closing, _paying, _crediting])
def test_who_writes_the_books_during_a_close_waits_until_it_is_done(
    writing: Callable[[Api, str], Answer], house: Api, others: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pen = Pen()
    monkeypatch.setattr(house.bureau, "_books_pen", pen)
    with held(house, others, monkeypatch) as closing:
        second = others.submit(writing, house, f"INV-{_year(house)}-0001")
        assert pen.wanted.wait(PATIENCE_S)
        assert not second.done()
    made = closing.result(PATIENCE_S)["invoices"]
    told = second.result(PATIENCE_S)
    assert told.status == 200
    assert len(house.get("/api/invoices?limit=1000")["invoices"]) == len(made)
    if writing is _closing:
        assert told["invoices"] == []
    assert house.get("/api/balance")["off"] == {}


@pytest.mark.parametrize("writing", [_closing, _paying, _crediting])
def test_who_has_waited_too_long_is_told_so_and_has_written_nothing(
    writing: Callable[[Api, str], Answer], house: Api, others: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.bureau.patience_s = 0
    with held(house, others, monkeypatch) as closing:
        told = others.submit(writing, house, f"INV-{_year(house)}-0001").result(PATIENCE_S)
    assert (told.status, told.error["code"]) == (503, "ledger_unavailable")
    assert told.error["remedy"] == "Try again later."
    made = closing.result(PATIENCE_S)["invoices"]
    assert len(house.get("/api/invoices?limit=1000")["invoices"]) == len(made)
    assert house.get("/api/credit-notes")["credit_notes"] == []


def test_the_books_are_looked_at_while_another_process_is_at_work_on_them(
    house: Api, others: ThreadPoolExecutor
) -> None:
    before = [house.get(path).body for path in LOOKED_AT[:3]]
    with Desk.open(house.bureau.ledger, {"tenant": "ours", "contracts": house.bureau.settings.contracts}) as desk:
        keeper = keep_books(desk, house.bureau.reader)
        with keeper.alone():
            asked = [others.submit(house.get, path) for path in LOOKED_AT[:3]]
            assert [one.result(PATIENCE_S).body for one in asked] == before


_KILLED = """
import os, signal, sys
from comptroller.core.settings import Settings
from comptroller.gateway.api.bureau import Bureau
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.close import close
from comptroller.office.ledger import Accounts

real, posted = Accounts.post, []
def post(self, txn, durable=True):
    done = real(self, txn, durable)
    posted.extend([txn] if done and txn.kind == "finalised" else [])
    if len(posted) == 2:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return done
Accounts.post = post
bureau = Bureau(Settings.model_validate_json(sys.argv[1]))
with bureau.closing() as keeper:
    close(keeper)
"""


def test_a_process_killed_in_the_midst_of_a_close_leaves_nothing_undone_or_done_twice(tmp_path: Path) -> None:
    with books(tmp_path) as made:
        said = made.bureau.settings.model_dump_json()
    killed = subprocess.run([sys.executable, "-c", _KILLED, said], check=False, timeout=PATIENCE_S, cwd=tmp_path)
    if os.name == "posix":
        assert killed.returncode == -signal.SIGKILL
    bureau = Bureau(Settings.model_validate_json(said))
    try:
        house = Api(bureau, [])
        known = [row["number"] for row in house.get("/api/invoices?limit=1000")["invoices"]]
        assert len(known) >= 2
        assert house.get("/api/balance")["off"] == {}
        more = [row["number"] for row in house.post("/api/books/close", {})["invoices"]]
        rows = house.get("/api/invoices?limit=1000")["invoices"]
        assert sorted(row["number"] for row in rows) == sorted(known + more)
        assert len({(row["customer"], row["period"]) for row in rows}) == len(rows)
        owed = {row["account"]: row["balance"] for row in house.get("/api/balance")["accounts"]}["receivable"]
        assert sum(Decimal(row["totals"]["total"]) for row in rows) == Decimal(owed)
        assert house.post("/api/books/close", {})["invoices"] == []
    finally:
        bureau.close()


def _year(house: Api) -> str:
    return month_of(house.bureau.clock.now_ns())[:4]
