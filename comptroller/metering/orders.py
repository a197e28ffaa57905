"""Orders: what people say to what is at work. Stop this call, run, agent, key or tenant; let this run spend so much.

A fold of facts, kept beside the purse: whoever admits calls goes by it from the next call on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from comptroller.core.facts import CALL_OPENED, CAP_SET, KILLED, REVIVED, Fact, Line, Shortfall

Scope = Literal["call", "run", "agent", "key", "tenant"]
SCOPES: tuple[Scope, ...] = ("call", "run", "agent", "key", "tenant")
CALLS = 1_024  # stopped calls that are remembered: each ends soon, and nobody tells when
ORDERED = frozenset((CAP_SET, KILLED, REVIVED))
Account = tuple[str, str]  # key and unit of a counter


class Stop(NamedTuple):  # it travels between processes, and is its own row of a snapshot
    """Somebody stopped something. An agent's name is its tenant's own; runs, keys and tenants are the only ones."""

    scope: str
    who: str
    tenant: str
    by: str
    because: str
    at: int
    rule: str = ""  # of a policy that stopped it

    @property
    def mark(self) -> str:
        """The same for two stops of the same thing."""
        return mark_of(self.scope, self.who, self.tenant)

    @property
    def said(self) -> str:
        """What its caller is told."""
        why = f": {self.because.rstrip('.')}" if self.because else ""
        remedy = f"`comptroller kill --{self.scope} {self.who} --revive` lets it go on."
        remedy = "Its run goes on without it." if self.scope == "call" else remedy
        return f"The {self.scope} {self.who!r} was stopped by {self.by or 'somebody'}{why}. {remedy}"

    @property
    def shortfall(self) -> Shortfall:
        """The answer to whoever wants to reserve for it."""
        return Shortfall(Line(self.rule or f"kill.{self.scope}", "", 0), 0, 0, stopped=self.said)


class Orders:
    """The orders in force."""

    __slots__ = ("caps", "stops")

    def __init__(self) -> None:
        self.caps: dict[Account, int] = {}
        self.stops: dict[str, Stop] = {}  # by mark

    def __bool__(self) -> bool:
        return bool(self.caps or self.stops)

    def apply(self, fact: Fact) -> None:
        """Fold one order; told again it changes nothing."""
        said = cast(Mapping[str, Any], fact.data)
        if fact.kind == CAP_SET:
            self.caps[account_of(fact.run), str(said["unit"])] = int(said["limit"])
            return
        names = (str(said.get(name, "")) for name in ("scope", "who", "tenant", "by", "because"))
        stop = Stop(*names, fact.at, str(said.get("rule", "")))  # type: ignore[call-arg, arg-type]
        if fact.kind == KILLED:
            self.stops.setdefault(stop.mark, stop)
            if stop.scope == "call":
                self._forget_ended()
        else:
            self.stops.pop(stop.mark, None)

    def _forget_ended(self) -> None:
        calls = [mark for mark, stop in self.stops.items() if stop.scope == "call"]
        if len(calls) > CALLS:
            del self.stops[calls[0]]

    def stopping(self, opened: Fact) -> Stop | None:
        """What stops this call, which asks to begin."""
        if not self.stops or opened.kind != CALL_OPENED:
            return None
        said = opened.data
        names = (str(said.get(name, "")) for name in ("tenant", "agent", "key"))
        return found(self.stops, (opened.call, str(said.get("parent", ""))), (opened.run,), *names)

    def capped(self, lines: Sequence[Line]) -> Sequence[Line]:
        """The lines of a call under the caps set by hand, which stand in place of all others of that counter."""
        caps = self.caps
        return [line._replace(cap=caps.get((line.key, line.unit), line.cap)) for line in lines]

    def snapshot(self) -> dict[str, object]:
        """As JSON values; `restore` gives the same."""
        return {"caps": [[*account, limit] for account, limit in self.caps.items()],
                "stops": [list(stop) for stop in self.stops.values()]}  # fmt: skip

    @classmethod
    def restore(cls, data: Mapping[str, Any]) -> "Orders":
        """The orders that `snapshot` described."""
        orders = cls()
        orders.caps = {(key, unit): limit for key, unit, limit in data.get("caps", ())}
        orders.stops = {stop.mark: stop for stop in (Stop(*row) for row in data.get("stops", ()))}
        return orders


def found(
    stops: Mapping[str, Stop], calls: Sequence[str], runs: Sequence[str], tenant: str, agent: str, key: str
) -> Stop | None:
    """What of these is stopped. `calls`: itself, and the one it is part of."""
    marks = _marks(calls, runs, tenant, agent, key)
    return next((stop for mark in marks if (stop := stops.get(mark)) is not None), None)


def mark_of(scope: str, who: str, tenant: str) -> str:
    """What a stop is known by."""
    return f"agent:{tenant}/{who}" if scope == "agent" else f"{scope}:{who}"


def account_of(run: str) -> str:
    """The counter of all that a run spends."""
    return f"run:{run}|:"


def _marks(calls: Sequence[str], runs: Sequence[str], tenant: str, agent: str, key: str) -> Iterator[str]:
    yield from (f"call:{call}" for call in calls if call)
    yield from (f"run:{run}" for run in runs if run)
    yield f"tenant:{tenant}"
    if agent:
        yield mark_of("agent", agent, tenant)
    if key:
        yield f"key:{key}"
