from fractions import Fraction
from typing import Any

import pytest

from comptroller.metering.rating import RatingError, Usage, rate, read_price

KILL_BILL = [
    {"size": 100, "price": 1, "most": 10},
    {"size": 1000, "price": 1, "most": 2},
    {"size": 1000, "price": "0.5"},
]


def total(model: str, usage: object = 0, /, **terms: Any) -> Fraction:
    used = usage if isinstance(usage, Usage) else Usage(Fraction(str(usage)))
    return rate(read_price({"model": model, "rounding": "none", **terms}, "USD"), used).total


def test_a_unit_costs_its_price_or_its_share_of_that_for_many() -> None:
    assert total("unit", "123.456", unit="0.5") == Fraction("61.728")
    assert total("unit", 16, unit=500, per=100_000) == Fraction("0.08")
    assert total("unit", Usage(Fraction(4), prorated=Fraction("1.5")), unit=10) == 15


def test_a_fee_is_due_without_usage_and_in_part_for_part_of_the_time() -> None:
    assert total("flat", amount=31) == 31
    assert total("flat", Usage(prorated=Fraction(1, 3)), amount=30) == 10


@pytest.mark.parametrize(
    ("count", "round_", "amount"), [(0, "ceiling", 0), (1, "ceiling", 15), (11, "ceiling", 30), (19, "floor", 15)]
)
def test_packages_count_begun_ones_or_only_whole_ones(count: int, round_: str, amount: int) -> None:
    assert total("package", count, size=10, amount=15, round=round_) == amount


@pytest.mark.parametrize(("count", "amount"), [(0, 0), (1, 1), (1000, 10), (1001, 11), (3000, 12), (3001, "12.5")])
def test_blocks_change_size_and_price_from_step_to_step(count: int, amount: object) -> None:
    assert total("blocks", count, blocks=KILL_BILL) == Fraction(str(amount))


@pytest.mark.parametrize(("count", "amount"), [(0, 0), (1000, 10), (1001, 2), (3000, 3), (3001, 2)])
def test_blocks_may_all_be_those_of_the_step_reached(count: int, amount: int) -> None:
    assert total("blocks", count, blocks=KILL_BILL, priced="volume") == amount


@pytest.mark.parametrize("priced", ["graduated", "volume"])
def test_usage_past_the_last_block_is_refused_unless_it_goes_on(priced: str) -> None:
    terms = {"blocks": [{"size": 10, "price": 1, "most": 2}], "priced": priced}
    with pytest.raises(RatingError, match="past the last block"):
        total("blocks", 21, **terms)
    assert total("blocks", 21, **terms, beyond="last") == 3


@pytest.mark.parametrize(("count", "amount"), [(0, 150), (100, 150), (120, 190)])
def test_a_commitment_is_due_in_any_case_and_what_passes_it_at_its_own_price(count: int, amount: int) -> None:
    assert total("committed", count, quantity=100, unit="1.5", overage=2) == amount


@pytest.mark.parametrize(("keep", "amount"), [("first", "0.99"), ("last", "1"), ("dearest", "9.99")])
def test_one_outcome_of_a_conversation_is_charged_the_one_the_menu_keeps(keep: str, amount: str) -> None:
    usage = Usage(subjects=(("resolution", "qualification", "handoff"),))
    prices = {"resolution": "0.99", "qualification": "9.99", "handoff": 1}
    assert total("menu", usage, prices=prices, most=1, keep=keep) == Fraction(amount)
    assert total("menu", usage, prices=prices) == Fraction("11.98")


def test_an_outcome_that_is_not_on_the_menu_is_refused() -> None:
    with pytest.raises(RatingError, match="no price for the outcome 'resolved', only for resolution"):
        total("menu", Usage(subjects=(("resolved",),)), prices={"resolution": 1})


@pytest.mark.parametrize("model", ["unit", "package", "blocks", "committed"])
def test_units_below_none_are_refused(model: str) -> None:
    terms: dict[str, Any] = {
        "unit": {"unit": 1},
        "package": {"size": 1, "amount": 1},
        "blocks": {"blocks": [{"size": 1, "price": 1}]},
        "committed": {"quantity": 1, "unit": 1, "overage": 1},
    }
    with pytest.raises(RatingError, match="less than none"):
        total(model, -1, **terms[model])


def test_a_menu_refuses_outcomes_whose_kind_was_not_told() -> None:
    with pytest.raises(RatingError, match="goes by kinds of outcomes, and none were told"):
        total("menu", 3, prices={"resolution": 1})
