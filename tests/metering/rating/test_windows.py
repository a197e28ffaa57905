from fractions import Fraction
from typing import Any

import pytest

from comptroller.metering.rating import Rated, RatingError, Usage, rate, read_price


def rated(*windows: tuple[int, int], **terms: Any) -> Rated:
    usage = Usage(windows=tuple((hour, Fraction(units)) for hour, units in windows))
    return rate(read_price({"model": "windows", **terms}, "USD"), usage)


def test_a_window_below_its_commitment_is_filled_up_and_one_above_pays_more_for_the_rest() -> None:
    found = rated((0, 2), (1, 8), rest={"unit": 2, "commit": 10, "factor": 2})
    assert [(line.kind, line.amount) for line in found.lines] == [("usage", 14), ("minimum", 6), ("overage", 12)]


def test_without_true_up_a_commitment_is_only_where_the_factor_begins() -> None:
    assert rated((0, 2), (1, 8), rest={"unit": 2, "commit": 10, "factor": 2, "true_up": False}).total == 4 + 10 + 12


def test_a_commitment_in_units_is_worth_what_they_cost_there() -> None:
    windows = [{"hours": "00-06", "unit": 1, "commit_units": 4, "factor": 2}]
    found = rated((2, 10), (10, 5), windows=windows, rest={"unit": 3})
    assert (found.total, found.amount("overage")) == (31, 12)


@pytest.mark.parametrize(("hour", "total"), [(21, 1), (22, 5), (23, 5), (0, 5), (5, 5), (6, 1)])
def test_hours_may_go_over_midnight(hour: int, total: int) -> None:
    assert rated((hour, 1), windows=[{"hours": "22-06", "unit": 5}], rest={"unit": 1}).total == total


def test_windows_that_had_no_usage_are_not_filled_up() -> None:
    assert rated(rest={"unit": 1, "commit": 10}).total == 0
    assert rated((3, 0), rest={"unit": 1, "commit": 10}).total == 10


def test_usage_without_its_hours_is_refused() -> None:
    price = read_price({"model": "windows", "rest": {"unit": 1}}, "USD")
    with pytest.raises(RatingError, match="goes by the hour, and the usage was told without its hours"):
        rate(price, Usage(Fraction(1)))
