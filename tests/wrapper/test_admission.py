"""What a refusal for want of room says."""

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Line, Shortfall
from comptroller.core.verdict import Cap
from comptroller.wrapper.admission import short_reason

NOW = FrozenClock().now_ns()


@pytest.mark.parametrize(
    ("unit", "every", "said"),
    [
        ("calls", "day", "cap of 1 call today (spent 1 call, held 0 calls; this call may take 1 call). Raise it"),
        ("tokens", "hour", "cap of 1 token this hour (spent 1 token, held 0 tokens; this call may take 1 token)."),
        ("USD", "month", "(spent 0.000000001 USD, held 0.00 USD; this call may take 0.000000001 USD). Raise it in p:3"),
        ("calls", "", "cap of 1 call (spent"),
    ],
)
def test_a_refusal_for_want_of_room_reads_as_people_speak(unit: str, every: str, said: str) -> None:
    cap = Cap("customer", "acme", every, "UTC", unit, 1, "deny", "p:3")
    told = short_reason(cap, Shortfall(Line("k", unit, 1, 1), 1, 0), NOW)
    assert said in told
    assert told.startswith("customer 'acme' would pass its cap of")
