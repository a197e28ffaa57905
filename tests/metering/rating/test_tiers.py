from fractions import Fraction
from typing import Any

import pytest

from comptroller.metering.rating import Rated, RatingError, Usage, rate, read_price

UNEVEN = [{"up_to": 5, "flat": 100}, {"up_to": 10, "flat": 150}, {"up_to": 15, "unit": 10}, {"unit": 5}]
SEATS = [{"up_to": 5, "unit": 10, "flat": 100}, {"unit": 5, "flat": 50}]


def rated(model: str, usage: Usage, **terms: Any) -> Rated:
    return rate(read_price({"model": model, "rounding": "total", **terms}, "USD"), usage)


def seats(*changes: tuple[object, object]) -> Usage:
    return Usage(changes=tuple((Fraction(str(full)), Fraction(str(part))) for full, part in changes))


@pytest.mark.parametrize(("count", "total"), [("0", 100), ("5", 100), ("5.001", 250), ("14", 290), ("22", 335)])
def test_each_unit_pays_its_own_tier_and_every_tier_reached_its_flat_part(count: str, total: int) -> None:
    assert rated("graduated", Usage(Fraction(count)), tiers=UNEVEN).total == total


@pytest.mark.parametrize(("count", "total"), [("0", 100), ("5", 100), ("14", 140), ("15", 150), ("16", 80)])
def test_all_units_pay_the_tier_reached_so_that_more_may_cost_less(count: str, total: int) -> None:
    assert rated("volume", Usage(Fraction(count)), tiers=UNEVEN).total == total


@pytest.mark.parametrize("model", ["graduated", "volume"])
def test_the_first_flat_part_is_not_due_without_usage_where_the_price_says_so(model: str) -> None:
    assert rated(model, Usage(), tiers=UNEVEN, flat_at_zero=False).total == 0
    assert rated(model, Usage(Fraction(1)), tiers=UNEVEN, flat_at_zero=False).total == 100


@pytest.mark.parametrize("model", ["graduated", "volume"])
def test_units_past_the_last_tier_are_refused_unless_it_goes_on(model: str) -> None:
    tiers = [{"up_to": 10, "unit": 1}]
    with pytest.raises(RatingError, match="11 is past the last tier, which ends at 10"):
        rated(model, Usage(Fraction(11)), tiers=tiers)
    assert rated(model, Usage(Fraction(11)), tiers=tiers, beyond="last").total == 11


def test_tiers_of_a_value_take_a_share_of_it_and_refuse_where_there_is_none() -> None:
    tiers = [{"up_to": 10, "flat": 200, "percent": 1}, {"flat": 300, "percent": 2}]
    assert rated("graduated", Usage(value=Fraction(12)), of="value", tiers=tiers).total == Fraction("500.14")
    with pytest.raises(RatingError, match=r"share of a value, and none was declared. Declare it"):
        rated("graduated", Usage(Fraction(12)), of="value", tiers=tiers)


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        (seats((5, "3.5"), (5, "2.66667"), (10, 2), (-6, "-2.2")), "197.33"),
        (seats((4, "2.8"), (2, 1), (-3, "-0.6")), "180.5"),
        (seats((5, "3.5"), (2, 1), (-4, "-1.6"), (10, 2)), "190"),
        (Usage(Fraction(1), prorated=Fraction("0.7")), "107"),
    ],
)
def test_seats_pay_for_their_time_in_the_tier_they_came_and_went_through(usage: Usage, total: str) -> None:
    assert rated("graduated", usage, tiers=SEATS).total == Fraction(total)


def test_seats_given_back_never_make_a_sum_negative() -> None:
    found = rated("graduated", seats((5, 1), (-5, -9)), tiers=[{"unit": 10}])
    assert (found.total, found.lines[-1].kind) == (0, "floor")


def test_seats_below_none_are_refused() -> None:
    with pytest.raises(RatingError, match="-1 units in tiers, less than none"):
        rated("graduated", seats((-1, "-0.5")), tiers=SEATS)


def test_the_tier_goes_by_all_units_and_the_amount_by_those_that_count_for_their_time() -> None:
    tiers = [{"up_to": 100, "unit": 2, "flat": 10}, {"up_to": 200, "unit": 1}, {"unit": "0.5", "flat": 50}]
    usage = Usage(Fraction(300), prorated=Fraction("198.6"))
    assert rated("volume", usage, tiers=tiers).total == Fraction("149.3")
