"""What holds for all calls of an identity in a run, and when it is worked out anew."""

from dataclasses import replace
from typing import Any

import pytest

from comptroller.core.call import Identity
from comptroller.core.clock import FrozenClock
from comptroller.core.facts import Line
from comptroller.core.settings import Settings
from comptroller.core.verdict import Cap
from comptroller.policies.book import empty_book
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.standing import Standing, standing_of

DAY = Cap("agent", "worker", "day", "UTC", "USD", 5, "deny", "p.yaml:1")
CALLS = Cap("run", "r1", "", "UTC", "calls", 9, "deny", "p.yaml:2")
OWN = "run:r1|:"
WHO = Identity(agent="worker", run="r1")


class Desk:
    """As much of a desk as a standing looks at."""

    def __init__(self, *caps: Cap) -> None:
        self.book, self.settings, self.found = empty_book(), Settings(), caps

    def caps(self, identity: Identity, tool: str = "") -> tuple[Cap, ...]:
        return self.found


def state(*caps: Cap) -> RunState:
    return RunState("r1", "r1", Boundary(), caps=caps)


def standing(*caps: Cap) -> Standing:
    desk: Any = Desk(*caps)
    return standing_of(desk, WHO, state())


def test_a_call_draws_on_each_cap_and_on_the_runs_own_counters() -> None:
    now = FrozenClock().now_ns()
    lines = standing(DAY).lines({"USD": 3, "calls": 1}, False, now)
    assert lines == [
        Line("agent:worker|day:2026-01-01T00:00+00:00", "USD", 3, 5),
        Line(OWN, "USD", 3),
        Line(OWN, "calls", 1),
    ]


def test_when_a_window_ends_the_next_calls_draw_on_the_next_one() -> None:
    clock, known = FrozenClock(), standing(DAY)
    before = known.lines({"USD": 3}, False, clock.now_ns())[0].key
    clock.tick(86_400)
    after = known.lines({"USD": 3}, False, clock.now_ns())[0].key
    clock.tick(-86_400)
    assert [before[-22:-12], after[-22:-12]] == ["2026-01-01", "2026-01-02"]
    assert known.lines({"USD": 3}, False, clock.now_ns())[0].key == before


def test_a_retry_is_no_further_logical_call_but_another_attempt() -> None:
    attempts = replace(CALLS, count="attempt")
    lines = standing(CALLS, attempts).lines({"calls": 1}, True, FrozenClock().now_ns())
    assert {(line.key, line.amount) for line in lines if line.unit == "calls"} == {
        (OWN, 0),
        ("run.attempts:r1|:", 1),
    }


def test_a_call_that_costs_nothing_draws_on_no_cap_in_money() -> None:
    lines = standing(DAY, replace(DAY, per="run", who="r1", every="")).lines({"USD": 0}, False, FrozenClock().now_ns())
    assert [line.cap for line in lines if line.unit == "USD"] == [None]


@pytest.mark.parametrize("change", ["policies", "the run's budget", "the identity"])
def test_what_has_changed_is_worked_out_anew(change: str) -> None:
    desk: Any = Desk(DAY)
    run, who = state(), WHO
    before = standing_of(desk, who, run)
    assert standing_of(desk, who, run) is before
    if change == "policies":
        desk.book = empty_book()
    elif change == "the identity":
        who = replace(WHO)
    else:
        run.caps = (CALLS,)
    after = standing_of(desk, who, run)
    assert after is not before
    assert after.caps == (DAY, *run.caps)
