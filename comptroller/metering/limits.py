"""Rates: what was let through in the last second, minute, hour or day, and when there is room for more.

A sliding window, kept as a log: a call counts from its admission until the whole length of the window has passed
over it. So no stretch of that length ever holds more than the limit, wherever it begins; a counter that starts anew
each minute would let twice as much through around its edge, a bucket that refills as much again as it was full.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from comptroller.core.facts import LIVE, Line, Shortfall
from comptroller.core.verdict import Limit
from comptroller.metering.window import DAY, HOUR, SECOND

SPANS = {"s": SECOND, "min": 60 * SECOND, "hour": HOUR, "day": DAY}
# Calls within a hundredth of the window are one entry that lasts as long as the last of them: a window takes a hundred
# entries however many calls it sees, and a call counts for at most a hundredth longer than it has to.
STEPS = 100

Row = Sequence[Any]  # key, unit, amount and limit, as a hold carries them
Account = tuple[str, str]


def lines_of(limits: Sequence[Limit]) -> list[Line]:
    """What a call holds of limits on calls under way: one each, given back when it ends."""
    return [limit.line for limit in limits if limit.unit == LIVE]


def rates_of(limits: Sequence[Limit], tokens: int) -> list[list[object]]:
    """What a call takes of each rate at worst, as rows of its hold."""
    return [
        [limit.line.key, limit.unit, tokens if limit.unit == "tokens" else 1, limit.most]
        for limit in limits
        if limit.unit != LIVE
    ]


class _Entry:
    """What was let through within one step of a window."""

    __slots__ = ("amount", "first_ns", "gone", "last_ns")

    def __init__(self, now_ns: int, amount: int) -> None:
        self.first_ns = self.last_ns = now_ns
        self.amount, self.gone = amount, False


class _Window:
    """The log of one counter over one length of time."""

    __slots__ = ("entries", "span_ns", "step_ns", "total")

    def __init__(self, span_ns: int) -> None:
        self.span_ns, self.step_ns = span_ns, span_ns // STEPS
        self.entries: deque[_Entry] = deque()
        self.total = 0

    def slide(self, now_ns: int) -> int:
        """Forget what the window has passed over; returns what is left in it."""
        entries, begin_ns = self.entries, now_ns - self.span_ns
        while entries and entries[0].last_ns <= begin_ns:
            entry = entries.popleft()
            entry.gone = True
            self.total -= entry.amount
        return self.total

    def add(self, amount: int, now_ns: int) -> _Entry:
        entries = self.entries
        if entries and now_ns - entries[-1].first_ns < self.step_ns:
            entry = entries[-1]
            entry.last_ns = now_ns
            entry.amount += amount
        else:
            entry = _Entry(now_ns, amount)
            entries.append(entry)
        self.total += amount
        return entry

    def room_in(self, amount: int, most: int, now_ns: int) -> int:
        """Nanoseconds until so much fits, if nothing else comes; 0 where it never does."""
        left = self.total
        if amount > most:
            return 0
        for entry in self.entries:
            left -= entry.amount
            if left + amount <= most:
                return max(entry.last_ns + self.span_ns - now_ns, 1)
        return 0


_Taken = dict[Account, tuple[_Window, _Entry, int]]


class Throttle:
    """All rates of a ledger, by monotonic time. Not journalled; not thread-safe: whoever owns it brings the lock."""

    def __init__(self) -> None:
        self._windows: dict[Account, _Window] = {}
        self.taken: dict[str, _Taken] = {}  # by live hold: what its end may correct

    def room(self, rows: Iterable[Row], now_ns: int) -> Shortfall | None:
        """None when all of it fits, else what has to wait longest."""
        short: Shortfall | None = None
        for key, unit, amount, most in rows:
            window = self._windows.get((key, unit))
            used = window.slide(now_ns) if window is not None else 0
            if used + amount > most:
                wait_ns = window.room_in(amount, most, now_ns) if window is not None else 0
                if short is None or not wait_ns or 0 < short.wait_ns < wait_ns:
                    short = Shortfall(Line(key, unit, amount, most), used, 0, wait_ns)
                if not wait_ns:
                    break
        return short

    def take(self, hold_id: str, rows: Iterable[Row], now_ns: int) -> None:
        """Count a call that was admitted; two limits on one counter count it once."""
        taken: _Taken = {}
        for key, unit, amount, _ in rows:
            account = key, unit
            if account in taken:
                continue
            window = self._windows.get(account)
            if window is None:
                window = self._windows[account] = _Window(_span_of(key))
            taken[account] = window, window.add(amount, now_ns), amount
        self.taken[hold_id] = taken

    def settle(self, hold_id: str, rows: Iterable[Row] | None) -> None:
        """A hold has ended: what its rows say was really used counts from now on, where the call was admitted."""
        taken = self.taken.pop(hold_id, None)
        for key, unit, used, *_ in (rows or ()) if taken else ():
            found = taken.get((key, unit)) if taken else None
            if found is not None:
                window, entry, amount = found
                entry.amount += used - amount
                if not entry.gone:
                    window.total += used - amount

    def prune(self, now_ns: int) -> None:
        """Forget windows in which nothing is left."""
        for account, window in list(self._windows.items()):
            window.slide(now_ns)
            if not window.entries:
                del self._windows[account]


def _span_of(key: str) -> int:
    # A length nobody knows can only come from another version: counting it longest lets nothing through too early.
    return SPANS.get(key.rpartition("|")[2].partition(":")[0], DAY)
