from datetime import timedelta

from comptroller.dashboards.components.series import Period, columns
from tests.dashboards.made_up import START


def test_periods_go_by_time_with_exact_amounts() -> None:
    periods = [Period(START + timedelta(hours=1), 1, 5, 0), Period(START, 1_500_000_000, 9, 2)]
    data = columns(periods, "EUR")
    assert data["cost"] == ["1.50", "0.000000001"]
    assert data["at"][1] - data["at"][0] == 3_600_000
    assert data["ids"][0] == START.isoformat()
    assert data["failed"] == [2, 0]
