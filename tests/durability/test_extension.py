"""Holds that grow while a stream goes on: admitted like any other, kept over a take-over, charged in full."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import comptroller as ct
from comptroller.core.clock import SYSTEM
from comptroller.core.errors import StoreError
from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, HOLD_EXTENDED, Fact
from comptroller.core.settings import Settings
from comptroller.store import folder, journal, recovery
from comptroller.store.ledger import Ledger
from comptroller.testing import Upstream
from comptroller.testing.script import Say
from comptroller.wrapper.desk import set_desk
from tests.durability.aftermath import check

KEY, UNIT = "run:r|:", "USD"


def opened(amount: int, cap: int = 100) -> Fact:
    hold = {"id": "h", "lines": [[KEY, UNIT, amount, cap]], "lease_ns": 2**62, "price": "p"}
    return Fact(CALL_OPENED, "o", SYSTEM.now_ns(), "r", "c", {"kind": "model", "hold": hold})


def extended(nth: int, amount: int, cap: int = 100) -> Fact:
    hold = {"id": "h", "nth": nth, "lines": [[KEY, UNIT, amount, cap]]}
    return Fact(HOLD_EXTENDED, f"x{nth}", SYSTEM.now_ns(), "r", "c", {"hold": hold})


@pytest.fixture(params=["owner", "client"])
def seat(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger as its owner sees it, and as another process does."""
    first = Ledger.open(tmp_path / "ledger", Settings())
    second = Ledger.open(tmp_path / "ledger", Settings())
    yield first if request.param == "owner" else second
    second.close()
    first.close()


def test_an_extension_without_room_is_refused_and_not_written(seat: Ledger, tmp_path: Path) -> None:
    assert seat.reserve(opened(60)) is None
    assert seat.reserve(extended(1, 30)) is None
    short = seat.reserve(extended(2, 30))
    assert short is not None
    assert (short.held, short.line.amount, short.line.cap) == (90, 30, 100)
    assert seat.counter(KEY, UNIT) == (0, 90)
    assert [fact.id for _, fact in journal.read(tmp_path / "ledger") if fact.kind == HOLD_EXTENDED] == ["x1"]


def test_what_a_hold_grew_by_is_still_held_after_reopening(seat: Ledger, tmp_path: Path) -> None:
    seat.reserve(opened(60))
    seat.reserve(extended(1, 30))
    label = folder.label(tmp_path / "ledger")
    assert label is not None
    assert recovery.recover(tmp_path / "ledger", label.id).purse.counter(KEY, UNIT) == (0, 90)


def test_a_take_over_keeps_a_hold_whose_extension_was_refused(tmp_path: Path) -> None:
    first, second = (Ledger.open(tmp_path / "ledger", Settings()) for _ in range(2))
    second.reserve(opened(60))
    second.renew("h", 2**62 - 1)
    assert second.reserve(extended(1, 50)) is not None
    assert second.reserve(extended(1, 10)) is None
    first.close()
    second.record(Fact("claim", "any", 1))
    assert second.local
    assert second._owner is not None
    assert second._owner._keepers == {"h": ""}
    assert second._owner._purse.live()["h"].lease_ns == 2**62 - 1
    second.close()


def test_an_extension_that_could_not_be_folded_is_refused(seat: Ledger) -> None:
    seat.reserve(opened(60))
    broken = Fact(HOLD_EXTENDED, "x", 1, "r", "c", {"hold": {"id": "h", "lines": [[KEY, UNIT, 1, 100]]}})
    with pytest.raises(StoreError, match="its hold cannot be read"):
        seat.reserve(broken)


@pytest.mark.parametrize(("budget", "status"), [("0.0200 USD", "cut"), ("0.0300 USD", "ok")])
def test_a_stream_outgrows_its_hold_only_as_far_as_the_cap_has_room(tmp_path: Path, budget: str, status: str) -> None:
    # Without max_tokens 16,384 tokens of output are held (0.0098 USD); the stream goes on for 40,000.
    text = "word " * 24_000
    body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "Go on."}]}
    desk = ct.open(tmp_path / "ledger", {})
    usage = {"prompt_tokens": 9, "completion_tokens": 40_000}
    try:
        with Upstream(Say(text, chunk=300, usage=usage)) as up, ct.wrap(httpx2.Client()) as client:
            with ct.run("w", budget=budget) as run:
                reply = client.post(up.url + "/v1/chat/completions", json=body)
            cap = run.scope.run.caps[0].limit  # type: ignore[union-attr]
    finally:
        desk.close()
        set_desk(None)
    assert (b"over_budget" in reply.content) is (status == "cut")
    facts = [fact for _, fact in journal.read(tmp_path / "ledger")]
    [closed] = [fact for fact in facts if fact.kind == CALL_CLOSED]
    assert closed.data["status"] == status
    assert 0.7 * cap < closed.data["cost"] <= cap  # type: ignore[operator]
    check(tmp_path / "ledger", tmp_path / "none", 1)
