from fractions import Fraction
from typing import Any

import pytest

from comptroller.metering.rating import Before, RatingError, Usage, rate, read_price

STEPS = [{"up_to": 5, "flat": 100, "unit": 0}, {"up_to": 10, "flat": 50}, {"up_to": 15, "unit": 5}, {"unit": 1}]


def usd(model: str, **terms: Any) -> Any:
    return read_price({"model": model, **terms}, "USD")


def units(count: object) -> Usage:
    return Usage(Fraction(str(count)))


def test_a_second_run_goes_on_in_the_tier_where_the_first_stood() -> None:
    rated = rate(usd("graduated", tiers=STEPS), units(10), Before(units(12)))
    assert [(line.quantity, line.unit, line.amount) for line in rated.lines] == [(3, 5, 15), (7, 1, 7)]


def test_late_usage_that_reaches_a_cheaper_tier_reverses_the_dearer_one() -> None:
    price = usd("volume", tiers=[{"up_to": 15, "unit": 10}, {"unit": 5}], again="delta")
    rated = rate(price, units(16), Before(units(15), Fraction(150)))
    assert [(line.tier, line.amount) for line in rated.lines] == [(2, 80), (1, -150)]
    assert rated.total == -70


def test_a_run_that_was_billed_otherwise_says_by_how_much() -> None:
    rated = rate(usd("unit", unit=10, again="delta"), units(5), Before(units(3), Fraction(31)))
    assert [(line.kind, line.amount) for line in rated.lines] == [("usage", 20), ("billed", -1)]
    assert rated.total == 50 - 31


def test_a_run_of_which_only_the_amount_is_known_takes_it_off() -> None:
    rated = rate(usd("unit", unit=10, again="delta"), units(5), Before(billed=Fraction(31)))
    assert [(line.kind, line.amount) for line in rated.lines] == [("usage", 50), ("billed", -31)]


@pytest.mark.parametrize(("again", "total"), [("split", 20), ("progressive", 10), ("delta", 10)])
def test_begun_thousands_of_two_runs_count_by_themselves_or_together(again: str, total: int) -> None:
    price = usd("unit", unit=10, convert={"divide_by": 1000, "round": "ceiling"}, again=again)
    used = units(2700) if again == "delta" else units(1300)
    assert rate(price, used, Before(units(1400))).total == total


@pytest.mark.parametrize(("start", "total"), [("converted", 15), ("metered", 20)])
def test_free_units_come_off_before_or_after_converting(start: str, total: int) -> None:
    price = usd("unit", unit=10, convert={"divide_by": 1000, "round": "ceiling"}, free="0.5", free_from=start)
    assert rate(price, units(1400)).total == total


def test_a_discount_comes_before_the_most_of_the_period() -> None:
    price = usd("unit", unit=10, discount_percent=50, maximum=100)
    rated = rate(price, units(20), Before(units(7), Fraction(35)))
    assert [(line.kind, line.amount) for line in rated.lines] == [("usage", 200), ("discount", -100), ("maximum", -35)]


def test_the_least_of_the_period_is_due_once_and_with_its_last_run() -> None:
    price = usd("unit", unit=10, minimum=150)
    first = rate(price, units(3), last=False)
    last = rate(price, units(4), Before(units(3), first.total))
    assert (first.total, last.total) == (30, 120)
    assert rate(price, units(0), Before(units(7), Fraction(150))).total == 0


def test_lines_round_and_then_add_or_the_sum_does() -> None:
    price = {"tiers": [{"up_to": 1, "unit": "0.333"}, {"up_to": 2, "unit": "0.333"}, {"unit": "0.333"}]}
    totals = {at: rate(usd("graduated", **price, rounding=at), units(3)).total for at in ("line", "total", "none")}
    assert totals == {"line": Fraction("0.99"), "total": Fraction(1), "none": Fraction("0.999")}


def test_a_rounded_sum_has_a_line_for_what_rounding_did() -> None:
    rated = rate(usd("unit", unit="0.333", rounding="total"), units(1))
    assert [(line.kind, line.amount) for line in rated.lines] == [
        ("usage", Fraction("0.333")),
        ("rounding", Fraction("-0.003")),
    ]


def test_stretches_of_time_are_priced_each_by_itself() -> None:
    price = usd("package", size=100, amount=5)
    assert rate(price, Usage(buckets=(Fraction(50), Fraction(150)))).total == 15
    assert rate(price, units(200)).total == 10


@pytest.mark.parametrize(
    ("price", "so_far", "new", "total"),
    [
        (("cost_plus", {"multiplier": 2}), Usage(), Usage(cost=Fraction(5)), 10),
        (("percentage", {"percent": 10}), Usage(), Usage(value=Fraction(50)), 5),
        (("percentage", {"percent": 10}), Usage(), Usage(events=(Fraction(50), Fraction(10))), 6),
        (("percentage", {"percent": 10}), Usage(value=Fraction(50)), Usage(events=(Fraction(50),)), 5),
        (("flat", {"amount": 9}), Usage(), Usage(), 0),
    ],
)
def test_a_second_run_may_tell_what_the_first_had_none_of(price: Any, so_far: Usage, new: Usage, total: int) -> None:
    assert rate(usd(price[0], **price[1]), new, Before(so_far)).total == total


def test_money_is_exact_to_the_nano() -> None:
    rated = rate(read_price({"model": "unit", "unit": "0.005"}, "KWD"), units(3))
    assert (rated.money.nanos, rated.money.currency) == (15_000_000, "KWD")


def test_units_below_none_are_refused_rather_than_paid_out() -> None:
    with pytest.raises(RatingError, match="less than none"):
        rate(usd("graduated", tiers=STEPS), units(-1))


def test_units_taken_back_within_the_period_come_off_the_tier_they_stood_in() -> None:
    rated = rate(usd("graduated", tiers=STEPS), units(-3), Before(units(17)))
    assert [(line.quantity, line.amount) for line in rated.lines] == [(-1, -5), (-2, -2)]


def test_a_difference_of_rounded_sums_is_that_of_what_was_billed() -> None:
    price = usd("unit", unit="0.335", rounding="total", again="delta")
    assert rate(price, units(3), Before(billed=Fraction("1.01"))).total == 0
