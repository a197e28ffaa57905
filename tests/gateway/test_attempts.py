"""Which upstream is tried, how often, and after how long."""

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.settings import Gateway, Provider
from comptroller.gateway.attempts import Attempts, retry_after_s
from comptroller.gateway.breaker import Breaker
from comptroller.gateway.stop import Stop
from comptroller.gateway.upstream import ConnectError, ReadTimeout, Target

UNREACHABLE, SILENT = ConnectError("x"), ReadTimeout("x")


def line(*names: str) -> list[Target]:
    clock = FrozenClock()
    return [
        Target(Provider(name=name, format="openai", url="http://localhost/v1"), Gateway(breaker_failures=3), clock)
        for name in names
    ]


def test_a_connection_that_failed_is_tried_again_as_often_as_the_settings_say() -> None:
    attempts = Attempts(Gateway(retries=2), line("a"))
    assert [attempts.broke(UNREACHABLE) for _ in range(3)] == [True, True, False]


def test_silence_is_not_tried_again_for_it_may_have_been_billed() -> None:
    assert not Attempts(Gateway(retries=3), line("a")).broke(SILENT)


@pytest.mark.parametrize(("status", "again"), [(200, False), (400, False), (404, False), (429, True), (500, True)])
def test_only_what_may_pass_is_worth_another_attempt(status: int, again: bool) -> None:
    attempts = Attempts(Gateway(retries=1, retry_on=("429", "5xx")), line("a"))
    assert attempts.answered(status, {}) is again


def test_after_the_retries_the_next_in_line_is_tried_with_its_own() -> None:
    attempts = Attempts(Gateway(retries=1), line("a", "b"))
    tried = []
    for target in attempts:
        tried.append(target.name)
        if not attempts.broke(UNREACHABLE):
            break
    assert tried == ["a", "a", "b", "b"]


def test_a_target_whose_breaker_is_open_is_passed_over() -> None:
    first, second = line("a", "b")
    for _ in range(3):
        first.breaker.failed()
    assert next(iter(Attempts(Gateway(), [first, second]))).name == "b"
    with pytest.raises(Stop) as stopped:
        Attempts(Gateway(), [first])
    assert stopped.value.status == 503


def test_a_busy_upstream_is_not_a_broken_one() -> None:
    targets = line("a")
    for _ in range(9):
        Attempts(Gateway(), targets).answered(429, {})
    assert not targets[0].breaker.open


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "٣"}, 0.0),
        ({"retry-after": "."}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_wait_a_provider_asks_for_is_understood_in_its_usual_forms(headers: dict[str, str], seconds: float) -> None:
    assert retry_after_s(headers) == seconds


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_through_after_the_pause() -> None:
    clock = FrozenClock()
    breaker = Breaker(clock, failures=2, pause_s=10)
    breaker.failed()
    breaker.worked()
    breaker.failed()
    assert not breaker.open
    breaker.failed()
    assert breaker.open
    clock.tick(11)
    assert [breaker.open, breaker.open] == [False, True]
    breaker.worked()
    assert not breaker.open
