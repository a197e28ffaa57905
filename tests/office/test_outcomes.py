"""The registry: what is on record, what a restart makes of it, and what happens when two say the same."""

import logging
from collections.abc import Iterator

import pytest

from comptroller.core.errors import StoreError
from comptroller.core.facts import OUTCOME
from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.office.outcomes import event_of, fact_of
from tests.office.bench import Office, office


@pytest.fixture
def here() -> Iterator[Office]:
    with office() as found:
        yield found


def test_an_outcome_is_the_same_after_a_restart_from_nothing_but_the_journal(here: Office) -> None:
    key = here.claim()
    here.wait(1)
    here.say("confirm", key, attestor="acme")
    here.say("confirm", key, attestor="acme")
    assert here.again().registry.outcomes == here.registry.outcomes
    assert here.again().history(key) == here.history(key) == ["claim", "verify_pass", "confirm", "confirm!"]


def test_an_event_is_on_record_durably_with_what_it_made(here: Office) -> None:
    key = here.claim()
    here.wait(1)
    here.say("confirm", key, attestor="acme")
    told = here.desk.ledger.of(OUTCOME)
    assert [fact.data["state"] for fact in told] == ["claimed", "pending", "verified"]
    assert told[0].id == f"{key}:claim"
    # What follows from facts that are durable need not be at once; what somebody said must.
    assert [fact for fact in here.desk.ledger.synced if fact.kind == OUTCOME] == told[2:]


def test_what_cannot_be_put_on_record_did_not_happen(here: Office) -> None:
    key = here.claim()
    here.wait(1)
    here.desk.ledger.broken = StoreError("The disk is full.")
    with pytest.raises(StoreError):
        here.say("confirm", key, attestor="acme")
    here.desk.ledger.broken = None
    assert here[key].state == "pending"


def test_the_same_event_twice_is_one(here: Office) -> None:
    key = here.claim()
    here.wait(1)
    for _ in range(2):
        here.say("confirm", key, attestor="acme", id="e")
    assert here.history(key) == ["claim", "verify_pass", "confirm"]


def test_the_same_event_with_other_content_raises_an_alarm_and_the_first_stands(
    here: Office, caplog: pytest.LogCaptureFixture
) -> None:
    key = here.claim()
    here.wait(1)
    here.say("confirm", key, attestor="acme", id="e")
    with caplog.at_level(logging.WARNING, "comptroller.outcomes"):
        for _ in range(2):
            here.say("reject", key, id="e")
    assert here[key].state == "verified"
    assert here.history(key) == ["claim", "verify_pass", "confirm", "reject!"]
    assert "the first stands" in caplog.text


def test_an_event_from_the_future_is_on_record_and_changes_nothing(here: Office) -> None:
    key = here.claim()
    here.wait(1)
    here.say("confirm", key, attestor="acme", at=here.clock.now_ns() + 10**12)
    assert here[key].state == "pending"
    assert here.registry.events(key)[-1].ignored.startswith("it says it happened in the future")


def test_two_registries_of_one_ledger_agree_on_who_was_first(here: Office) -> None:
    key = here.claim()
    here.wait(1)
    other = here.again()
    here.say("confirm", key, attestor="acme")
    other.say("reject", key)
    here.registry.catch_up()
    assert other[key] == here[key]
    assert here.history(key) == other.history(key) == ["claim", "verify_pass", "confirm", "reject!"]


def test_listeners_hear_of_what_counted_in_the_order_it_came(here: Office) -> None:
    heard: list[tuple[str, str]] = []

    def hear(before: Outcome | None, after: Outcome, event: OutcomeEvent) -> None:
        heard.append((before.state if before else "", after.state))

    here.registry.listeners.append(hear)
    key = here.claim()
    here.wait(1)
    here.say("window_end", key)
    here.say("confirm", key, attestor="acme")
    assert heard == [("", "claimed"), ("claimed", "pending"), ("pending", "verified")]


def test_an_event_goes_into_a_fact_and_comes_out_of_it_whole() -> None:
    event = OutcomeEvent("e", "k", "confirm", 7, "a", "b", "human", ("d",), {"x": [1]})
    assert event_of(fact_of(event, 9, None, "")) == event


def test_a_price_that_cannot_be_told_verifies_nothing_and_says_why() -> None:
    class Odd:
        def terms(self, tenant: str, customer: str, type: object, at: int) -> object:
            return "c", type.terms  # type: ignore[attr-defined]

        def quote(self, outcome: object, at: int, before: object) -> object:
            raise ValueError("The fee is a share of a value nobody declared.")

    with office(agreed=Odd()) as here:
        key = here.claim()
        here.wait(1)
        here.say("confirm", key, attestor="acme")
        assert here[key].state == "pending"
        assert "a value nobody declared" in here.registry.events(key)[-1].ignored
