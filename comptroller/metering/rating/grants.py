"""Credit grants: which burns first, what is left of each, and what became of the rest."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Literal

from comptroller.metering.rating.line import ZERO
from comptroller.metering.rating.recurrence import Every, recurrences

FOREVER = 1 << 63
Happened = Literal["granted", "refilled", "burned", "expired", "voided", "lapsed"]


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit that may be used from one instant to before another (ns since 1970)."""

    id: str
    amount: Fraction
    priority: int = 0  # the lowest burns first
    effective: int = 0
    expires: int | None = None
    voided: int | None = None
    created: int = 0
    every: Every | None = None  # refilled to its amount, counted from when it takes effect
    zone: str = "UTC"
    max_rollover: Fraction | None = None  # of what is left at a reset, at most so much stays; None: all
    min_rollover: Fraction = ZERO
    paid: Fraction = ZERO  # for its amount: its cost basis

    @property
    def ends(self) -> int:
        return min(FOREVER if end is None else end for end in (self.expires, self.voided))


@dataclass(frozen=True, slots=True)
class Move:
    """What happened to a grant: units, and their share of what was paid for it."""

    at: int
    grant: str
    happened: Happened
    amount: Fraction
    cost: Fraction


@dataclass(frozen=True, slots=True)
class Balances:
    """How grants stand at an instant."""

    left: dict[str, Fraction]
    overage: Fraction  # usage that no grant covers
    moves: tuple[Move, ...]


def in_order(grants: Iterable[Grant], resolution: int = 1) -> list[Grant]:
    """The order in which grants burn: by priority, the soonest to expire, the first created, then by id.

    `resolution` is the time, in ns, within which two expiries count as one.
    """
    return sorted(grants, key=lambda grant: (grant.priority, *_expiry(grant, resolution), grant.created, grant.id))


def _expiry(grant: Grant, resolution: int) -> tuple[bool, int]:
    return grant.expires is None, (grant.expires or 0) // resolution


def burn(
    grants: Iterable[Grant],
    usage: Iterable[tuple[int, Fraction]],
    until: int,
    resets: Sequence[int] = (),
    keep_overage: bool = False,
    overage_waits: bool = True,
) -> Balances:
    """Burn usage from grants up to and with an instant.

    At a reset each grant keeps its roll-over, and overage is forgotten (billed elsewhere) unless `keep_overage`
    takes it from what rolled over. Between resets overage waits for the next credit, unless it is billed at once.
    """
    pot = _Pot(in_order(grants), overage_waits)
    for at, _, act in sorted(_plan(pot, list(usage), resets, until, keep_overage), key=lambda step: step[:2]):
        act(at)
    return Balances({grant.id: pot.left.get(grant.id, ZERO) for grant in pot.grants}, pot.overage, tuple(pot.moves))


Step = tuple[int, int, Callable[[int], None]]
_ENDS, _STARTS, _RESETS, _BURNS = range(4)  # what comes first where instants are the same


def _plan(
    pot: "_Pot", usage: list[tuple[int, Fraction]], resets: Sequence[int], until: int, keep_overage: bool
) -> Iterator[Step]:
    """Everything that happens up to the instant, in no order."""
    for grant in pot.grants:
        if grant.effective <= until and grant.effective < grant.ends:
            yield from _life(pot, grant, until)
    for at in resets:
        if at <= until:
            yield at, _RESETS, partial(pot.reset, keep_overage)
    for at, amount in usage:
        if at <= until:
            yield at, _BURNS, partial(pot.use, amount)


def _life(pot: "_Pot", grant: Grant, until: int) -> Iterator[Step]:
    yield grant.effective, _STARTS, partial(pot.fill, grant, "granted")
    if grant.every is not None:
        for at in recurrences(grant.every, grant.effective, grant.zone, min(until, grant.ends - 1)):
            yield at, _STARTS, partial(pot.fill, grant, "refilled")
    if grant.ends <= until:
        yield grant.ends, _ENDS, partial(pot.end, grant)


class _Pot:
    """What is left of every grant while time goes on."""

    def __init__(self, grants: list[Grant], overage_waits: bool) -> None:
        self.grants = grants
        self.left: dict[str, Fraction] = {}
        self.overage = ZERO
        self.moves: list[Move] = []
        self._overage_waits = overage_waits

    def fill(self, grant: Grant, happened: Happened, at: int) -> None:
        more = grant.amount - self.left.get(grant.id, ZERO)
        self.left[grant.id] = grant.amount
        self._move(at, grant, happened, more)
        if self._overage_waits:
            self._pay(at)

    def end(self, grant: Grant, at: int) -> None:
        rest = self.left.pop(grant.id, ZERO)
        self._move(at, grant, "voided" if grant.voided == at else "expired", rest)

    def reset(self, keep_overage: bool, at: int) -> None:
        for grant in self.grants:
            if grant.id not in self.left:
                continue
            before = self.left[grant.id]
            kept = max(before, grant.min_rollover)
            kept = kept if grant.max_rollover is None else min(kept, grant.max_rollover)
            self.left[grant.id] = kept
            if kept != before:
                self._move(at, grant, "lapsed" if kept < before else "refilled", abs(before - kept))
        if keep_overage:
            self._pay(at)
        else:
            self.overage = ZERO

    def use(self, amount: Fraction, at: int) -> None:
        self.overage += self._burn(at, amount)

    def _pay(self, at: int) -> None:
        self.overage = self._burn(at, self.overage)

    def _burn(self, at: int, amount: Fraction) -> Fraction:
        """Burn from the grants in order; what they do not cover comes back."""
        for grant in self.grants:
            part = min(amount, self.left.get(grant.id, ZERO))
            if part > 0:
                self.left[grant.id] -= part
                self._move(at, grant, "burned", part)
                amount -= part
        return amount

    def _move(self, at: int, grant: Grant, happened: Happened, amount: Fraction) -> None:
        if amount:
            cost = Fraction(grant.paid * amount, grant.amount)
            self.moves.append(Move(at, grant.id, happened, amount, cost))
