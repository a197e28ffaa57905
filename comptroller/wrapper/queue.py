"""The queue: calls of this process that wait a moment for room, in one line for each counter, first come first served.

Waiting is an effect of the flow (`Pause`) and thus the hands' business. A call that waits holds nothing; it is woken
when a hold on its counter ends here, and looks every so often for what other processes gave back.
"""

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress

from comptroller.core.facts import Shortfall

MOST = 1_000  # calls of a process that wait at once; one more is refused as it would be without a queue
Account = tuple[str, str]


class Ticket:
    """A place in a line. Who is first there asks for room whenever it is woken; the others wait to be first."""

    __slots__ = ("_ring", "account", "woken")

    def __init__(self, account: Account, woken: bool) -> None:
        self.account, self.woken = account, woken
        self._ring: Callable[[], object] | None = None

    def wake(self) -> None:
        """Make it look again; may be called from any thread, and before it waits."""
        self.woken = True
        ring = self._ring
        if ring is not None:
            ring()

    def wait(self, seconds: float) -> None:
        """Return when woken or when the time is over."""
        event = threading.Event()
        self._ring = event.set
        try:
            if not self.woken:  # looked at after the bell hangs: no wake is lost
                event.wait(seconds)
        finally:
            self._ring = None

    async def awaited(self, seconds: float) -> None:
        """The same without keeping an event loop from anything else."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._ring = lambda: _ring(loop, future)
        try:
            if not self.woken:
                await asyncio.wait((future,), timeout=seconds)
        finally:
            self._ring = None
            future.cancel()


def _ring(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[None]") -> None:
    with suppress(RuntimeError):  # the loop has ended, and whoever waited in it with it
        loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))


class _Line:
    """Who waits for one counter, and what the first of them was told last."""

    __slots__ = ("short", "tickets")

    def __init__(self, short: Shortfall) -> None:
        self.short = short
        self.tickets: OrderedDict[Ticket, None] = OrderedDict()

    def first(self) -> Ticket | None:
        return next(iter(self.tickets), None)


class Queue:
    """All lines of a process. Thread-safe; costs a call nothing while nobody waits."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.waiting = 0
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[Account, _Line] = {}
        self._pid = os.getpid()
        self.waiting = 0

    def join(self, short: Shortfall) -> Ticket | None:
        """The end of the line for what is short; None where no more may wait."""
        account = short.line.key, short.line.unit
        with self._lock:
            if self.waiting >= self._most:
                return None
            line = self._lines.setdefault(account, _Line(short))
            ticket = Ticket(account, woken=not line.tickets)  # nobody before it: what ended meanwhile woke nobody
            line.tickets[ticket] = None
            self.waiting += 1
            return ticket

    def leave(self, ticket: Ticket) -> None:
        """Make way; whoever is first now looks for itself."""
        with self._lock:
            line = self._lines.get(ticket.account)
            if line is None or line.tickets.pop(ticket, ticket) is not None:
                return
            self.waiting -= 1
            first = line.first()
            if first is None:
                del self._lines[ticket.account]
        if first is not None:
            first.wake()

    def is_first(self, ticket: Ticket) -> bool:
        """Whether it is this one's turn to ask."""
        with self._lock:
            line = self._lines.get(ticket.account)
            return line is None or line.first() is ticket

    def tell(self, short: Shortfall) -> None:
        """What the first of a line was told, for those behind it."""
        with self._lock:
            line = self._lines.get((short.line.key, short.line.unit))
            if line is not None:
                line.short = short

    def told(self, account: Account) -> Shortfall | None:
        """Why calls wait for a counter; None where none does."""
        if not self.waiting:
            return None
        if self._pid != os.getpid():  # whoever waits there waits in the process this one was forked from
            self._begin()
        with self._lock:
            line = self._lines.get(account)
            return line.short if line is not None else None

    def stir(self, accounts: Iterable[Account]) -> None:
        """Holds on these counters have ended: whoever is first there looks again."""
        with self._lock:
            firsts = [line.first() for line in map(self._lines.get, accounts) if line is not None]
        for first in firsts:
            if first is not None:
                first.wake()
