from typing import Any

import pytest

from comptroller.metering.rating import PriceError, read_price


def told(model: str, **terms: Any) -> str:
    with pytest.raises(PriceError) as refused:
        read_price({"model": model, **terms}, "USD")
    return str(refused.value)


@pytest.mark.parametrize("model", ["graduated", "volume"])
@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        (
            [{"up_to": 10, "unit": 1}, {"up_to": 5, "unit": 1}],
            "tiers[2].up_to: The tier ends at 5, where the one before",
        ),
        ([{"up_to": 10, "unit": 1}, {"up_to": 10, "unit": 1}], "they overlap. Put the tiers in order."),
        ([{"up_to": 5, "unit": 1}, {"from": 7, "unit": 1}], "tiers[2].from: The tier begins at 7, the one before ends"),
        ([{"up_to": 5, "unit": 1}, {"from": 4, "unit": 1}], "ends at 5: they overlap. Write `from: 5`"),
        ([{"unit": 1}, {"up_to": 5, "unit": 1}], "tiers[1]: Only the last tier may be without `up_to`"),
        ([{"up_to": 5}, {"unit": 1}], "tiers[1]: The tier has no price."),
        ([{"percent": 5}], "tiers[1].percent: A percentage needs a value. Set `of: value`"),
    ],
)
def test_tiers_that_do_not_join_are_refused(model: str, tiers: list[Any], words: str) -> None:
    assert words in told(model, tiers=tiers)


def test_a_gap_between_tiers_is_called_one() -> None:
    assert "a gap between them" in told("graduated", tiers=[{"up_to": 5, "unit": 1}, {"from": 7, "unit": 1}])


def test_tiers_may_say_where_they_begin() -> None:
    read_price({"model": "volume", "tiers": [{"from": 0, "up_to": 5, "unit": 1}, {"from": 5, "unit": 1}]}, "USD")


def test_tiers_of_a_value_take_percentages_and_count_no_units() -> None:
    assert "take a `percent`" in told("graduated", of="value", tiers=[{"unit": 5}])
    assert "Take them out" in told("graduated", of="value", tiers=[{"percent": 5}], free=3)


def test_a_step_behind_an_endless_one_is_refused() -> None:
    blocks = [{"size": 1, "price": 1}, {"size": 2, "price": 1}]
    assert "blocks[1]: Only the last step may be without `most`" in told("blocks", blocks=blocks)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"calls": 10}, {"calls": 5}, "tiers[2].max.calls: The tier before holds more of `calls`."),
        ({"calls": 10}, {"tokens": 5}, "tiers[2].max.tokens: The tier before holds more of `tokens`."),
        ({}, {}, "tiers[2]: The tier before holds everything, so this one can never be reached."),
    ],
)
def test_reservations_that_do_not_grow_are_refused(first: Any, second: Any, words: str) -> None:
    assert words in told("capacity", tiers=[{"price": 1, "max": first}, {"price": 2, "max": second}])


def test_overage_of_a_meter_that_seats_do_not_bound_is_refused() -> None:
    assert "overage.calls: `calls` has no `throughput`" in told("seats", unit=1, overage={"calls": 1})


@pytest.mark.parametrize(
    ("windows", "rest", "words"),
    [
        (["09-12", "11-13"], True, "windows[2].hours: 11 h belongs to two windows."),
        (["22-06", "05-07"], True, "05 h belongs to two windows."),
        (["00-23"], False, "No window holds 23 h. Add `rest`"),
        ([], False, "No window holds 00 h."),
        (["00-12", "12-24"], True, "rest: The windows hold the whole day"),
        (["9-12"], True, "windows[1].hours: '9-12' are no hours."),
        (["09-09"], True, "are no hours"),
        (["24-25"], True, "are no hours"),
    ],
)
def test_hours_that_do_not_make_one_day_are_refused(windows: list[str], rest: bool, words: str) -> None:
    terms: dict[str, Any] = {"windows": [{"hours": hours, "unit": 1} for hours in windows]}
    assert words in told("windows", **terms, **({"rest": {"unit": 1}} if rest else {}))


def test_a_commitment_is_said_once() -> None:
    assert "say the same twice" in told("windows", rest={"unit": 1, "commit": 1, "commit_units": 1})
