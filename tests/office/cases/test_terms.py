import pytest

from comptroller.metering.rating import RatingError
from comptroller.office.cases.terms import T0, days, hours, instant, leading, moment, numbers

HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("text", "after"),
    [("t0", 0), ("t0+1h", 1), ("t0+61m", 61 / 60), ("t0+1d1h", 25), ("t0-1y+1d", -364 * 24), ("t0-1d1h", -25)],
)
def test_an_instant_counts_from_t0_and_a_sign_holds_until_the_next(text: str, after: float) -> None:
    assert instant(text) == T0 + int(after * HOUR)


@pytest.mark.parametrize(
    "read",
    [
        lambda: instant("t1+1h"),
        lambda: instant("t0+1w"),
        lambda: moment("soon"),
        lambda: days("2026-01-01"),
        lambda: hours("unit one two"),
        lambda: leading(""),
        lambda: numbers("5"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_how_to_write_them(read: object) -> None:
    with pytest.raises(RatingError, match="Write"):
        read()  # type: ignore[operator]


def test_words_about_a_window_are_terms_of_a_price() -> None:
    told = {"hours": "00-06", "unit": "1", "commit_units": "4", "factor": "2"}
    assert hours("00-06: unit 1, commit 4 units, overage x2") == told
    assert hours("unit 3, no commitment") == {"unit": "3"}
