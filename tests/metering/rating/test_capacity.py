from fractions import Fraction
from typing import Any

import pytest

from comptroller.metering.rating import Before, RatingError, Usage, rate, read_price

TIERS = [{"price": 1, "max": {"calls": 10, "tokens": 100}}, {"price": 10, "max": {"calls": 50, "tokens": 500}}]


def peaks(**told: int) -> Usage:
    return Usage(peaks={meter: Fraction(peak) for meter, peak in told.items()})


def capacity(**terms: Any) -> Any:
    return read_price({"model": "capacity", "tiers": TIERS, **terms}, "USD")


@pytest.mark.parametrize(
    ("usage", "total"), [(peaks(), 1), (peaks(calls=10, tokens=100), 1), (peaks(calls=11), 10), (peaks(other=9), 1)]
)
def test_the_smallest_reservation_that_holds_all_peaks_is_paid(usage: Usage, total: int) -> None:
    assert rate(capacity(), usage).total == total


def test_peaks_that_no_reservation_holds_are_refused_unless_the_last_goes_on() -> None:
    with pytest.raises(RatingError, match="No reservation holds calls 51, tokens 1"):
        rate(capacity(), peaks(tokens=1, calls=51))
    assert rate(capacity(beyond="last"), peaks(calls=51)).total == 10


def test_a_higher_peak_later_in_the_period_bills_the_difference() -> None:
    found = rate(capacity(again="delta"), peaks(calls=20), Before(peaks(calls=5), Fraction(1)))
    assert (found.total, [line.amount for line in found.lines]) == (9, [10, -1])


def test_what_passes_all_seats_together_costs_by_the_unit() -> None:
    values = {"model": "seats", "unit": 500, "throughput": {"calls": 1000}, "overage": {"calls": "0.4"}}
    found = rate(read_price(values, "USD"), Usage(Fraction(2), peaks={"calls": Fraction(2030)}))
    assert [(line.kind, line.amount) for line in found.lines] == [("usage", 1000), ("overage", 12)]


def test_throughput_without_a_price_for_more_should_have_been_queued_and_is_refused() -> None:
    price = read_price({"model": "seats", "unit": 500, "throughput": {"calls": 10}}, "USD")
    with pytest.raises(RatingError, match="calls passes what the seats hold by 5"):
        rate(price, Usage(Fraction(1), peaks={"calls": Fraction(15)}))


def test_usage_without_peaks_is_refused() -> None:
    with pytest.raises(RatingError, match="goes by peaks, and the usage was told without any"):
        rate(capacity(), Usage(Fraction(1)))
