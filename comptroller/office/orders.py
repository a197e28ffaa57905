"""Orders given to what is at work: stop it, let it go on, let a run spend so much. Each is a fact with a name to it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from comptroller.core.clock import Clock
from comptroller.core.errors import SettingsError
from comptroller.core.facts import CAP_SET, KILLED, REVIVED, Fact
from comptroller.core.money import decimal_text, is_money
from comptroller.core.verdict import Cap
from comptroller.metering.orders import ORDERED, SCOPES, Scope, Stop, mark_of
from comptroller.office.follower import Follower
from comptroller.policies.amounts import read_cap

SMALLER = ("clamp", "downgrade")  # what a cap set by hand keeps of the policy's own
COUNTED = ("USD", "calls")  # what every run counts, capped or not


class Journal(Protocol):
    """What giving orders needs of a ledger."""

    def sync(self, fact: Fact) -> None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """What an order is about."""

    scope: Scope
    who: str
    tenant: str

    @property
    def mark(self) -> str:
        return mark_of(self.scope, self.who, self.tenant)


@dataclass(frozen=True, slots=True)
class CapSet:
    """A cap that somebody set for a run."""

    run: str
    unit: str
    limit: int
    by: str
    because: str
    at: int

    @property
    def place(self) -> str:
        """Where it was set."""
        return f"comptroller budgets set --run {self.run}"

    @property
    def amount(self) -> str:
        """As people write it."""
        return f"{decimal_text(self.limit) if is_money(self.unit) else self.limit} {self.unit}"


class Standing:
    """The orders in force, who gave them and why: a fold of their facts."""

    def __init__(self) -> None:
        self.stops: dict[str, Stop] = {}
        self.caps: dict[tuple[str, str], CapSet] = {}

    def cap_on(self, cap: Cap) -> Cap:
        """A cap as it holds: one of a run gives way to what was set for the run by hand."""
        said = self.caps.get((cap.who, cap.unit)) if cap.per == "run" and cap.every in ("", "run") else None
        if said is None:
            return cap
        return replace(cap, limit=said.limit, over=cap.over if cap.over in SMALLER else "deny", place=said.place)

    def fold(self, facts: Iterable[Fact]) -> "Standing":
        """Take these in."""
        for fact in facts:
            said = {name: str(value) for name, value in fact.data.items()}
            if fact.kind == CAP_SET:
                cap = CapSet(fact.run, said["unit"], int(said["limit"]), said["by"], said["because"], fact.at)
                self.caps[cap.run, cap.unit] = cap
                continue
            stop = Stop(said["scope"], said["who"], said["tenant"], said["by"], said["because"], fact.at)
            stop = stop._replace(rule=said.get("rule", ""))
            if fact.kind == KILLED:
                self.stops.setdefault(stop.mark, stop)
            else:
                self.stops.pop(stop.mark, None)
        return self


def orders_of(ledger: Path) -> Follower:
    """The facts of orders, as they come."""
    return Follower(ledger, *sorted(ORDERED))


def kill(ledger: Journal, clock: Clock, target: Target, by: str, because: str) -> None:
    """Stop it: every further call is refused at once and streams under way end. Durable when this returns."""
    _tell(ledger, clock, KILLED, target, by, because)


def revive(ledger: Journal, clock: Clock, target: Target, by: str, because: str) -> None:
    """Let it go on."""
    _tell(ledger, clock, REVIVED, target, by, because)


def set_cap(
    ledger: Journal, clock: Clock, run: str, text: str, by: str, because: str, units: Iterable[str] = ()
) -> CapSet:
    """Let a run spend so much in all, from its next call on, in place of the caps it had in this unit.

    `units`: those its own caps are in, besides what every run counts.
    """
    try:
        unit, limit = read_cap(text)
    except ValueError as error:
        raise SettingsError(f"cap: {error}.") from None
    known = sorted({*COUNTED, *units})
    if unit not in known:
        raise SettingsError(f"Nothing of this run is counted in {unit}. Write the cap in {' or '.join(known)}.")
    data: dict[str, object] = {"unit": unit, "limit": limit, "by": by, "because": because}
    fact = Fact(CAP_SET, clock.new_id(), clock.now_ns(), run, data=data)
    ledger.sync(fact)
    return CapSet(run, unit, limit, by, because, fact.at)


def _tell(ledger: Journal, clock: Clock, kind: str, target: Target, by: str, because: str) -> None:
    assert target.scope in SCOPES, "the door has looked"
    if not target.who:
        raise SettingsError(f"Nobody says which {target.scope}. Name one.")
    run = target.who if target.scope == "run" else ""
    call = target.who if target.scope == "call" else ""
    data: dict[str, object] = {"scope": target.scope, "who": target.who, "tenant": target.tenant}
    ledger.sync(Fact(kind, clock.new_id(), clock.now_ns(), run, call, {**data, "by": by, "because": because}))
