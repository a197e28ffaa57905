"""Lines of those who wait: in order, bounded, woken and left from anywhere."""

import asyncio
import threading

from comptroller.core.facts import Line, Shortfall
from comptroller.wrapper.queue import Queue, Ticket

ACCOUNT = ("key:k1|live:", "live")
SHORT = Shortfall(Line(*ACCOUNT, 1, 4), 0, 4)


def joined(queue: Queue, short: Shortfall = SHORT) -> Ticket:
    ticket = queue.join(short)
    assert ticket is not None
    return ticket


def test_the_first_may_ask_and_its_leaving_wakes_the_next() -> None:
    queue = Queue()
    one, two, three = joined(queue), joined(queue), joined(queue)
    assert [queue.is_first(ticket) for ticket in (one, two, three)] == [True, False, False]
    assert [ticket.woken for ticket in (one, two, three)] == [True, False, False]
    queue.leave(one)
    assert queue.is_first(two)
    assert [two.woken, three.woken] == [True, False]


def test_who_leaves_from_the_middle_wakes_nobody_and_leaves_once() -> None:
    queue = Queue()
    one, two, three = joined(queue), joined(queue), joined(queue)
    queue.leave(two)
    queue.leave(two)
    assert queue.waiting == 2
    assert not three.woken
    queue.leave(one)
    queue.leave(three)
    assert queue.waiting == 0
    assert queue.told(ACCOUNT) is None


def test_no_more_than_so_many_wait() -> None:
    queue = Queue(most=2)
    joined(queue)
    last = joined(queue, Shortfall(Line("run:r|:", "USD", 1, 4), 0, 4))
    assert queue.join(SHORT) is None
    queue.leave(last)
    assert queue.join(SHORT) is not None


def test_an_end_wakes_the_first_of_its_line_only() -> None:
    queue = Queue()
    one, two = joined(queue), joined(queue)
    other = joined(queue, Shortfall(Line("run:r|:", "USD", 1, 4), 0, 4))
    for ticket in (one, two, other):
        ticket.woken = False
    queue.stir([ACCOUNT, ("nobody|:", "calls")])
    assert [one.woken, two.woken, other.woken] == [True, False, False]


def test_what_the_first_was_told_is_known_to_the_rest() -> None:
    queue = Queue()
    joined(queue)
    queue.tell(Shortfall(SHORT.line, 0, 3))
    told = queue.told(ACCOUNT)
    assert told is not None
    assert told.held == 3


def test_a_wake_before_the_wait_is_not_lost() -> None:
    ticket = Ticket(ACCOUNT, woken=False)
    ticket.wake()
    ticket.wait(seconds=60)
    asyncio.run(ticket.awaited(seconds=60))


def test_a_wait_ends_by_itself_without_a_wake() -> None:
    ticket = Ticket(ACCOUNT, woken=False)
    ticket.wait(seconds=0.001)
    asyncio.run(ticket.awaited(seconds=0.001))
    assert not ticket.woken


def test_a_thread_wakes_one_that_blocks() -> None:
    ticket = Ticket(ACCOUNT, woken=False)
    waker = threading.Thread(target=ticket.wake)
    waker.start()
    ticket.wait(seconds=60)
    waker.join()


def test_a_thread_wakes_a_task_and_the_loop_does_other_things_meanwhile() -> None:
    ticket = Ticket(ACCOUNT, woken=False)

    async def main() -> list[str]:
        said: list[str] = []

        async def waits() -> None:
            await ticket.awaited(seconds=60)
            said.append("woken")

        waiting = asyncio.create_task(waits())
        await asyncio.sleep(0)
        said.append("busy")
        await asyncio.to_thread(ticket.wake)
        await waiting
        return said

    assert asyncio.run(main()) == ["busy", "woken"]
    ticket.wake()  # its loop has ended: nobody hears it, and nothing breaks


def test_after_a_fork_nobody_waits_for_those_of_the_parent() -> None:
    queue = Queue()
    joined(queue)
    queue._pid -= 1  # as in a child, whose process is another
    assert queue.told(ACCOUNT) is None
    assert queue.waiting == 0
