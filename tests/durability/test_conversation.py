"""A long conversation is kept once: bytes grow with its turns, not with their square."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import comptroller as ct
from comptroller.core.facts import CALL_CLOSED
from comptroller.store import journal
from comptroller.testing.upstream import Received, Upstream
from comptroller.wrapper.desk import set_desk
from tests.durability.aftermath import check


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ct.Desk]:
    with ct.open(tmp_path / "ledger", {}) as made:
        yield made
    set_desk(None)


def kept(ledger: Path) -> int:
    """Bytes of the journal and the vault."""
    return sum(path.stat().st_size for room in ("journal", "vault") for path in (ledger / room).iterdir())


def answer(asked: Received) -> str:
    return f"Answer {asked.turn}: it went {asked.turn * 7919 % 1000} miles on that day, and the next one further."


def talk(client: httpx2.Client, url: str, messages: list[Any], turn: int) -> None:
    messages.append({"role": "user", "content": f"Turn {turn}: and what did it do on day {turn * 104729 % 10007}?"})
    body = {"model": "gpt-4o-mini", "max_tokens": 60, "messages": messages}
    messages.append(client.post(url + "/v1/chat/completions", json=body).json()["choices"][0]["message"])


def test_two_hundred_turns_are_kept_in_bytes_that_grow_with_the_turns(tmp_path: Path, desk: ct.Desk) -> None:
    ledger, messages = tmp_path / "ledger", []
    with Upstream(answer) as up, ct.wrap(httpx2.Client()) as client, ct.run("w", budget="100 USD"):
        start = kept(ledger)
        for turn in range(100):
            talk(client, up.url, messages, turn)
        half = kept(ledger)
        for turn in range(100, 200):
            talk(client, up.url, messages, turn)
        end = kept(ledger)
    assert half > start
    assert end - half <= 1.2 * (half - start)
    calls = [fact for _, fact in journal.read(ledger) if fact.kind == CALL_CLOSED]
    assert [fact.data["status"] for fact in calls] == ["ok"] * 200
    desk.close()
    check(ledger, tmp_path / "none", 200)
