"""OpenMeter: CloudEvents whose values sum to the outcomes that count."""

import json
from dataclasses import replace

from comptroller.core.money import Money
from comptroller.core.outcome import Outcome
from comptroller.office.exchange import openmeter

OUTCOME = Outcome("o1", "default", "acme", "loan.decided", "s", "verified", "c", "r", "w", (), 5,
                  verified_at=1_767_225_600 * 10**9, fee=Money(990_000_000, "USD"), degree=500_000_000)  # fmt: skip


def test_a_verified_outcome_is_an_event_with_all_that_the_standard_requires() -> None:
    (event,) = openmeter.events([OUTCOME], "l1")
    assert {"specversion", "id", "source", "type"} <= set(event)
    assert (event["specversion"], event["subject"], event["time"]) == ("1.0", "acme", "2026-01-01T00:00:00Z")
    data = event["data"]
    assert isinstance(data, dict)
    assert (data["fee"], data["degree"]) == ("0.99", "0.5")


def test_what_was_reversed_is_taken_back_under_an_id_of_its_own() -> None:
    found = [OUTCOME, replace(OUTCOME, key="o2", state="reversed"), replace(OUTCOME, key="o3", verified_at=0)]
    events = json.loads(openmeter.batch(found, "l1"))
    assert [event["data"]["value"] for event in events] == [1, 1, -1]
    assert len({event["id"] for event in events}) == 3
    assert sum(float(event["data"]["fee"]) for event in events) == 0.99
