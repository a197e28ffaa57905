"""Budgets: the purse, a fold of facts into counters and live holds, and the lines a call draws on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from comptroller.core.facts import (
    CALL_CLOSED,
    CALL_OPENED,
    HOLD_EXPIRED,
    HOLD_EXTENDED,
    LIVE,
    RUN_CLOSED,
    Fact,
    Line,
    Shortfall,
)
from comptroller.core.money import is_money
from comptroller.core.verdict import Cap
from comptroller.metering.limits import Row, Throttle
from comptroller.metering.orders import ORDERED, Orders
from comptroller.metering.window import DAY, HOUR, surely_over, window_of

IDENTITY = ("tenant", "customer", "user", "workflow", "agent", "key", "depth", "parent", "kind", "name", "policy")
REMEMBERED = 8_192  # ends known by id, at least: a sender repeats itself within seconds
EXPIRED_KEPT = 7 * DAY  # how long a settle may come late and still correct the estimate it was charged
CLOSED_RUN_KEPT = HOUR  # a closed run's late settles have arrived by then
IDLE_RUN_KEPT = 30 * DAY  # a run nobody closed: whoever comes back later could as well open a new one

ATTEMPTS = ".attempts"  # marks the scope of a counter of attempts: one retry apart from a counter of calls

Account = tuple[str, str]  # key and unit: what one counter counts
Amounts = dict[Account, int]


@dataclass(slots=True, eq=False)  # made for each call: frozen would cost four times as much
class Hold:
    """Money, calls or tokens set aside for one attempt of a call until `lease_ns`, and whose they are."""

    id: str
    call: str
    run: str
    lines: tuple[Line, ...]
    lease_ns: int
    price: str
    opened_ns: int
    data: Mapping[str, object]  # what its call was opened with; `whose` says what of it is kept
    amounts: Amounts  # what the lines ask of each account
    extended: int = 0  # how often it was made larger: an extension told twice counts once

    def whose(self) -> dict[str, object]:
        """Who is responsible for the call."""
        return {name: self.data[name] for name in IDENTITY if name in self.data}


@dataclass(slots=True)
class Counter:
    """What an account has paid and what live holds may yet make it pay."""

    settled: int = 0
    held: int = 0
    touched_ns: int = 0


class Purse:
    """The state of all budgets. Not thread-safe: whoever owns it brings the lock.

    A hold has one life: HELD -> SETTLED | RELEASED | EXPIRED_ESTIMATED. Told an end twice, it listens once; only
    a settle that comes after the expiry still corrects what the expiry charged.
    """

    def __init__(self) -> None:
        self._counters: dict[Account, Counter] = {}
        self._live: dict[str, Hold] = {}
        self._expired: dict[str, tuple[int, Amounts]] = {}
        self._closed_runs: dict[str, int] = {}
        # Two generations of ended ids: forgetting the older one at once costs nothing per hold.
        self._ended: set[str] = set()
        self._ended_before: set[str] = set()
        self.orders = Orders()
        self.throttle = Throttle()  # rates: not folded from facts, so that a restart begins them afresh

    def room(
        self, lines: Sequence[Line], rates: Sequence[Row] = (), now_ns: int = 0, asked: Amounts | None = None
    ) -> Shortfall | None:
        """None when all lines fit under their caps, and what rates count at this monotonic time under their limits."""
        counters = self._counters
        if asked is None:
            asked = amounts_of(lines)
        if self.orders.caps:
            lines = self.orders.capped(lines)
        for line in lines:
            if line.cap is not None:
                account = line.key, line.unit
                found = counters.get(account)
                if asked[account] + (found.settled + found.held if found else 0) > line.cap:
                    return self._first_shortfall(lines, asked)
        return self.throttle.room(rates, now_ns) if rates else None

    def apply(self, fact: Fact, lines: Sequence[Line] | None = None, asked: Amounts | None = None) -> None:
        """Fold one fact in; who has read the lines of its hold already gives them, and what they ask for."""
        if fact.kind == CALL_OPENED:
            if hold := fact.data.get("hold"):
                self._open(fact, cast(Mapping[str, Any], hold), lines, asked)
        elif fact.kind == CALL_CLOSED:
            self._close(fact)
        elif fact.kind == HOLD_EXTENDED:
            self._extend(fact, cast(Mapping[str, Any], fact.data["hold"]))
        elif fact.kind == HOLD_EXPIRED:
            self._expire(fact, cast(Mapping[str, Any], fact.data["hold"]))
        elif fact.kind == RUN_CLOSED:
            self._closed_runs[fact.run] = fact.at
        elif fact.kind in ORDERED:
            self.orders.apply(fact)

    def live(self) -> Mapping[str, Hold]:
        """The holds without an end, by id."""
        return self._live

    def renew(self, hold_id: str, lease_ns: int) -> None:
        """Move the end of a live hold's lease; a hold that has ended stays ended."""
        if hold := self._live.get(hold_id):
            hold.lease_ns = lease_ns

    def overdue(self, now_ns: int) -> list[Hold]:
        """The live holds whose lease has run out."""
        return [hold for hold in self._live.values() if hold.lease_ns <= now_ns]

    def counter(self, key: str, unit: str) -> tuple[int, int]:
        """What an account has settled and what is held on it."""
        found = self._counters.get((key, unit))
        return (found.settled, found.held) if found else (0, 0)

    def prune(self, now_ns: int) -> None:
        """Forget what can matter no more: closed windows, finished runs, old expired holds."""
        for hold_id in [i for i, (at, _) in self._expired.items() if at + EXPIRED_KEPT < now_ns]:
            del self._expired[hold_id]
            self._remember(hold_id)
        pinned = self._pinned()
        idle = [a for a, counter in self._counters.items() if a not in pinned and self._idle(a[0], counter, now_ns)]
        for account in idle:
            del self._counters[account]
        self._closed_runs = {run: at for run, at in self._closed_runs.items() if at + 2 * CLOSED_RUN_KEPT >= now_ns}

    def snapshot(self) -> dict[str, object]:
        """All of it as JSON values; `restore` gives an equal purse."""
        return {
            "counters": [[key, unit, c.settled, c.touched_ns] for (key, unit), c in self._counters.items()],
            "live": [_hold_data(hold) for hold in self._live.values()],
            "expired": [
                [hold_id, at, [[key, unit, amount] for (key, unit), amount in charged.items()]]
                for hold_id, (at, charged) in self._expired.items()
            ],
            "runs": dict(self._closed_runs),
            "ended": sorted(self._ended | self._ended_before),
            **({"orders": self.orders.snapshot()} if self.orders else {}),
        }

    @classmethod
    def restore(cls, data: Mapping[str, object]) -> "Purse":
        """The purse that `snapshot` described."""
        purse, state = cls(), cast(Mapping[str, Any], data)
        for key, unit, settled, touched_ns in state["counters"]:
            purse._counters[key, unit] = Counter(settled, 0, touched_ns)
        for row in state["live"]:
            hold = _hold(row)
            purse._live[hold.id] = hold
            for account, amount in hold.amounts.items():
                purse._counters[account].held += amount
        for hold_id, at, charged in state["expired"]:
            purse._expired[hold_id] = at, _totals(charged)
        purse._closed_runs = dict(state["runs"])
        purse._ended_before = set(state["ended"])
        purse.orders = Orders.restore(state.get("orders") or {})
        return purse

    def check(self) -> None:
        """Assert that the counters are the sum of what was charged and of the live holds."""
        held: Amounts = {}
        for hold in self._live.values():
            _add(held, amounts_of(hold.lines))
        charged: Amounts = {}
        for _, amounts in self._expired.values():
            _add(charged, amounts)
        assert held.keys() | charged.keys() <= self._counters.keys(), "a hold points at a counter that is gone"
        for account, counter in self._counters.items():
            assert counter.held == held.get(account, 0), f"{account}: held {counter.held}, holds {held.get(account)}"
            assert counter.settled >= charged.get(account, 0), f"{account}: settled less than its expired holds"
        assert not self._live.keys() & self._expired.keys(), "a hold is both live and expired"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Purse) and self.snapshot() == other.snapshot()

    __hash__ = None  # type: ignore[assignment]

    # -- the life of a hold

    def _open(self, fact: Fact, data: Mapping[str, Any], read: Sequence[Line] | None, asked: Amounts | None) -> None:
        hold_id = data["id"]
        if hold_id in self._live or hold_id in self._expired or self._has_ended(hold_id):
            return
        lines = tuple([Line(*row) for row in data["lines"]] if read is None else read)
        asked = amounts_of(lines) if asked is None else asked
        lease_ns, price, at = data.get("lease_ns", 0), data.get("price", ""), fact.at
        self._live[hold_id] = Hold(hold_id, fact.call, fact.run, lines, lease_ns, price, at, fact.data, asked)
        counters = self._counters
        for account, amount in asked.items():
            counter = counters.get(account) or self._counter(account)
            counter.held += amount
            counter.touched_ns = at

    def _extend(self, fact: Fact, data: Mapping[str, Any]) -> None:
        """Make a live hold larger: a stream goes on beyond the output it was held for."""
        hold = self._live.get(data["id"])
        if hold is None or data["nth"] <= hold.extended:
            return
        more = amounts_of([Line(*row) for row in data["lines"]])
        hold.lines = tuple(
            line._replace(amount=line.amount + more.get((line.key, line.unit), 0)) for line in hold.lines
        )
        hold.amounts, hold.extended = amounts_of(hold.lines), data["nth"]
        for account in hold.amounts:
            self._counters[account].held += more.get(account, 0)
            self._counters[account].touched_ns = fact.at

    def _close(self, fact: Fact) -> None:
        data = cast("Mapping[str, Any] | None", fact.data.get("hold"))
        if data is None:
            # Nothing was held, as when no cap applied at the time: what was used still counts, once.
            lines = cast("Sequence[Sequence[Any]] | None", fact.data.get("lines"))
            if lines and not self._has_ended(fact.id):
                self._settle(fact.id, _totals(lines), {}, fact.at)
            return
        hold_id, lines = data["id"], data.get("lines")
        if self.throttle.taken:
            self.throttle.settle(hold_id, data.get("rates"))
        if hold := self._live.pop(hold_id, None):
            self._release(hold)
            # An end that does not say what was used is charged as held: never free by omission.
            self._settle(hold_id, _charged(hold.lines) if lines is None else _totals(lines), {}, fact.at)
        elif hold_id in self._expired:
            charged = self._expired.pop(hold_id)[1]
            self._settle(hold_id, charged if lines is None else _totals(lines), charged, fact.at)
        elif lines is not None and not self._has_ended(hold_id):
            # A hold we never saw, as when the store was down and the policy said to go on: a settle is never refused.
            self._settle(hold_id, _totals(lines), {}, fact.at)

    def _expire(self, fact: Fact, data: Mapping[str, Any]) -> None:
        hold_id, lines = data["id"], data.get("lines")
        hold = self._live.pop(hold_id, None)
        if hold is not None:
            self._release(hold)
        elif lines is None or hold_id in self._expired or self._has_ended(hold_id):
            return
        self.throttle.settle(hold_id, None)
        charged = _totals(lines) if lines is not None else _charged(hold.lines if hold else ())
        self._charge(charged, {}, fact.at)
        self._expired[hold_id] = fact.at, charged

    def _release(self, hold: Hold) -> None:
        counters = self._counters
        for account, amount in hold.amounts.items():
            counters[account].held -= amount

    def _settle(self, end_id: str, used: Amounts, charged: Amounts, at_ns: int) -> None:
        self._charge(used, charged, at_ns)
        self._remember(end_id)

    def _charge(self, used: Amounts, charged: Amounts, at_ns: int) -> None:
        for account, amount in used.items():
            counter = self._counters.get(account) or self._counter(account)
            counter.settled += amount
            counter.touched_ns = at_ns
        for account, amount in charged.items():
            self._counters[account].settled -= amount

    # -- helpers

    def _counter(self, account: Account) -> Counter:
        return self._counters.setdefault(account, Counter())

    def _fits(self, line: Line, asked: Amounts) -> bool:
        account = line.key, line.unit
        found = self._counters.get(account)
        used = found.settled + found.held if found else 0
        return line.cap is None or used + asked[account] <= line.cap

    def _first_shortfall(self, lines: Sequence[Line], asked: Amounts) -> Shortfall:
        # Money first: who has none left need not wait for a place among the calls under way.
        order = sorted(lines, key=lambda line: (line.unit == LIVE, *_order(line)))
        line = next(line for line in order if not self._fits(line, asked))
        return Shortfall(line, *self.counter(line.key, line.unit))

    def _has_ended(self, end_id: str) -> bool:
        return end_id in self._ended or end_id in self._ended_before

    def _remember(self, end_id: str) -> None:
        self._ended.add(end_id)
        if len(self._ended) >= REMEMBERED:
            self._ended_before, self._ended = self._ended, set()

    def _pinned(self) -> set[Account]:
        pinned = {(line.key, line.unit) for hold in self._live.values() for line in hold.lines}
        return pinned.union(*(charged for _, charged in self._expired.values()))

    def _idle(self, key: str, counter: Counter, now_ns: int) -> bool:
        scope, _, window = key.rpartition("|")
        per, _, who = scope.partition(":")
        every, _, label = window.partition(":")
        if every == LIVE:
            return True
        run = who if per.removesuffix(ATTEMPTS) == "run" else label if every == "run" else ""
        if run:
            return counter.touched_ns + (CLOSED_RUN_KEPT if run in self._closed_runs else IDLE_RUN_KEPT) < now_ns
        return surely_over(every, label, now_ns)


def lines_for(caps: Sequence[Cap], amounts: Mapping[str, int], now_ns: int, run: str = "") -> list[Line]:
    """What a call asks of each cap's counter now, in the fixed order of admission.

    `amounts` are by unit; a unit without one is asked for nothing. Calls counted by attempt have counters of their
    own. `run` tells apart the counters of caps that start anew with each run.
    """
    return sorted((_line(cap, amounts, now_ns, run) for cap in caps), key=_order)


def _line(cap: Cap, amounts: Mapping[str, int], now_ns: int, run: str) -> Line:
    per, every = cap.per, cap.every
    if every == "run":
        # A run is its own window: `per: run` alone and `per: run, every: run` are one counter.
        every, label = ("", "") if per == "run" else ("run", run)
    else:
        label = window_of(every, cap.zone, now_ns)[0]
    if cap.unit == "calls" and cap.count == "attempt":
        per += ATTEMPTS
    return Line(f"{per}:{cap.who}|{every}:{label}", cap.unit, amounts.get(cap.unit, 0), cap.limit)


def _order(line: Line) -> tuple[str, str, int]:
    return line.key, line.unit, -1 if line.cap is None else line.cap


def held_by(holds: Iterable[Hold]) -> dict[str, int]:
    """What holds hold in all, by currency. Each draws on one counter for each cap, and all of them say the same."""
    sums: dict[str, int] = {}
    for hold in holds:
        amounts: dict[str, int] = {}
        for line in hold.lines:
            if is_money(line.unit):
                amounts[line.unit] = max(line.amount, amounts.get(line.unit, 0))
        for unit, amount in amounts.items():
            sums[unit] = sums.get(unit, 0) + amount
    return sums


def amounts_of(lines: Iterable[Line]) -> Amounts:
    """What lines ask of each account: two caps on one account ask for the same amount, once."""
    amounts: Amounts = {}
    for key, unit, amount, _ in lines:
        account = key, unit
        known = amounts.get(account, 0)
        amounts[account] = amount if amount > known else known  # a third faster than max()
    return amounts


def _charged(lines: Iterable[Line]) -> Amounts:
    """What lines are charged where nobody says what was used; a place among the calls under way is given back."""
    return {account: 0 if account[1] == LIVE else amount for account, amount in amounts_of(lines).items()}


def _totals(rows: Iterable[Sequence[Any]]) -> Amounts:
    """The same for rows of a fact."""
    amounts: Amounts = {}
    for row in rows:
        account = row[0], row[1]
        known, amount = amounts.get(account, 0), row[2]
        amounts[account] = amount if amount > known else known
    return amounts


def _add(total: Amounts, amounts: Amounts) -> None:
    for account, amount in amounts.items():
        total[account] = total.get(account, 0) + amount


def _hold_data(hold: Hold) -> dict[str, object]:
    kept = {name: getattr(hold, name) for name in Hold.__slots__ if name != "amounts"}
    return kept | {"lines": [list(line) for line in hold.lines], "data": hold.whose()}


def _hold(row: Mapping[str, Any]) -> Hold:
    lines = tuple(Line(*line) for line in row["lines"])
    return Hold(**{**row, "lines": lines, "amounts": amounts_of(lines)})
