"""The way of an event loop to the owner: many requests under way, in order, and none lost when the owner dies."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from comptroller.core.errors import StoreError
from comptroller.store import journal
from comptroller.store.ledger import Ledger
from comptroller.store.pipe import Asked, Pipe

Open = Callable[..., Ledger]


def through(ledger: Ledger, work: Callable[[Pipe], Coroutine[Any, Any, None]]) -> None:
    """Run `work` in a loop whose requests go through a pipe."""

    async def run() -> None:
        await ledger.attach()
        assert ledger.pipe is not None
        try:
            await work(ledger.pipe)
        finally:
            await ledger.detach()

    asyncio.run(run())


def written(folder: Path) -> list[str]:
    return [fact.id for _, fact in journal.read(folder)]


def test_an_owner_needs_no_pipe(open_ledger: Open) -> None:
    ledger = open_ledger()
    asyncio.run(ledger.attach())
    assert ledger.pipe is None


def test_what_has_settled_is_on_record_in_the_order_it_was_sent(open_ledger: Open, facts, folder: Path) -> None:
    open_ledger()
    second = open_ledger()

    async def work(pipe: Pipe) -> None:
        pipe.noting = noted = list[Asked]()
        second.record(facts.claim("before"))
        assert await pipe.reserve(facts.opened("a")) is None
        second.record(facts.closed("a"))
        pipe.noting = None
        await pipe.settled(noted)
        assert written(folder)[-3:] == ["before", "o-a", "c-a"]

    through(second, work)
    assert second.counter(facts.key, facts.unit) == (7, 0)


def test_of_many_at_once_no_more_are_admitted_than_fit(open_ledger: Open, facts) -> None:
    open_ledger()
    second = open_ledger()

    async def work(pipe: Pipe) -> None:
        found = await asyncio.gather(*[pipe.reserve(facts.opened(f"c{number}")) for number in range(50)])
        assert sum(short is None for short in found) == 10
        assert {short.held for short in found if short} == {100}

    through(second, work)


def test_what_settles_first_makes_room_for_what_is_asked_next(open_ledger: Open, facts) -> None:
    open_ledger()
    second = open_ledger()

    async def work(pipe: Pipe) -> None:
        assert await pipe.reserve(facts.opened("a", amount=100)) is None
        second.record(facts.closed("a", amount=0))
        assert await pipe.reserve(facts.opened("b", amount=100)) is None

    through(second, work)


def test_a_fact_that_cannot_be_written_says_so_to_whoever_waits_for_it(open_ledger: Open, facts, caplog: Any) -> None:
    first = open_ledger()
    second = open_ledger()

    async def work(pipe: Pipe) -> None:
        pipe.noting = noted = list[Asked]()
        second.record(facts.closed("a", amount="much"))
        with pytest.raises(StoreError, match="its hold cannot be read"):
            await pipe.settled(noted)
        second.record(facts.claim("next"))
        await pipe.settled(noted[1:])

    through(second, work)
    assert "A fact could not be recorded" in caplog.text
    assert first.local


def test_other_threads_ask_as_ever(open_ledger: Open, facts, folder: Path) -> None:
    open_ledger()
    second = open_ledger()

    async def work(pipe: Pipe) -> None:
        pipe.noting = noted = list[Asked]()
        await asyncio.to_thread(second.record, facts.claim("elsewhere"))
        assert noted == []
        assert written(folder)[-1] == "elsewhere"

    through(second, work)


def test_an_owner_that_dies_is_followed_by_the_one_who_asks_and_nothing_is_lost(
    open_ledger: Open, facts, folder: Path
) -> None:
    first, second = open_ledger(), open_ledger()

    async def work(pipe: Pipe) -> None:
        pipe.noting = noted = list[Asked]()
        assert await pipe.reserve(facts.opened("a")) is None
        assert first._owner is not None
        with first._owner._lock:  # it has taken what it is asked, and answers no more
            second.record(facts.claim("unanswered"))
            asked = asyncio.ensure_future(pipe.reserve(facts.opened("b")))
            await asyncio.sleep(0)
            closing = threading.Thread(target=first.close)
            closing.start()
            while first.local:
                await asyncio.sleep(0)
        await asyncio.to_thread(closing.join)
        assert await asked is None
        second.record(facts.closed("a"))
        second.record(facts.closed("b"))
        await pipe.settled(noted)

    through(second, work)
    assert second.local
    assert [id for id in written(folder) if id in ("o-a", "unanswered", "o-b", "c-a", "c-b")] == [
        "o-a",
        "unanswered",
        "o-b",
        "c-a",
        "c-b",
    ]
    assert second.counter(facts.key, facts.unit) == (14, 0)


def test_a_caller_who_leaves_while_he_asks_leaves_a_hold_that_can_be_let_go_of(open_ledger: Open, facts) -> None:
    open_ledger()
    second = open_ledger()

    async def work(pipe: Pipe) -> None:
        asked = asyncio.ensure_future(pipe.reserve(facts.opened("a")))
        await asyncio.sleep(0)
        asked.cancel()
        second.record(facts.closed("a", amount=0))
        await pipe.all_settled()
        assert second.counter(facts.key, facts.unit) == (0, 0)

    through(second, work)


def test_live_holds_are_counted_from_any_process(open_ledger: Open, facts) -> None:
    first, second = open_ledger(), open_ledger()
    first.reserve(facts.opened("a"))
    second.reserve(facts.opened("b", amount=5))
    assert first.held() == second.held() == (2, {"USD": 15})
