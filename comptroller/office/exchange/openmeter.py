"""OpenMeter: outcomes as CloudEvents 1.0, one for each that was verified and one that takes back what was reversed."""

import json
from collections.abc import Iterable, Iterator

from comptroller.core.money import decimal_text
from comptroller.core.outcome import WHOLE, Outcome
from comptroller.office.exchange.sheet import moment

VERIFIED, REVERSED = "comptroller.outcome.verified", "comptroller.outcome.reversed"
_GONE = ("reversed", "clawed_back")


def events(found: Iterable[Outcome], ledger: str) -> Iterator[dict[str, object]]:
    """Events whose ids stay the same however often they are sent: a meter that sums `value` counts each once."""
    for outcome in found:
        if outcome.verified_at:
            yield _event(outcome, ledger, VERIFIED, outcome.verified_at, 1)
            if outcome.state in _GONE:
                # It is taken back where it was counted, so that a period sums to what was earned in it.
                yield _event(outcome, ledger, REVERSED, outcome.verified_at, -1)


def batch(found: Iterable[Outcome], ledger: str) -> bytes:
    """A batch, as `application/cloudevents-batch+json` has it."""
    return json.dumps(list(events(found, ledger)), indent=1).encode() + b"\n"


def _event(outcome: Outcome, ledger: str, kind: str, at: int, value: int) -> dict[str, object]:
    fee = outcome.fee
    data: dict[str, object] = {
        "value": value,
        "outcome_type": outcome.type,
        "outcome": outcome.key,
        "degree": decimal_text(outcome.degree * (10**9 // WHOLE), 0),
        "method": outcome.method,
        "workflow": outcome.workflow,
        "run": outcome.run,
    }
    if fee is not None:
        data |= {"fee": decimal_text(fee.nanos * value), "currency": fee.currency}
    return {
        "specversion": "1.0",
        "id": f"{outcome.key}:{kind.rpartition('.')[2]}",
        "source": f"comptroller/{ledger}",
        "type": kind,
        "subject": outcome.customer,
        "time": moment(at),
        "datacontenttype": "application/json",
        "data": data,
    }
