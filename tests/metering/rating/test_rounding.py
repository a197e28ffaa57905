from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Decimal,
)
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.rating.rounding import Mode, Rounding, add_up, round_to, round_whole

SAME = {
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "half_down": ROUND_HALF_DOWN,
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "ceiling": ROUND_CEILING,
    "floor": ROUND_FLOOR,
}


@pytest.mark.parametrize("mode", SAME)
@settings(deadline=None)
@given(amount=st.decimals(min_value=-1000, max_value=1000, places=4), places=st.integers(0, 4))
def test_every_mode_rounds_as_decimals_do(mode: Mode, amount: Decimal, places: int) -> None:
    expected = amount.quantize(Decimal(1).scaleb(-places), SAME[mode])
    assert round_to(Fraction(amount), places, mode) == Fraction(expected)


def test_thirds_round_without_ever_being_a_decimal() -> None:
    assert round_to(Fraction(1, 3), 2) == Fraction("0.33")
    assert round_whole(Fraction(-7, 3), "ceiling") == -2


def test_lines_round_before_or_after_they_are_added() -> None:
    thirds = [Fraction("10.333333")] * 3
    assert add_up(thirds, Rounding(at="line"), "USD") == Fraction("30.99")
    assert add_up(thirds, Rounding(at="total"), "USD") == Fraction("31.00")
    assert add_up(thirds, Rounding(at="none"), "USD") == Fraction("30.999999")


def test_the_currency_says_the_places_unless_the_price_does() -> None:
    assert [Rounding().decimals(currency) for currency in ("JPY", "USD", "KWD")] == [0, 2, 3]
    assert Rounding(places=4).decimals("XAU") == 4
