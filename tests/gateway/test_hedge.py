"""A second try beside a silent first: one answers, both are on record and paid for, and nobody waits for the other."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import OverBudget
from comptroller.core.facts import CALL_CLOSED
from comptroller.core.settings import Gateway, Provider
from comptroller.gateway.hedge import Try, race
from comptroller.gateway.upstream import ReadError, Target
from comptroller.testing import Upstream
from comptroller.testing.script import Received, Say
from comptroller.wrapper.effects import Answer
from tests.gateway.house import HI, House, house

CHAT = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}
HEDGED = {"hedge_ms": 1, "drain_s": 0}


@contextmanager
def two(first: Any, second: Any, policy: str = "", **gateway: Any) -> Iterator[tuple[House, Upstream]]:
    """A gateway in front of two upstreams, the second of which stands in."""
    with Upstream(second) as spare:
        line = [
            {"name": "main", "format": "openai", "url": "{up}/v1", "fallback": ["spare"]},
            {"name": "spare", "format": "openai", "url": f"{spare.url}/v1"},
        ]
        with house(first, policy, upstreams=line, gateway={**HEDGED, **gateway}) as at:
            yield at, spare


def after(other: threading.Event, say: str) -> Callable[[Received], str]:
    """An answer that comes once the other upstream was asked."""

    def answer(asked: Received) -> str:
        assert other.wait(20)
        return say

    return answer


def silent(asked_event: threading.Event) -> Callable[[Received], Say]:
    def answer(asked: Received) -> Say:
        asked_event.set()
        return Say(fault="hang")

    return answer


@pytest.mark.parametrize("stream", [False, True])
def test_where_the_first_is_silent_the_second_answers_and_both_are_paid_for(stream: bool) -> None:
    with two(Say(fault="hang"), "From the spare one.") as (at, spare):
        reply = at.post(body={**CHAT, "stream": stream})
        assert "spare" in reply.text
        lost, won = sorted(at.calls, key=lambda call: call.get("attempt", 0))
        assert (lost["status"], won["status"], won["attempt"]) == ("cancelled", "ok", 1)
        assert len({fact.run for fact in at.desk.ledger.of(CALL_CLOSED)}) == 1
        assert lost["estimated"] is True
        assert lost["cost"] > 0 < won["cost"]
        assert lost["error"]["message"] == "Upstream spare answered first."
        assert len(spare.requests) == 1
        assert at.live_holds == 0


def test_where_the_first_answers_after_all_the_second_is_cancelled_and_paid_for() -> None:
    asked = threading.Event()
    with two(after(asked, "From the main one."), silent(asked)) as (at, _):
        assert "From the main one." in at.post(body=CHAT).text
        won, lost = sorted(at.calls, key=lambda call: call.get("attempt", 0))
        assert (won["status"], lost["status"], lost["attempt"]) == ("ok", "cancelled", 1)
        assert lost["cost"] > won["cost"] > 0
        assert at.live_holds == 0


def test_two_attempts_are_one_logical_call_for_a_cap_in_calls() -> None:
    policy = "policy: p\nbudgets: [{per: tenant, cap: 1 calls, over: deny}]\n"
    with two(Say(fault="hang"), "Hello.", policy) as (at, _):
        assert at.post(body=CHAT).status_code == 200
        assert at.desk.ledger.purse.counter("tenant:default|:", "calls") == (1, 0)


def test_a_second_try_for_which_there_is_no_money_does_not_stop_the_first() -> None:
    asked = threading.Event()

    def main(received: Received) -> str:
        while not any(call["status"] == "over_budget" for call in places[0].calls):
            asked.wait(0.001)
        return "From the main one."

    places: list[House] = []
    policy = "policy: p\nbudgets: [{per: tenant, cap: 150 tokens, over: deny}]\n"
    with two(main, "Never asked.", policy) as (at, spare):
        places.append(at)
        assert "From the main one." in at.post(body={**CHAT, "max_tokens": 5}).text
        assert [call["status"] for call in at.calls] == ["over_budget", "ok"]
        assert not spare.requests


def test_a_second_try_goes_to_the_same_upstream_where_nobody_stands_in() -> None:
    with house([Say(fault="hang"), "Hello."], gateway=HEDGED) as at:
        assert at.post(body=CHAT).status_code == 200
        assert len(at.up.requests) == 2


def test_unless_the_settings_say_so_there_is_no_second_try() -> None:
    assert Gateway().hedge_ms == 0


def test_a_conversation_that_the_provider_keeps_is_not_asked_twice() -> None:
    asked = threading.Event()
    with two(lambda _: "Hello.", silent(asked), hedge_ms=1) as (at, spare):
        at.post("/v1/responses", {"model": "gpt-4o-mini", "input": "Hi", "conversation": "conv_1"})
        assert not spare.requests


# -- the race itself, without a network


class Runner:
    """Hands and drive of a try in one; it answers when told to."""

    def __init__(self, sent: bool = True) -> None:
        self.response: object = None
        self.sent_s: float | None = 0.0 if sent else None
        self.result: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self.ended: list[str] = []
        self.flow = self

    async def start(self) -> Answer | None:
        try:
            return await self.result
        except asyncio.CancelledError as error:
            self.ended.append(str(error))
            raise

    async def _closed(self) -> None:
        self.ended.append("closed")

    def close(self) -> Any:
        return self._closed()


def runner(name: str, sent: bool = True) -> tuple[Runner, Try]:
    made = Runner(sent)
    provider = Provider(name=name, format="openai", url="http://localhost/v1")
    target = Target(provider, Gateway(breaker_failures=1), FrozenClock())
    drive: Any = type("Drive", (), {"start": made.start, "flow": type("Flow", (), {"close": lambda _: None})()})()
    return made, Try(target, made, drive)  # type: ignore[arg-type]


def ran(first_says: Any, second_says: Any, order: str) -> tuple[str, Any, list[list[str]], list[tuple[str, str]]]:
    """Who won with what, how both ended, and who failed, when they answered in that order."""

    async def play() -> Any:
        (one, first), (two, second) = runner("first"), runner("second")
        failed: list[tuple[str, str]] = []
        racing = asyncio.ensure_future(race(first, lambda: second, 0.0, lambda name, kind: failed.append((name, kind))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for who in order:
            future, says = (one.result, first_says) if who == "1" else (two.result, second_says)
            if isinstance(says, Exception):
                future.set_exception(says)
            else:
                future.set_result(says)
            for _ in range(4):
                await asyncio.sleep(0)
        winner, outcome = await racing
        try:
            said: Any = outcome()
        except Exception as error:
            said = error
        return winner.target.name, said, [one.ended, two.ended], failed

    return asyncio.run(play())  # type: ignore[no-any-return]


FINE, BUSY, BROKEN = Answer(200), Answer(429), Answer(500)
REFUSED = Answer(402, refused=OverBudget("No."))


@pytest.mark.parametrize(
    ("first", "second", "order", "winner"),
    [
        (FINE, FINE, "1", "first"),
        (FINE, FINE, "2", "second"),
        (FINE, None, "2", "second"),  # a stream that begins
        (FINE, BROKEN, "21", "first"),
        (FINE, BUSY, "21", "first"),
        (FINE, REFUSED, "21", "first"),
        (REFUSED, FINE, "1", "first"),  # whatever refuses the first would refuse any
        (ReadError("x"), FINE, "12", "second"),
        (BROKEN, FINE, "12", "second"),
        (BROKEN, ReadError("x"), "12", "first"),
        (ReadError("x"), BROKEN, "21", "first"),
        (ValueError("ours"), FINE, "1", "first"),
    ],
)
def test_the_first_usable_answer_wins_else_that_of_the_first(first: Any, second: Any, order: str, winner: str) -> None:
    name, said, _, _ = ran(first, second, order)
    assert name == winner
    assert said is (first if winner == "first" else second)


def test_who_loses_is_told_who_won_and_let_go() -> None:
    _, _, ended, failed = ran(FINE, FINE, "2")
    assert ended == [["Upstream second answered first.", "closed"], []]
    assert failed == []


def test_an_upstream_that_failed_beside_the_winner_is_counted_as_failed() -> None:
    assert ran(ReadError("x"), FINE, "12")[3] == [("first", "ReadError")]
    assert ran(FINE, BROKEN, "21")[3] == [("second", "5xx")]


def test_waiting_in_line_is_no_silence_and_a_head_that_came_ends_it() -> None:
    async def play() -> None:
        one, first = runner("first", sent=False)

        def another() -> Try:
            raise AssertionError("there was no silence")

        racing = asyncio.ensure_future(race(first, another, 0.001, lambda *_: None))
        await asyncio.sleep(0)
        one.response = object()
        one.result.get_loop().call_soon(one.result.set_result, None)
        assert (await racing)[0] is first

    asyncio.run(play())


def test_a_client_that_leaves_ends_both() -> None:
    async def play() -> None:
        (one, first), (two, second) = runner("first"), runner("second")
        racing = asyncio.ensure_future(race(first, lambda: second, 0.0, lambda *_: None))
        for _ in range(3):
            await asyncio.sleep(0)
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing
        assert (one.ended[-1], two.ended[-1]) == ("closed", "closed")

    asyncio.run(play())
