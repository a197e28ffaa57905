"""Random histories never break what must hold of outcomes; and where the machine is broken on purpose, they find it."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample

from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.metering import outcome_steps, outcomes
from tests.metering.histories import histories, play


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(histories())
def test_no_history_breaks_what_must_hold(events: list[OutcomeEvent]) -> None:
    play(events)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(histories())
def test_any_prefix_told_twice_changes_nothing(events: list[OutcomeEvent]) -> None:
    once = play(events)
    for cut in (len(events) // 2, len(events)):
        assert play([*events[:cut], *events[:cut], *events[cut:]]).outcomes == once.outcomes


class Blind:
    """Sees no other outcome."""

    def live(self, identity: str) -> str:
        return ""

    def verified(self, *_: object) -> int:
        return 0


def no_key_check(patch: pytest.MonkeyPatch) -> None:
    real = outcomes._claimed
    patch.setattr(outcomes, "_claimed", lambda event, type, existing: real(event, type, Blind()))


def no_state_guard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcome_steps, "_must_be", lambda known, states: None)


def price_taken_at_billing(patch: pytest.MonkeyPatch) -> None:
    real = outcome_steps.RULES["invoice"]

    def invoiced(known: Outcome, event: OutcomeEvent, existing: Any) -> dict[str, Any]:
        return real(known, event, existing) | {"price": event.data.get("price", "")}

    patch.setitem(outcome_steps.RULES, "invoice", invoiced)


def fee_taken_again_at_billing(patch: pytest.MonkeyPatch) -> None:
    real = outcome_steps.RULES["invoice"]

    def invoiced(known: Outcome, event: OutcomeEvent, existing: Any) -> dict[str, Any]:
        return real(known, event, existing) | {"fee": outcome_steps.money_of([1, "USD"])}

    patch.setitem(outcome_steps.RULES, "invoice", invoiced)


def no_deadline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcome_steps, "_in_time", lambda known, event: None)


def performers_attest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outcomes, "must_be_another", lambda known, event: None)


def reversed_without_its_money(patch: pytest.MonkeyPatch) -> None:
    real = outcome_steps._reversed

    def forgetful(known: Outcome, event: OutcomeEvent, because: str) -> dict[str, Any]:
        change = real(known, event, because)
        return {name: value for name, value in change.items() if name != "reversed_nanos"}

    patch.setattr(outcome_steps, "_reversed", forgetful)


def ignored_but_applied(patch: pytest.MonkeyPatch) -> None:
    real = outcomes.step

    def step(known: Outcome | None, event: OutcomeEvent, type: Any, existing: Any) -> tuple[Outcome | None, str]:
        made, why = real(known, event, type, existing)
        return (replace(made, attempts=made.attempts + 1) if why and made else made), why

    patch.setattr(outcomes, "step", step)


MUTANTS = (
    no_key_check,
    no_state_guard,
    price_taken_at_billing,
    fee_taken_again_at_billing,
    no_deadline,
    performers_attest,
    reversed_without_its_money,
    ignored_but_applied,
)


def breaks(events: list[OutcomeEvent]) -> bool:
    try:
        play(events, lambda *given: outcomes.step(*given))
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_every_mutation_of_the_machine_is_found(
    mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    within = settings(
        max_examples=3_000,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # that one is found is enough: nobody needs the smallest
    )
    try:
        found = find(histories(), breaks, settings=within, random=Random(1))
    except NoSuchExample:
        pytest.fail(f"no history noticed {mutate.__name__}")
    monkeypatch.undo()
    assert not breaks(found), "the history breaks the machine as it is, too"
