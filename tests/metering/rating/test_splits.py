from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.rating import RatingError
from comptroller.metering.rating.splits import split

weights = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.fractions(0, 100), min_size=1, max_size=6).filter(
    lambda found: any(found.values())
)


@settings(deadline=None)
@given(pieces=st.integers(-(10**9), 10**9), weights=weights, places=st.sampled_from([0, 2, 3]))
def test_the_parts_sum_to_the_whole_and_none_is_a_unit_off(
    pieces: int, weights: dict[str, Fraction], places: int
) -> None:
    unit = Fraction(1, 10**places)
    amount = pieces * unit
    parts = split(amount, weights, places)
    assert sum(parts.values()) == amount
    for name, weight in weights.items():
        part = parts.get(name, Fraction(0))
        assert abs(part - Fraction(amount * weight, sum(weights.values()))) < unit
        assert (part * 10**places).denominator == 1


@settings(deadline=None)
@given(pieces=st.integers(0, 10**6), weights=weights)
def test_what_is_taken_back_mirrors_what_was_given(pieces: int, weights: dict[str, Fraction]) -> None:
    given, back = (split(Fraction(sign * pieces, 100), weights, 2) for sign in (1, -1))
    assert back == {name: -part for name, part in given.items()}


def test_ties_go_by_name_whatever_order_they_come_in() -> None:
    parts = {"A": Fraction(2), "B": Fraction(2), "C": Fraction(1)}
    for names in ("ABC", "CBA"):
        assert split(Fraction(5), {name: Fraction(1) for name in names}, 0) == parts


def test_parts_of_nothing_are_left_out() -> None:
    assert split(Fraction("0.01"), {"A": Fraction(100), "B": Fraction(1)}, 2) == {"A": Fraction("0.01")}


def test_an_amount_finer_than_the_currency_is_not_split() -> None:
    with pytest.raises(RatingError, match=r"1.001 cannot be split: it is finer than 0.01. Round it first"):
        split(Fraction("1.001"), {"A": Fraction(1)}, 2)


@pytest.mark.parametrize("weights", [{}, {"A": Fraction(0)}, {"A": Fraction(2), "B": Fraction(-1)}])
def test_weights_that_share_out_nothing_are_refused(weights: dict[str, Fraction]) -> None:
    with pytest.raises(RatingError, match="must not be negative, and one of them must be above 0"):
        split(Fraction(1), weights, 2)
