"""The life of an outcome: what each event makes of it, as a pure fold.

An event that may not happen now, was told before, or comes from who must not say it changes nothing but a counter: it
is on record as ignored, with its reason, and never an error that loses it.
"""

from dataclasses import fields
from operator import attrgetter
from typing import cast

from comptroller.core.outcome import LIVE, WHOLE, Outcome, OutcomeEvent
from comptroller.metering.outcome_steps import (
    ATTESTS,
    RULES,
    Change,
    Ignored,
    Lookup,
    declared,
    due,
    money_of,
    must_be_another,
    quoted,
)
from comptroller.metering.outcome_types import OutcomeType, read_terms

__all__ = ["ATTESTS", "Ignored", "Lookup", "changed", "credits", "due", "fold", "is_live", "step"]
_LIVE = frozenset(LIVE)


def fold(
    known: Outcome | None, event: OutcomeEvent, type: OutcomeType | None, existing: Lookup
) -> tuple[Outcome | None, bool]:
    """What becomes of an outcome by an event, and whether the event counted. `known` is None before the claim."""
    outcome, why = step(known, event, type, existing)
    return outcome, not why


def step(
    known: Outcome | None, event: OutcomeEvent, type: OutcomeType | None, existing: Lookup
) -> tuple[Outcome | None, str]:
    """The same, with the reason why the event was ignored; empty where it counted."""
    try:
        if refused := event.data.get("refused"):
            raise Ignored(str(refused))
        if known is None:
            return _claimed(event, type, existing), ""
        rule = RULES.get(event.type)
        if event.type == "claim":
            raise Ignored("it was claimed before")
        if rule is None:
            raise Ignored(f"there is no event {event.type!r}")
        if event.type in ATTESTS:
            must_be_another(known, event)
        return changed(known, rule(known, event, existing)), ""
    except Ignored as ignored:
        return known and changed(known, {"ignored": known.ignored + 1}), str(ignored)


# A frozen dataclass of 40 fields takes 7 us to `replace`; through its descriptors 3.
_NAMES = tuple(field.name for field in fields(Outcome))
_values = attrgetter(*_NAMES)
_setters = tuple(Outcome.__dict__[name].__set__ for name in _NAMES)
_setter = dict(zip(_NAMES, _setters, strict=True))


def changed(outcome: Outcome, change: Change) -> Outcome:
    """The outcome with some of its fields changed."""
    made = object.__new__(Outcome)
    for put, value in zip(_setters, _values(outcome), strict=True):
        put(made, value)
    for name, value in change.items():
        _setter[name](made, value)
    return made


def _claimed(event: OutcomeEvent, type: OutcomeType | None, existing: Lookup) -> Outcome:
    if event.type != "claim":
        raise Ignored("there is no such outcome")
    data = event.data
    terms = read_terms(data["terms"]) if "terms" in data else type.terms if type is not None else None
    if terms is None:
        raise Ignored(f"there is no outcome type {data.get('type')!r}")
    identity = str(data.get("identity") or event.outcome)
    live = existing.live(identity)
    frozen = quoted(data) if terms.freeze == "claimed" else {}
    return Outcome(
        key=event.outcome,
        tenant=str(data.get("tenant", "")),
        customer=str(data.get("customer", "")),
        type=str(data.get("type", "")),
        subject=str(data.get("subject", "")),
        state="duplicate" if live else "claimed",
        claim=event.outcome,
        run=str(data.get("run", "")),
        workflow=str(data.get("workflow", "")),
        agents=tuple(cast(list[str], data.get("agents", ()))),
        claimed_at=event.at,
        window=int(cast(int, data.get("window", 0))),
        degree=int(cast(int, data.get("degree", WHOLE))),
        value=money_of(data.get("value")),
        contract=str(data.get("contract", "")),
        evidence=event.evidence,
        due_at=0 if live else event.at + terms.deadline_ns,
        duplicate_of=live,
        because=f"{live} is claimed already" if live else "",
        weights=declared(data),
        identity=identity,
        claimant=str(data.get("key", "")),
        terms=terms,
        **frozen,
    )


def credits(outcome: Outcome, type: OutcomeType) -> dict[str, int]:
    """What the customer gets back of the fee because it took too long: nanos by service level."""
    if not outcome.verified_at or not outcome.fee:
        return {}
    took, fee = outcome.verified_at - outcome.claimed_at, outcome.fee.nanos
    return {sla.id: fee * sla.credit // WHOLE for sla in type.document.sla if took > sla.within}


def is_live(outcome: Outcome) -> bool:
    """True for one that keeps others of its identity from being claimed."""
    return outcome.state in _LIVE
