"""Notices a client that leaves before its reply is complete, without costing a call that is over quickly anything."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from comptroller.gateway.asked import Receive

T = TypeVar("T")
LOOK_AFTER_S = 0.2  # a task for each request costs a tenth of what relaying it does; most are over before this


class Leaving:
    """Cancels the task it was made in when the client has left, after a grace; with a grace of None never."""

    def __init__(self, receive: Receive, grace_s: int | None) -> None:
        self.left = False
        self._receive = receive
        self._task = asyncio.current_task()
        self._watch: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if grace_s is not None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_AFTER_S, self._begin, grace_s)

    def stop(self) -> None:
        """The call is over."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()

    def forgive(self) -> None:
        """The cancellation was ours and has done its work."""
        if self._task is not None:
            self._task.uncancel()

    async def attend(self, waiting: Awaitable[T]) -> T:
        """Let a call wait for as long as its client is there: in line, for judges, and before it is made once more.

        Nothing is under way then whose cost would not be known.
        """
        wait, gone = asyncio.ensure_future(waiting), asyncio.ensure_future(self._gone())
        try:
            await asyncio.wait((wait, gone), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                self.left = True
                raise asyncio.CancelledError("The client left.")
            return wait.result()
        finally:
            wait.cancel()
            gone.cancel()

    def _begin(self, grace_s: int) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._wait(grace_s))

    async def _wait(self, grace_s: int) -> None:
        await self._gone()
        if grace_s:
            await asyncio.sleep(grace_s)
        self.left = True
        if self._task is not None:
            self._task.cancel()

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
