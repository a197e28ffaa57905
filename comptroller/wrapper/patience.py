"""Patience: how a call waits its turn for room that others only hold, and for how long."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from comptroller.core.facts import Line, Shortfall
from comptroller.core.verdict import Cap, Limit
from comptroller.metering.budget import lines_for
from comptroller.metering.window import SECOND
from comptroller.wrapper.effects import Effect, Pause
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.limits import limit_of, patience_of
from comptroller.wrapper.queue import Queue, Ticket

LOOK_S = 0.05  # how often the first in a line looks for what other processes gave back

Reserving = Generator[Effect, Any, Shortfall | None]


class Patience:
    """The caps and limits of one call, and how long it may wait for each: 0 where that would be in vain."""

    def __init__(
        self, entry: Entry, caps: Sequence[Cap], limits: Sequence[Limit], amounts: Callable[[], Mapping[str, int]]
    ) -> None:
        self.entry, self.caps, self.limits, self.amounts = entry, caps, limits, amounts

    def lines(self) -> list[Line]:
        """What the call would wait for."""
        amounts = self.amounts()
        caps = [cap for cap in self.caps if cap.queue_s]
        lines = lines_for(caps, amounts, self.entry.desk.clock.now_ns(), self.entry.run.id)
        return lines + [
            Line(limit.key, limit.unit, amounts["tokens"] if limit.unit == "tokens" else 1, limit.most)
            for limit in self.limits
            if limit.queue_s
        ]

    def left_s(self, short: Shortfall) -> float:
        """How much longer it may wait for what is short."""
        entry, waited_s = self.entry, self.entry.waited_ns / SECOND
        limit = limit_of(self.limits, short.line)
        if limit is not None:
            return patience_of(limit, short, waited_s) - waited_s
        cap = cap_of(self.caps, short.line, entry.desk.clock.now_ns(), entry.run.id)
        if cap is None or short.settled + short.line.amount > cap.limit:
            return 0.0  # spent, not held: nobody will give it back
        return cap.queue_s - waited_s


def in_turn(ask: Callable[[], Reserving], patience: Patience) -> Reserving:
    """Ask for room, behind those who wait for the same; wait for it as long as patience and hope last."""
    queue = patience.entry.desk.queue
    ticket, short = _behind(queue, patience) if queue.waiting else (None, None)
    try:
        while True:
            if ticket is None and short is not None:
                return short  # no more may wait
            if ticket is None or queue.is_first(ticket):
                if ticket is not None:
                    ticket.woken = False  # before it asks: what ends meanwhile wakes it again
                short = yield from ask()
                if short is None or patience.left_s(short) <= 0:
                    return short
                if ticket is None or ticket.account != (short.line.key, short.line.unit):
                    ticket = _move(queue, ticket, short)
                    continue
                queue.tell(short)
                seconds = min(patience.left_s(short), _look_s(short))
            else:
                assert short is not None, "who is not first stands behind somebody who was told why"
                short = _as_told(queue, ticket, short)
                seconds = patience.left_s(short)
                if seconds <= 0:
                    return short
            yield from _pause(patience.entry, ticket, seconds)
    finally:
        if ticket is not None:
            queue.leave(ticket)


def cap_of(caps: Sequence[Cap], line: Line, now_ns: int, run: str) -> Cap | None:
    """The cap that a line stands for; None when its window has passed meanwhile."""
    same = (cap for cap in caps if cap.limit == line.cap and key_of(cap, now_ns, run) == (line.key, line.unit))
    return next(same, None)


def key_of(cap: Cap, now_ns: int, run: str) -> tuple[str, str]:
    """The counter of a cap now."""
    line = lines_for([cap], {}, now_ns, run)[0]
    return line.key, line.unit


def _behind(queue: Queue, patience: Patience) -> tuple[Ticket | None, Shortfall | None]:
    for line in patience.lines():
        told = queue.told((line.key, line.unit))
        if told is not None:
            short = replace(told, line=line)
            return queue.join(short), short
    return None, None


def _move(queue: Queue, ticket: Ticket | None, short: Shortfall) -> Ticket | None:
    """Something else is short now: the end of the line for that."""
    if ticket is not None:
        queue.leave(ticket)
    return queue.join(short)


def _as_told(queue: Queue, ticket: Ticket, short: Shortfall) -> Shortfall:
    """What the first in line was told last, as it concerns this call."""
    told = queue.told(ticket.account)
    return short if told is None else replace(told, line=short.line)


def _look_s(short: Shortfall) -> float:
    return short.wait_ns / SECOND if short.line.unit == "requests" and short.wait_ns else LOOK_S


def _pause(entry: Entry, ticket: Ticket, seconds: float) -> Generator[Effect, Any, None]:
    clock = entry.desk.clock
    began, least_ns = clock.monotonic_ns(), 0
    try:
        yield Pause(ticket, seconds)
        # A clock that stands still, as in tests, must not make anybody wait for ever.
        least_ns = 0 if ticket.woken else round(seconds * SECOND)
    finally:
        entry.waited_ns += max(clock.monotonic_ns() - began, least_ns)
