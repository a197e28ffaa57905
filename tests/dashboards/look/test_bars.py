import re
from decimal import Decimal

import pytest

from comptroller.dashboards.look.bars import MOST, bars


def heights(html: str) -> list[int]:
    return [int(found) for found in re.findall(r"height:(\d+)%", html)]


def test_a_course_is_drawn_of_numbers_and_hidden_from_readers() -> None:
    html = bars([1, Decimal("2.5"), 0])
    assert 'aria-hidden="true"' in html
    assert heights(html) == [40, 100, 0]


def test_what_is_not_nothing_is_seen() -> None:
    assert heights(bars([1, 1_000_000])) == [4, 100]


@pytest.mark.parametrize("values", [[], [0], [0, 0]])
def test_a_course_of_nothing_is_not_drawn(values: list[int]) -> None:
    assert bars(values) == ""


def test_of_many_values_neighbours_are_added_up_and_none_is_lost() -> None:
    shown = heights(bars([1] * 500))
    assert 0 < len(shown) <= MOST
    assert set(shown[:-1]) == {100}


def test_what_is_bad_has_another_colour() -> None:
    assert "ct-bad" in bars([1], bad=True)
