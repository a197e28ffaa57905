from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.rating.terms import plain, read_number


@pytest.mark.parametrize(
    ("written", "meant"),
    [(7, "7"), ("0.0006", "3/5000"), (0.1, "1/10"), (Decimal("1.30"), "13/10"), ("1/3", "1/3"), (1e-06, "1/1000000")],
)
def test_a_number_is_what_its_writer_wrote(written: object, meant: str) -> None:
    assert read_number(written) == Fraction(meant)


@pytest.mark.parametrize(
    "written",
    [
        True,
        None,
        "",
        "1,5",
        "0x10",
        "1e3",
        "1/0",
        [],
        float("nan"),
        float("inf"),
        "1" * 41,
        10**41,
        0.12345678901234568,
    ],
)
def test_what_is_no_sure_number_is_refused_in_words(written: object) -> None:
    with pytest.raises(ValueError, match=r"Write"):
        read_number(written)


@settings(deadline=None)
@given(st.decimals(min_value=-(10**9), max_value=10**9, places=9))
def test_a_decimal_survives_reading_and_writing(number: Decimal) -> None:
    assert Decimal(plain(read_number(number))) == number


def test_a_number_is_written_with_the_places_asked_for_and_those_it_needs() -> None:
    assert [plain(Fraction(3, 2), least) for least in (0, 1, 2)] == ["1.5", "1.5", "1.50"]
    assert plain(Fraction(-1, 8)) == "-0.125"
    assert plain(Fraction(10**30)) == "1" + "0" * 30


def test_a_number_without_an_exact_decimal_is_written_as_a_fraction() -> None:
    assert plain(Fraction(13, 28)) == "13/28"
