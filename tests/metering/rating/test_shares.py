from fractions import Fraction
from typing import Any

import pytest

from comptroller.metering.rating import RatingError, Usage, rate, read_price


def total(model: str, usage: Usage, **terms: Any) -> Fraction:
    return rate(read_price({"model": model, "rounding": "none", **terms}, "EUR"), usage).total


def events(*values: object) -> Usage:
    return Usage(events=tuple(Fraction(str(value)) for value in values))


@pytest.mark.parametrize(("free_value", "amount"), [(250, "11.15"), (500, "7.2")])
def test_the_allowance_that_runs_out_first_ends_both(free_value: int, amount: str) -> None:
    terms = {"percent": "1.3", "fixed": 2, "free_events": 3, "free_value": free_value}
    assert total("percentage", events(50, 100, 250, 400), **terms) == Fraction(amount)


@pytest.mark.parametrize(
    ("terms", "amount"),
    [({}, "16.142"), ({"free_events": 2}, "12"), ({"free_events": 3, "free_value": 10_000}, "2.691")],
)
def test_what_one_event_costs_is_bounded(terms: dict[str, Any], amount: str) -> None:
    found = total("percentage", events(10, 80, 10_000), percent="2.99", least="1.75", most=12, **terms)
    assert found == Fraction(amount)


def test_the_bounds_of_an_event_hold_for_share_and_fee_together() -> None:
    assert total("percentage", events(10, 1000), percent=10, fixed=1, least=5, most=50) == 5 + 50


def test_a_free_value_without_a_number_of_events_holds_for_as_many_as_it_lasts() -> None:
    assert total("percentage", events(*[10] * 20), percent=10, fixed=1, free_value=105) == Fraction("9.5") + 10


def test_a_fee_for_each_event_needs_only_their_number() -> None:
    assert total("percentage", Usage(value=Fraction(800), count=4), percent=0, fixed=2) == 8


def test_a_percentage_of_a_missing_value_is_refused() -> None:
    with pytest.raises(RatingError, match=r"share of a value, and none was declared. Declare it with the claim"):
        total("percentage", Usage(), percent=5)


def test_bounds_on_events_refuse_a_sum_of_them() -> None:
    with pytest.raises(RatingError, match="Give the value of each"):
        total("percentage", Usage(value=Fraction(800), count=4), percent=5, least=1)
    assert total("percentage", Usage(value=Fraction(10), count=1), percent=5, least=1) == 1


def test_our_cost_times_a_factor_with_a_premium_for_each_run() -> None:
    usage = Usage(Fraction(40), cost=Fraction(10))
    assert total("cost_plus", usage, multiplier="1.2", premium="0.05") == 14


def test_a_cost_that_is_not_known_is_refused_rather_than_nothing() -> None:
    with pytest.raises(RatingError, match="follows our cost, and none is known"):
        total("cost_plus", Usage(Fraction(1)), multiplier=2)


def test_events_may_say_themselves_what_they_cost() -> None:
    assert total("dynamic", events("0.2", "0.202")) == Fraction("0.402")
