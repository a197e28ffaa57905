"""What workers share, asked by hand: runs that open and end once, replies told once, counts that end."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import AGENT_CLOSED, AGENT_OPENED, RUN_CLOSED, RUN_OPENED, Fact
from comptroller.gateway.board import Board, Replies
from comptroller.gateway.counters import Counters
from comptroller.store import segment
from comptroller.testing import TestDesk, desk

ACME = ["acme", "", "", ""]


class Told(list[tuple[Any, ...]]):
    """What the board says to workers."""

    def __call__(self, *said: Any) -> None:
        self.append(said)

    async def ask(self, *said: Any) -> None:
        self.append(said)


def board(at: TestDesk) -> tuple[Board, Told]:
    told = Told()
    return Board(at, told, told.ask), told


def fact(kind: str, id: str = "f", run: str = "r") -> bytes:
    return segment.encode(Fact(kind, id, 1, run, data={"tenant": "acme"}))[1]


def enter(one: Board, worker: int, run: str = "r", marks: tuple[int, ...] = (), keep: tuple[int, ...] = ()) -> Any:
    return one.enter(worker, worker, run, marks, keep, ACME, run, fact(RUN_OPENED, run, run))


def kinds(at: TestDesk) -> Counter[str]:
    return Counter(fact.kind for fact in at.ledger.facts if fact.run)


def test_a_run_that_two_workers_enter_opens_and_ends_once() -> None:
    with desk() as at:
        one, _ = board(at)
        assert enter(one, 1)[-1] is True
        assert enter(one, 2)[-1] is False
        one.leave(1, "r", 1)
        assert RUN_CLOSED not in kinds(at)
        one.leave(2, "r", 2)
        assert kinds(at) == {RUN_OPENED: 1, RUN_CLOSED: 1}


def test_a_worker_that_came_back_before_it_left_has_not_left() -> None:
    with desk() as at:
        one, _ = board(at)
        enter(one, 1)
        one.enter(1, 7, "r", (), (), ACME, "r", b"")
        one.leave(1, "r", 1)
        assert "r" in one.runs


def test_whoever_is_left_inherits_the_end_of_a_run() -> None:
    with desk() as at:
        one, told = board(at)
        enter(one, 1)
        enter(one, 2)
        one.leave(1, "r", 1)
        assert told == [(2, "inherit", "r")]


def test_a_run_that_lost_its_worker_waits_for_another_one_and_ends_when_none_comes() -> None:
    clock = FrozenClock()
    with desk(clock=clock, gateway={"run_idle_s": 60}) as at:
        one, _ = board(at)
        enter(one, 1)
        one.gone(1)
        clock.tick(50)
        one.sweep()
        assert kinds(at) == {RUN_OPENED: 1}
        clock.tick(20)
        one.sweep()
        assert kinds(at) == {RUN_OPENED: 1, RUN_CLOSED: 1}


def test_the_first_span_said_for_an_agent_is_everybodys() -> None:
    with desk() as at:
        one, _ = board(at)
        enter(one, 1)
        assert one.agent(1, "r", "a", "", "span-1", False, fact(AGENT_OPENED, "span-1")) == ["span-1", False]
        assert one.agent(2, "r", "a", "", "span-2", False, fact(AGENT_OPENED, "span-2")) == ["span-1", False]
        one.close()
        assert kinds(at) == {RUN_OPENED: 1, AGENT_OPENED: 1, AGENT_CLOSED: 1, RUN_CLOSED: 1}


def test_a_conversation_is_found_by_what_another_worker_remembered() -> None:
    with desk() as at:
        one, _ = board(at)
        enter(one, 1, "r1", keep=(11,))
        assert enter(one, 2, "r2", marks=(12, 11))[0] == "r1"
        assert list(one.runs) == ["r1"]


def test_a_conversation_of_somebody_else_is_not_remembered_for_a_run_he_named() -> None:
    with desk() as at:
        one, _ = board(at)
        enter(one, 1, "r1")
        found = one.enter(2, 1, "r1", (), (99,), ["other", "", "", ""], "r1", fact(RUN_OPENED))
        assert found[1] == ACME
        assert enter(one, 2, "r2", marks=(99,))[0] == "r2"


def test_a_smaller_budget_is_told_to_the_others_before_it_is_answered() -> None:
    with desk() as at:
        one, told = board(at)
        enter(one, 1)
        enter(one, 2)
        assert asyncio.run(one.lower(1, "r", "USD", 5)) == 5
        assert told == [(2, "lower", "r", "USD", 5)]
        assert asyncio.run(one.lower(2, "r", "USD", 9)) == 5


def test_results_of_tool_calls_are_told_to_the_other_workers_of_the_run() -> None:
    with desk() as at:
        one, told = board(at)
        enter(one, 1)
        enter(one, 2)
        enter(one, 3, "elsewhere")
        one.answered(2, "r", ["c"])
        assert told == [(1, "answered", "r", ["c"])]


REPLY = [200, [(b"content-type", b"text/plain")], b"Hello."]


def test_who_asks_again_while_somebody_is_at_it_waits_for_the_reply() -> None:
    async def work() -> None:
        replies = Replies(10, FrozenClock())
        assert replies.claim(1, "k", b"d") == ["yours"]
        waiting = replies.claim(2, "k", b"d")
        assert replies.claim(3, "k", b"other") == ["reused"]
        replies.keep(1, "k", REPLY)
        assert isinstance(waiting, asyncio.Future)
        assert await waiting == ["told", *REPLY] == replies.claim(3, "k", b"d")

    asyncio.run(work())


@pytest.mark.parametrize("died", [True, False])
def test_the_turn_of_who_gave_no_reply_is_the_next_ones(died: bool) -> None:
    async def work() -> None:
        replies = Replies(10, FrozenClock())
        replies.claim(1, "k", b"d")
        first, second = replies.claim(2, "k", b"d"), replies.claim(3, "k", b"d")
        assert isinstance(first, asyncio.Future)
        assert isinstance(second, asyncio.Future)
        if died:
            replies.gone(1)
        else:
            replies.keep(1, "k", None)
        assert await first == ["yours"]
        assert not second.done()
        replies.keep(1, "k", REPLY)  # too late: it is another's turn
        assert not second.done()
        replies.keep(2, "k", REPLY)
        assert (await second)[0] == "told"

    asyncio.run(work())


def test_the_oldest_replies_are_forgotten_first() -> None:
    replies = Replies(2, FrozenClock())
    for name in "abc":
        replies.claim(1, name, b"d")
        replies.keep(1, name, REPLY)
    assert [replies.claim(1, name, b"d") for name in "ca"] == [["told", *REPLY], ["yours"]]


def test_a_count_begins_anew_when_its_time_is_over() -> None:
    clock = FrozenClock()
    counters = Counters(clock)
    assert [counters.add("n", 2, 10**9), counters.add("n", 3, 10**9)] == [2, 5]
    clock.tick(0.9)
    assert counters.add("n", 0, 10**9) == 5
    clock.tick(0.1)
    assert [counters.add("n", 0, 10**9), counters.add("n", 1, 10**9)] == [0, 1]


def test_counts_do_not_fill_memory() -> None:
    counters = Counters(FrozenClock(), most=3)
    for number in range(10):
        counters.add(f"n{number}", 1, 10**9)
    assert len(counters) == 3
    assert counters.add("n9", 0, 10**9) == 1
