"""Runs opened and closed through /api: every call goes by what was answered there, in whichever process it comes."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("starlette")

from comptroller.core.facts import CALL_CLOSED, RUN_CLOSED, RUN_OPENED, Fact
from comptroller.core.money import Money
from comptroller.core.settings import Settings
from comptroller.gateway.outside import Outside
from comptroller.testing import desk
from comptroller.wrapper.desk import Desk
from tests.gateway.yard import CHAT, HI, Yard, yard

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")
BODY: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}


@pytest.fixture(scope="module", params=[1, 2], ids=["one-process", "two-workers"])
def at(request: pytest.FixtureRequest) -> Iterator[Yard]:
    with yard(workers=request.param) as made:
        yield made


def opened(at: Yard, **said: str) -> Any:
    with at.client() as client:
        told = client.post("/api/runs", json=said)
        assert told.status_code == 201, told.text
        return told.json()["run"]


def closed(at: Yard, run: str, status: str = "ok") -> None:
    with at.client() as client:
        assert client.post(f"/api/runs/{run}/close", json={"status": status}).status_code == 200


def call(at: Yard, run: str, body: Any = None, **headers: str) -> httpx.Response:
    """Over a connection of its own: any of the workers may get it."""
    with at.client() as client:
        return client.post(CHAT, json=body or BODY, headers={"comptroller-run": run, **headers})


def spent(at: Yard, run: str) -> int:
    return sum(fact.data["cost"] for fact in at.facts(CALL_CLOSED) if fact.run == run)  # type: ignore[misc]


def test_a_budget_given_to_api_holds_for_calls_that_say_only_the_run(at: Yard) -> None:
    run = opened(at, budget="0.0001 USD", customer="acme")
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: call(at, run), range(40)))
    statuses = {reply.status_code for reply in replies}
    assert statuses == {200, 402}
    assert 0 < spent(at, run) <= 100_000
    assert {fact.data.get("customer") for fact in at.facts(CALL_CLOSED) if fact.run == run} == {"acme"}


def test_a_run_is_opened_once_and_ends_once_as_was_said(at: Yard) -> None:
    run = opened(at, budget="1 USD")
    for _ in range(4):
        assert call(at, run).status_code == 200
    closed(at, run, "error")
    kinds = [(fact.kind, fact.data.get("status")) for fact in at.facts(RUN_OPENED, RUN_CLOSED) if fact.run == run]
    assert kinds == [(RUN_OPENED, None), (RUN_CLOSED, "error")]


def test_no_call_is_part_of_a_run_after_it_was_closed(at: Yard) -> None:
    for before in (0, 6):  # known to nobody, and to all workers
        run = opened(at)
        for _ in range(before):
            assert call(at, run).status_code == 200
        closed(at, run)
        for _ in range(6):
            refused = call(at, run)
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "run_closed")
            assert "POST /api/runs" in refused.text


def test_a_run_that_a_call_opened_can_be_closed_too(at: Yard) -> None:
    assert call(at, "mine").status_code == 200
    closed(at, "mine")
    assert call(at, "mine").status_code == 409


def test_a_larger_budget_in_a_header_changes_nothing(at: Yard) -> None:
    run = opened(at, budget="0.00001 USD")
    assert call(at, run, **{"comptroller-budget": "5 USD"}).status_code == 402


def test_what_was_said_lasts_through_a_restart(tmp_path: Path) -> None:
    with yard(folder=tmp_path, workers=1) as at:
        small, over = opened(at, budget="0.00001 USD"), opened(at)
        closed(at, over)
        at.stop()
    with yard(folder=tmp_path, workers=2) as at:
        assert [call(at, run).status_code for run in (small, over)] == [402, 409]


def fact(kind: str, run: str, **data: Any) -> Fact:
    return Fact(kind, f"{kind}-{run}", 1, run, data={"tenant": "ours", **data})


def test_only_what_came_through_api_counts() -> None:
    with desk() as at:
        outside = Outside(at)
        outside.take(fact(RUN_OPENED, "r", budget=[5, "USD"]))
        outside.take(fact(RUN_CLOSED, "r"))
        assert outside.of("r") is None
        outside.take(fact(RUN_OPENED, "r", budget=[5, "USD"], api=True))
        outside.take(fact(RUN_CLOSED, "r"))
        told = outside.of("r")
        assert told is not None
        assert (told.budgets, told.who, outside.closed("r")) == ([Money(5, "USD")], ["ours", "", "", ""], False)


def test_closed_runs_are_forgotten_before_any_that_is_open() -> None:
    with desk() as at:
        outside = Outside(at, most=2)
        for run in "abc":
            outside.take(fact(RUN_OPENED, run, api=True))
        for run in ("x", "y", "z"):
            outside.take(fact(RUN_CLOSED, run, api=True))
        assert [run for run in "abcxyz" if outside.of(run)] == ["a", "b", "c", "y", "z"]


def test_what_another_process_wrote_is_known_when_it_is_asked_for(tmp_path: Path) -> None:
    settings = Settings(ledger=str(tmp_path / "ledger"))
    with Desk.open(settings.ledger, {}) as at, Desk.open(settings.ledger, {}) as other:
        outside = Outside(at)
        assert asyncio.run(outside.look("r")) is None
        other.record(fact(RUN_OPENED, "r", budget=[5, "USD"], api=True))
        told = asyncio.run(outside.look("r"))
        assert told is not None
        assert told.budgets == [Money(5, "USD")]
