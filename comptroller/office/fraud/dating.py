"""Dates that were moved back: events told long after they are said to have happened, and prices that begin before
they were agreed on.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from comptroller.core.outcome import Outcome
from comptroller.office.fraud.history import DAY, Bounds, Entry, Finding, History, keys

# What people and other systems say; our own clocks may come late after a rest, and are never wrong about when.
_SAID = frozenset(
    ("evidence", "verify_pass", "verify_fail", "confirm", "human", "third_party", "judge", "reject", "takeover",
     "reopen", "dispute")
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def back_dating(history: History, bounds: Bounds) -> Iterator[Finding]:
    """An event told late whose date makes a difference, or a price that holds for what was verified before it.

    Example: a confirmation told in March and dated in February, when February's deadline was past.
    """
    for one in sorted(history.outcomes, key=lambda one: one.key):
        for entry in history.entries.get(one.key, ()):
            if finding := _moved(one, entry, bounds):
                yield finding
    yield from _prices(history, bounds)


def _moved(one: Outcome, entry: Entry, bounds: Bounds) -> Finding | None:
    event, lag = entry.event, entry.recorded_at - entry.event.at
    if event.type not in _SAID:
        return None
    if event.at < one.claimed_at:
        why = "before the claim it is about"
    elif lag <= bounds.lag:
        return None
    elif deadline := _deadline_between(one, event.at, entry.recorded_at):
        why = f"before the deadline on {deadline}"
    elif _month(event.at) != _month(entry.recorded_at):
        why = f"into {_month(event.at)}"
    else:
        return None
    told = f"{event.type} of {one.subject} was told on {_day(entry.recorded_at)} and dated {_day(event.at)}, {why}"
    return Finding("back_dating", one.tenant, one.customer, one.type, event.actor or event.attestor,
                   f"{told}. Ask who told it for what happened.", (one.key,),
                   {"event": event.id, "lag_days": lag // DAY})  # fmt: skip


def _deadline_between(one: Outcome, at: int, recorded_at: int) -> str:
    """The deadline of its verdict, where the date is before it and the telling after."""
    if one.terms is None:
        return ""
    due = one.claimed_at + one.terms.deadline_ns
    return _day(due) if at <= due < recorded_at else ""


def _prices(history: History, bounds: Bounds) -> Iterator[Finding]:
    """Versions of a contract that begin before they were on record, over outcomes verified in between.

    A customer's first contract is none: before it there was nothing to change.
    """
    first: dict[tuple[str, str], int] = {}
    for known in history.contracts:
        who = (known.tenant, known.customer)
        first[who] = min(first.get(who, known.loaded_at), known.loaded_at)
    for known in sorted(history.contracts, key=lambda one: (one.tenant, one.customer, one.loaded_at, one.version)):
        late = known.loaded_at - known.starts
        if known.loaded_at == first[known.tenant, known.customer] or late <= bounds.lag:
            continue
        touched = [
            one for one in history.outcomes
            if (one.tenant, one.customer) == (known.tenant, known.customer)
            and known.starts <= one.verified_at < known.loaded_at
        ]  # fmt: skip
        if touched:
            yield Finding("back_dating", known.tenant, known.customer, "", known.contract,
                          f"A version of contract {known.contract} was put on record on {_day(known.loaded_at)} and "
                          f"holds from {_day(known.starts)}: {len(touched)} outcomes were verified in between. "
                          "Agree on it with the customer, or let it begin later.",
                          keys(touched), {"version": known.version, "lag_days": late // DAY})  # fmt: skip


def _day(at: int) -> str:
    return (_EPOCH + timedelta(microseconds=at // 1_000)).date().isoformat()


def _month(at: int) -> str:
    return _day(at)[:7]
