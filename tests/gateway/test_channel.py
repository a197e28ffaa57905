"""The line between supervisor and worker: questions and answers in any order, and an end that everybody hears of."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from comptroller.gateway.channel import Apart, Channel


def between(work: Callable[[Channel, Channel], Awaitable[None]], **answers: Callable[..., Any]) -> list[str]:
    """Two ends in one loop, the second of which answers; returns whose ends were heard of."""
    ended: list[str] = []

    async def run() -> None:
        one, other = socket.socketpair()
        asking = await Channel.over(one, {}, lambda: ended.append("asking"))
        answering = await Channel.over(other, answers, lambda: ended.append("answering"))
        await work(asking, answering)
        asking.close()
        while len(ended) < 2:
            await asyncio.sleep(0)

    asyncio.run(run())
    return ended


def test_what_is_asked_is_answered_whichever_answer_is_there_first() -> None:
    async def work(asking: Channel, answering: Channel) -> None:
        late = asyncio.ensure_future(asking.ask("late", 1))
        assert await asking.ask("soon", 2) == [2]
        assert not late.done()
        gate.set()
        assert await late == [1]

    gate = asyncio.Event()

    async def waiting(number: int) -> list[int]:
        await gate.wait()
        return [number]

    assert len(between(work, late=waiting, soon=lambda number: [number])) == 2


def test_what_is_told_arrives_in_order_and_before_what_is_asked_after_it() -> None:
    heard: list[int] = []

    async def work(asking: Channel, answering: Channel) -> None:
        for number in range(100):
            asking.tell("note", number)
        assert await asking.ask("count") == 100
        assert heard == list(range(100))

    between(work, note=heard.append, count=lambda: len(heard))


def test_a_failure_is_an_answer_and_the_line_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def work(asking: Channel, answering: Channel) -> None:
        with pytest.raises(Apart, match="KeyError"):
            await asking.ask("unknown")
        with pytest.raises(Apart, match="ZeroDivisionError"):
            await asking.ask("divide")
        assert await asking.ask("fine") == 1

    between(work, divide=lambda: 1 // 0, fine=lambda: 1)
    assert "'divide' between supervisor and worker failed: ZeroDivisionError" in caplog.text


def test_who_waits_for_an_answer_hears_that_the_other_side_is_gone() -> None:
    async def work(asking: Channel, answering: Channel) -> None:
        asked = asyncio.ensure_future(asking.ask("never"))
        await asyncio.sleep(0)
        answering.close()
        with pytest.raises(Apart):
            await asked
        with pytest.raises(Apart):
            await asking.ask("never")
        asking.tell("never")

    between(work, never=lambda: asyncio.get_running_loop().create_future())


def test_a_large_message_arrives_whole() -> None:
    async def work(asking: Channel, answering: Channel) -> None:
        assert await asking.ask("size", b"x" * 3_000_000) == 3_000_000

    between(work, size=len)
