"""Waiting in line for room: who waits, in which order, for how long, and what is on record of it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Identity
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import CALL_CLOSED
from comptroller.dialects.routes import dialect_for
from comptroller.testing import Playbook, TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.drive import Awaiting, Blocking
from comptroller.wrapper.effects import Answer, Head, Pause, Reserve, Send
from comptroller.wrapper.flow import Flow, model_call
from comptroller.wrapper.shared import Job
from tests.wrapper.bodies import ask, reply

OK = Head(200, {"content-type": "application/json"})
CHAT = dialect_for("POST", "/v1/chat/completions")
FOUR = "limits: [{per: agent, concurrent: 4, queue: 60s}]"
ONE = "limits: [{per: agent, concurrent: 1, queue: 2s}]"
DAILY = "budgets: [{per: agent, every: hour, cap: 0.0005 USD, queue: 2s}]"
DEAR = ask(max_tokens=500)  # holds 0.0003 USD and settles at a hundredth of it


class Office:
    """A desk, and calls that are driven until they wait for something."""

    def __init__(self, made: TestDesk, clock: FrozenClock) -> None:
        self.desk, self.clock = made, clock
        self.run = RunState("r" * 32, "r" * 32, Boundary())

    def flow(self, body: bytes = ask(max_tokens=20)) -> Flow:
        assert CHAT is not None
        return model_call(Job(self.desk, Identity(run=self.run.id, agent="clerk"), self.run, CHAT, body))

    def call(self, body: bytes = ask(max_tokens=20)) -> Playbook:
        return self.on(Playbook(self.flow(body)))

    def on(self, play: Playbook) -> Playbook:
        while isinstance(play.now, Reserve):
            play.answer(self.desk.ledger.reserve(play.now.opened))
        return play

    def end(self, play: Playbook) -> None:
        play.answer(OK).answer(reply())
        assert play.done().status == 200

    def woken(self, play: Playbook) -> bool:
        return play.expect(Pause).ticket.woken

    def wake(self, play: Playbook) -> Playbook:
        """What hands do once the ticket is woken."""
        assert self.woken(play)
        return self.on(play.answer())

    def wait_out(self, play: Playbook) -> Playbook:
        """What hands do where nobody wakes it: the time passes."""
        self.clock.tick(play.expect(Pause).seconds)
        return self.on(play.answer())

    @property
    def last(self) -> dict[str, object]:
        return dict(self.desk.facts(CALL_CLOSED)[-1])

    @property
    def empty(self) -> bool:
        ledger = self.desk.ledger
        return not ledger.purse.live() and not ledger.purse.throttle.taken and not self.desk.queue.waiting


@contextmanager
def office(policy: str) -> Iterator[Office]:
    clock = FrozenClock()
    with desk(f"policy: p\n{policy}\n", clock=clock) as made:
        yield Office(made, clock)


def test_a_call_waits_for_a_place_and_its_wait_is_on_record() -> None:
    with office(ONE) as at:
        first, second = at.call(), at.call()
        assert not at.woken(second)
        at.clock.tick(0.3)
        at.end(first)
        at.end(at.wake(second))
        assert at.last["waited_ms"] == 300
        assert at.empty


def test_who_waited_in_vain_is_refused_as_without_a_queue() -> None:
    with office(ONE) as at:
        first, second = at.call(), at.call()
        while isinstance(second.now, Pause):
            at.wait_out(second)
        assert second.done().status == 429
        assert (at.last["status"], at.last["waited_ms"]) == ("rate_limited", 2000)
        at.end(first)
        assert at.empty


def test_a_clock_that_stands_still_keeps_nobody_waiting_for_ever() -> None:
    with office(ONE) as at:
        first, second = at.call(), at.call()
        looks = 0
        while isinstance(second.now, Pause):
            at.on(second.answer())
            looks += 1
        assert looks == 40  # of 50 ms each
        at.end(first)


def test_nobody_overtakes_not_even_where_there_is_room_just_now() -> None:
    with office(ONE) as at:
        first, second = at.call(), at.call()
        at.end(first)
        newcomer = at.call()  # the place is free, but another waits for it
        assert not at.woken(newcomer)
        at.wake(second).expect(Send)
        at.end(second)
        at.wake(newcomer).expect(Send)


def test_who_leaves_the_line_leaves_nothing_behind_and_the_next_moves_up() -> None:
    with office(ONE) as at:
        first, second, third = at.call(), at.call(), at.call()
        second.hang_up()
        assert (at.last["status"], at.last["cost"]) == ("cancelled", 0)
        assert at.woken(third)
        at.on(third.answer()).expect(Pause)  # it looked, and the first is still there
        at.end(first)
        at.end(at.wake(third))
        assert at.empty


def test_no_more_wait_than_the_process_allows() -> None:
    with office(ONE) as at:
        at.desk.queue._most = 1
        first, second = at.call(), at.call()
        refused = at.call().done()
        assert refused.status == 429
        assert "waited_ms" not in at.last
        at.end(first)
        at.wake(second).expect(Send)


def test_requests_are_waited_for_only_where_time_brings_them_back_soon_enough() -> None:
    with office("limits: [{per: agent, requests: 1/s, queue: 600ms}]") as at:
        at.end(at.call())
        assert at.call().done().status == 429  # room is a second away
        at.clock.tick(0.5)
        play = at.call()
        assert play.expect(Pause).seconds == pytest.approx(0.5)
        at.end(at.wait_out(play))
        assert at.last["waited_ms"] == 500


def test_held_money_is_waited_for_and_spent_money_is_not() -> None:
    with office(DAILY) as at:
        first, second = at.call(DEAR), at.call(DEAR)
        at.end(first)  # it settles at what it really cost, and there is room
        at.end(at.wake(second))
    with office(DAILY) as at:
        for _ in range(60):  # each costs 0.0000045 USD
            at.end(at.call())
        assert at.call(DEAR).done().status == 402
        assert "waited_ms" not in at.last


def test_without_a_queue_held_money_refuses_at_once() -> None:
    with office(DAILY.replace(", queue: 2s", "")) as at:
        first = at.call(DEAR)
        assert at.call(DEAR).done().status == 402
        at.end(first)


def test_a_budget_that_clamps_waits_first() -> None:
    with office(DAILY.replace("queue: 2s", "queue: 2s, over: clamp")) as at:
        first, second = at.call(DEAR), at.call(DEAR)
        at.end(first)
        assert at.wake(second).expect(Send).body is None  # not clamped
        at.end(second)


def test_a_window_that_passes_while_a_call_waits_is_no_hindrance() -> None:
    with office(DAILY.replace("queue: 2s", "queue: 3m")) as at:
        at.clock.tick(3_550)
        first, second, third = at.call(DEAR), at.call(DEAR), at.call(DEAR)
        at.clock.tick(60)  # the next hour
        at.on(second.answer()).expect(Send)
        at.on(third.answer()).expect(Pause)
        for play in (first, second):
            at.end(play)
        at.end(at.wake(third))
        assert at.empty


def test_a_call_that_waits_for_two_things_waits_for_each_in_its_line() -> None:
    with office("limits:\n- {per: agent, concurrent: 1, queue: 2s}\n- {per: run, tokens: 1000/s, queue: 2s}") as at:
        first = at.call(DEAR)
        second = at.call(DEAR)
        assert second.expect(Pause).ticket.account[1] == "live"
        first.answer(OK).answer(reply(prompt_tokens=400, completion_tokens=300))
        at.wake(second)
        assert second.expect(Pause).ticket.account[1] == "tokens"
        while isinstance(second.now, Pause):
            at.wait_out(second)
        at.end(second)
        assert at.empty


def test_a_limited_tool_is_waited_for() -> None:
    with office("limits: [{per: tool, concurrent: 1, queue: 2s}]") as at:
        calls = [("c1", "pull", {}), ("c2", "pull", {})]
        play = at.call()
        at.on(play.answer(OK).answer(reply(None, calls=calls))).expect(Pause)
        while isinstance(play.now, Pause):
            at.wait_out(play)
        assert b"rate_limited: the call of pull was refused" in play.done().body


moves = st.lists(st.sampled_from(["call", "call", "end", "hang up", "leave"]), min_size=1, max_size=50)


@settings(deadline=None, max_examples=60)
@given(most=st.integers(1, 3), moves=moves)
def test_first_come_first_served_never_too_many_and_nothing_left_behind(most: int, moves: list[str]) -> None:
    with office(f"limits: [{{per: agent, concurrent: {most}, queue: 60s}}]") as at:
        sent: list[Playbook] = []
        waiting: list[Playbook] = []
        for move in moves:
            if move == "call":
                play = at.call()
                (sent if isinstance(play.now, Send) else waiting).append(play)
            elif move == "leave" and waiting:
                waiting.pop(len(waiting) // 2).hang_up()
            elif move == "end" and sent:
                at.end(sent.pop(0))
            elif move == "hang up" and sent:
                sent.pop(0).hang_up()
            while waiting and at.woken(waiting[0]) and isinstance(at.wake(waiting[0]).now, Send):
                sent.append(waiting.pop(0))
            assert not any(at.woken(play) for play in waiting)  # whoever could go on has, in order
            assert len(sent) == min(most, len(sent) + len(waiting))
            assert at.desk.queue.waiting == len(waiting)
        for play in waiting + sent:
            play.hang_up()
        assert at.empty


# -- for real: threads and tasks


class Upstream:
    """Answers once four calls are there at the same time; fails where a fifth is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.barrier = threading.Barrier(4)

    def __call__(self, step: int) -> None:
        with self.lock:
            self.now += step
            self.most = max(self.most, self.now)


class Hands:
    def __init__(self, up: Upstream) -> None:
        self.up = up

    def send(self, effect: Send) -> Head:
        self.up(1)
        self.up.barrier.wait(timeout=60)
        return OK

    def read(self, limit: int) -> bytes:
        self.up(-1)
        return reply()

    def next(self) -> bytes | None:
        raise AssertionError("nothing streams here")

    def close(self) -> None:
        return None


class AsyncHands:
    def __init__(self, up: Upstream, barrier: asyncio.Barrier) -> None:
        self.up, self.barrier = up, barrier

    async def send(self, effect: Send) -> Head:
        self.up(1)
        await self.barrier.wait()
        return OK

    async def read(self, limit: int) -> bytes:
        self.up(-1)
        return reply()

    async def next(self) -> bytes | None:
        raise AssertionError("nothing streams here")

    async def close(self) -> None:
        return None


def test_thirty_two_threads_are_four_at_a_time() -> None:
    with office(FOUR) as at:
        up, answers = Upstream(), list[Answer | None]()

        def work() -> None:
            answers.append(Blocking(at.desk, at.flow(), Hands(up)).start())

        threads = [threading.Thread(target=work) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [answer.status for answer in answers if answer is not None] == [200] * 32
        assert up.most == 4
        assert at.empty


def test_two_hundred_tasks_are_four_at_a_time_and_those_cancelled_in_line_leave_nothing() -> None:
    with office(FOUR) as at:
        up = Upstream()

        async def main() -> list[Answer | BaseException | None]:
            barrier = asyncio.Barrier(4)
            starts = [Awaiting(at.desk, at.flow(), AsyncHands(up, barrier)).start() for _ in range(240)]
            tasks = [asyncio.create_task(start) for start in starts]
            await asyncio.sleep(0)
            for task in tasks[100:140]:
                task.cancel()
            return await asyncio.gather(*tasks, return_exceptions=True)

        answers = asyncio.run(main())
        assert sum(isinstance(answer, asyncio.CancelledError) for answer in answers) == 40
        assert [answer.status for answer in answers if isinstance(answer, Answer)] == [200] * 200
        assert up.most == 4
        assert at.empty
        waited = [fact for fact in at.desk.facts(CALL_CLOSED) if fact["status"] == "cancelled"]
        assert len(waited) == 40
