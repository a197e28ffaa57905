"""The processes of one guard from elsewhere: at most two, started when needed, replaced when they break."""

import threading
import time
import weakref
from collections.abc import Callable

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.forks import left_in_child
from comptroller.guardrails.guard import Installed
from comptroller.guardrails.seat import Broken, NotYet, Odd, Seat

MOST = 2
BUSY_S = 5.0  # how long a text waits until one of them is free
FIRST_PAUSE_S = 0.5  # before the second start in a row, then twice as long each time
LONGEST_PAUSE_S = 60.0
FORGIVEN = 10  # answers, after which what broke before counts no more


class Row:
    """Takes texts from any thread. Each is answered or refused within a bounded time."""

    def __init__(self, guard: Installed, limit_ms: int, memory_mb: int, clock: Clock = SYSTEM) -> None:
        self._make: Callable[[], Seat] = lambda: Seat(guard, limit_ms, memory_mb)
        self._clock = clock
        self._turn = threading.Condition()
        self._seats: set[Seat] = set()
        self._free: list[Seat] = []
        self._breaks = self._answers = 0
        self._why = ""
        self._not_before_ns = 0
        self._starts_well = True
        _ROWS.add(self)
        weakref.finalize(self, _end, self._seats)  # at exit too

    def ask(self, text: str) -> list[tuple[str, int, int]]:
        """What the guard found; Broken, Odd or NotYet where it did not say."""
        seat = self._take()
        try:
            # One that failed to start is not waited for again: it gets ready while texts are refused.
            seat.ready(wait=self._starts_well)
            self._starts_well = True
            found = seat.ask(text)
        except (NotYet, Odd):
            self._give_back(seat)
            raise
        except Broken as broken:
            self._lose(seat, str(broken))
            raise
        except BaseException:
            self._lose(seat, "whoever asked it was interrupted")  # its answer would be taken for the next one's
            raise
        self._give_back(seat, answered=True)
        return found

    def close(self) -> None:
        """End its processes; the next text starts one anew."""
        with self._turn:
            free, busy = list(self._free), [seat for seat in self._seats if seat not in self._free]
            self._seats.clear()
            self._free.clear()
        for seat in busy:  # a pipe closed under a text would have it written to whatever is opened next
            seat.kill()
        for seat in free:
            seat.end()

    def _take(self) -> Seat:
        until = time.monotonic() + BUSY_S
        with self._turn:
            while not self._free:
                pause_s = (self._not_before_ns - self._clock.monotonic_ns()) / 1e9
                if len(self._seats) < MOST and pause_s <= 0:
                    return self._new()
                if not self._seats:
                    raise NotYet(f"it broke {self._breaks} times, and is left alone for {pause_s:.1f} s: {self._why}")
                if not self._turn.wait(until - time.monotonic()):
                    raise NotYet(f"its {len(self._seats)} processes were busy with other texts for {BUSY_S:.0f} s")
            return self._free.pop()

    def _new(self) -> Seat:
        try:
            seat = self._make()
        except Broken as broken:
            self._broke(str(broken))
            raise
        self._seats.add(seat)
        return seat

    def _give_back(self, seat: Seat, answered: bool = False) -> None:
        with self._turn:
            if seat in self._seats:
                self._free.append(seat)
                self._answers += answered
                if self._answers >= FORGIVEN:
                    self._breaks = 0
                self._turn.notify()
                return
        seat.end()  # closed meanwhile

    def _lose(self, seat: Seat, why: str) -> None:
        seat.end()
        with self._turn:
            self._seats.discard(seat)
            self._broke(why)
            if not seat.was_ready:
                self._starts_well = False
            self._turn.notify()

    def _broke(self, why: str) -> None:
        self._breaks, self._answers, self._why = self._breaks + 1, 0, why
        if self._breaks > 1:
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._breaks - 2, 16))
            self._not_before_ns = self._clock.monotonic_ns() + round(pause_s * 1e9)

    def left(self) -> None:
        """This is a fork: its processes are its parent's."""
        self._turn = threading.Condition()  # whoever held it does not exist here
        for seat in self._seats:
            seat.leave()
        self._seats.clear()
        self._free.clear()


def _end(seats: set[Seat]) -> None:
    while seats:
        seats.pop().end()


_ROWS = left_in_child(Row.left)
