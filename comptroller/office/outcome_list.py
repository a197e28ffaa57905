"""An outcome as rows and JSON show it, the same on the command line and over HTTP."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from comptroller.core.money import decimal_text
from comptroller.core.outcome import Outcome
from comptroller.metering.attribution import split
from comptroller.office.outcomes import Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = ("type", "subject", "customer", "workflow", "run", "state", "because", "contract", "price", "attestor")


def moment(at: int) -> str | None:
    """A time as ISO 8601, where there is one."""
    return None if not at else (_EPOCH + timedelta(microseconds=at // 1_000)).isoformat().replace("+00:00", "Z")


def described(outcome: Outcome) -> dict[str, object]:
    """All that is told of an outcome in a list."""
    fee = outcome.fee
    return {
        "outcome": outcome.key,
        **{name: getattr(outcome, name) for name in _PLAIN},
        "degree": decimal_text(outcome.degree, 0),
        "method": outcome.method,
        "fee": decimal_text(fee.nanos) if fee else None,
        "currency": fee.currency if fee else None,
        "reversed": decimal_text(outcome.reversed_nanos),
        "value": str(outcome.value) if outcome.value else None,
        "invoice": outcome.invoice or None,
        "duplicate_of": outcome.duplicate_of or None,
        "agents": list(outcome.agents),
        "attempts": outcome.attempts,
        "ignored": outcome.ignored,
        "claimed": moment(outcome.claimed_at),
        "verified": moment(outcome.verified_at),
        "billed": moment(outcome.billed_at),
        "due": moment(outcome.due_at),
    }


def told(outcome: Outcome, entries: Iterable[Entry]) -> dict[str, object]:
    """An outcome with its whole history, who earned what, and the digests of what shows it."""
    parts = split(outcome.fee.nanos, outcome.weights) if outcome.fee else {}
    return {
        **described(outcome),
        "evidence": list(outcome.evidence),
        "shares": {agent: decimal_text(nanos) for agent, nanos in parts.items()},
        "events": [_event(entry) for entry in entries],
    }


def _event(entry: Entry) -> Mapping[str, object]:
    event = entry.event
    return {
        "event": event.id,
        "type": event.type,
        "at": moment(event.at),
        "recorded": moment(entry.recorded_at),
        "actor": event.actor,
        "attestor": event.attestor,
        "method": event.method,
        "evidence": list(event.evidence),
        "because": str(event.data.get("because", "")),
        "ignored": entry.ignored or None,
    }
