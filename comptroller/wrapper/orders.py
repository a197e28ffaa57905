"""Orders on the path of a call: what people stopped is refused, and what they set by hand caps a run."""

from collections.abc import Sequence
from dataclasses import replace

from comptroller.core.errors import Denied
from comptroller.core.facts import Line, Shortfall
from comptroller.core.verdict import Cap, Verdict
from comptroller.metering.orders import account_of, found
from comptroller.wrapper.context import current
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.patience import key_of

_SMALLER = ("clamp", "downgrade")


def must_live(entry: Entry) -> None:
    """Refuse a call of what was stopped, as far as this process knows; whoever owns the ledger knows for certain.

    Only here are runs known that a run is part of.
    """
    if entry.desk.ledger.stops and (refused := found_stopped(entry)) is not None:
        raise refused


def found_stopped(entry: Entry) -> Denied | None:
    """The refusal of a call that was stopped, put on its record; None for one that was not."""
    who, run, here = entry.identity, entry.run, current()
    calls = (entry.id, who.parent, *(here.inside if here is not None else ()))
    stop = found(entry.desk.ledger.stops, calls, (run.id, run.trace), who.tenant, who.agent, who.key)
    return None if stop is None else stopped(entry, stop.shortfall)


def stopped(entry: Entry, short: Shortfall) -> Denied:
    """The refusal, put on record once."""
    rule = short.line.key
    if entry.rule != rule:
        entry.say("kill", Verdict("deny", rule, "", short.stopped))
    return Denied(short.stopped, {"rule": rule})


def set_by_hand(caps: Sequence[Cap], line: Line, now_ns: int) -> Cap | None:
    """The cap that a person set for a run. It is hard; where the policy's own makes calls smaller, so does it."""
    run = line.key.removeprefix("run:").removesuffix("|:")
    if line.key != account_of(run) or line.cap is None:
        return None
    own = next((cap for cap in caps if key_of(cap, now_ns, run) == (line.key, line.unit)), None)
    place = f"comptroller budgets set --run {run}"
    if own is not None:
        return replace(own, limit=line.cap, over=own.over if own.over in _SMALLER else "deny", place=place)
    return Cap("run", run, "", "UTC", line.unit, line.cap, "deny", place)
