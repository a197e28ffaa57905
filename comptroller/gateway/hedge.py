"""Hedging: where an upstream stays silent a second try runs beside the first; one answers, the other is cancelled."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from comptroller.core.errors import UpstreamError
from comptroller.gateway.hands import Hands
from comptroller.gateway.upstream import Target
from comptroller.wrapper.drive import Awaiting
from comptroller.wrapper.effects import Answer

Failed = Callable[[str, str], None]
_Task = asyncio.Task[Answer | None]


@dataclass(slots=True, eq=False)
class Try:
    """One attempt of a call at one upstream: a flow with a hold of its own, and the hands it uses."""

    target: Target
    hands: Hands
    drive: Awaiting

    async def end(self) -> None:
        """Settle what is not settled, and let go of the connection."""
        self.drive.flow.close()
        await self.hands.close()


async def race(
    first: Try, another: Callable[[], Try], after_s: float, failed: Failed
) -> tuple[Try, Callable[[], Answer | None]]:
    """The try whose answer counts, and how to get it: the first usable one, else that of the first try.

    The second begins where no head of a reply came within `after_s` of sending. Whoever loses is cancelled: it is on
    record, and charged as a call whose reply was lost, for it may have been worked on.
    """
    tries = {asyncio.ensure_future(first.drive.start()): first}
    winner = task = next(iter(tries))
    try:
        if await _is_silent(first, task, after_s):
            second = another()
            tries[asyncio.ensure_future(second.drive.start())] = second
            winner = await _winner(tries)
        elif not task.done():
            await asyncio.wait((task,))
    except BaseException:  # the client left: nobody has won
        await _end(tries, "", failed)
        raise
    chosen = tries.pop(winner)
    try:
        await _end(tries, f"Upstream {chosen.target.name} answered first.", failed)
    except BaseException:
        await chosen.end()
        raise
    return chosen, winner.result


async def _is_silent(one: Try, task: _Task, after_s: float) -> bool:
    """Wait until the head of a reply is here, or so long after sending. Waiting in line before that is no silence."""
    loop = asyncio.get_running_loop()
    while not task.done() and one.hands.response is None:
        sent_s = one.hands.sent_s
        left_s = after_s if sent_s is None else sent_s + after_s - loop.time()
        if left_s <= 0:
            return True
        await asyncio.wait((task,), timeout=left_s)
    return False


async def _winner(tries: dict[_Task, Try]) -> _Task:
    """The first that is usable; where none is, the first that began."""
    first, pending = next(iter(tries)), set(tries)
    while pending:
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in tries:
            if task in pending and task.done():
                pending.discard(task)
                if _is_usable(task, is_first=task is first):
                    return task
    return first


def _is_usable(task: _Task, is_first: bool) -> bool:
    """Whether to take it. What stops the first try (a rule, a budget, a mistake of ours) would stop any."""
    error = task.exception()
    if error is not None:
        return is_first and not isinstance(error, UpstreamError)
    answer = task.result()
    if answer is None:
        return True
    return is_first if answer.refused is not None else answer.status < 500 and answer.status != 429


async def _end(tries: dict[_Task, Try], why: str, failed: Failed) -> None:
    """Cancel what is not needed, and wait until it is on record."""
    for task in tries:
        task.cancel(why)
    for outcome, one in zip(await asyncio.gather(*tries, return_exceptions=True), tries.values(), strict=True):
        await one.end()
        broken = outcome.status >= 500 if isinstance(outcome, Answer) else isinstance(outcome, UpstreamError)
        if broken:
            one.target.breaker.failed()
            failed(one.target.name, type(outcome).__name__ if isinstance(outcome, UpstreamError) else "5xx")
