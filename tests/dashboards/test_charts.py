import re
from base64 import b64decode
from datetime import timedelta
from decimal import Decimal

import pytest

from comptroller.dashboards.components.series import Period, columns
from comptroller.dashboards.components.spark import spark
from tests.dashboards.made_up import START


def drawn(html: str) -> str:
    found = re.search(r"base64,([^)]+)\)", html)
    assert found
    return b64decode(found[1]).decode()


def test_a_spark_is_drawn_of_numbers_and_hidden_from_readers() -> None:
    html = spark([1, Decimal("2.5"), 0])
    assert 'aria-hidden="true"' in html
    assert re.fullmatch(r"[a-zA-Z0-9<>=\"/:. ,#-]+", drawn(html))
    assert drawn(html).count(",") >= 3


def test_columns_of_a_spark_leave_out_what_is_nothing() -> None:
    assert drawn(spark([3, 0, 1], columns=True)).count("<rect") == 2


@pytest.mark.parametrize("values", [[], [0], [7], [-1, 1], [10**30, 1]])
def test_any_numbers_make_a_spark(values: list[int]) -> None:
    assert "nan" not in drawn(spark(values)).lower()


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        spark([Decimal(value)])


def test_periods_go_by_time_with_exact_amounts() -> None:
    periods = [Period(START + timedelta(hours=1), 1, 5, 0), Period(START, 1_500_000_000, 9, 2)]
    data = columns(periods, "EUR")
    assert data["cost"] == ["1.50", "0.000000001"]
    assert data["at"][1] - data["at"][0] == 3_600_000
    assert data["ids"][0] == START.isoformat()
    assert data["failed"] == [2, 0]
