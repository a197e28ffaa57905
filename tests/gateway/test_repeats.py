"""The same question under the same key is answered once."""

import asyncio

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.gateway.repeats import MOST_OF_ONE, Repeats, Slot, Told
from comptroller.gateway.stop import Stop

TOLD = Told(200, [], b"told")


def test_whoever_asks_while_the_first_is_at_work_waits_for_its_reply() -> None:
    async def work() -> list[object]:
        repeats = Repeats(10, FrozenClock())
        assert isinstance(await repeats.claim(("k",), b"x"), Slot)
        others = [asyncio.create_task(repeats.claim(("k",), b"x")) for _ in range(3)]
        await asyncio.sleep(0)
        repeats.keep(("k",), TOLD)
        return await asyncio.gather(*others)

    assert asyncio.run(work()) == [TOLD] * 3


def test_when_the_first_comes_to_nothing_one_of_those_who_wait_tries() -> None:
    async def work() -> list[object]:
        repeats = Repeats(10, FrozenClock())
        await repeats.claim(("k",), b"x")
        others = [asyncio.create_task(repeats.claim(("k",), b"x")) for _ in range(2)]
        await asyncio.sleep(0)
        repeats.keep(("k",), None)
        found = await others[0]
        assert isinstance(found, Slot)
        repeats.keep(("k",), TOLD)
        return [await others[1]]

    assert asyncio.run(work()) == [TOLD]


def test_the_key_of_another_question_or_another_caller_is_not_shared() -> None:
    async def work() -> None:
        repeats = Repeats(10, FrozenClock())
        await repeats.claim(("me", "k"), b"x")
        repeats.keep(("me", "k"), TOLD)
        assert isinstance(await repeats.claim(("you", "k"), b"x"), Slot)
        with pytest.raises(Stop):
            await repeats.claim(("me", "k"), b"another")

    asyncio.run(work())


def test_the_oldest_replies_make_room_and_a_huge_one_is_not_kept() -> None:
    async def work() -> None:
        repeats = Repeats(2, FrozenClock())
        for name in "abc":
            await repeats.claim((name,), b"x")
            repeats.keep((name,), TOLD)
        assert isinstance(await repeats.claim(("a",), b"x"), Slot)
        assert await repeats.claim(("c",), b"x") == TOLD
        await repeats.claim(("huge",), b"x")
        repeats.keep(("huge",), Told(200, [], bytes(MOST_OF_ONE + 1)))
        assert isinstance(await repeats.claim(("huge",), b"x"), Slot)

    asyncio.run(work())


def test_a_reply_is_forgotten_after_a_day() -> None:
    async def work() -> None:
        clock = FrozenClock()
        repeats = Repeats(2, clock)
        await repeats.claim(("k",), b"x")
        repeats.keep(("k",), TOLD)
        clock.tick(86_401)
        assert isinstance(await repeats.claim(("k",), b"x"), Slot)

    asyncio.run(work())
