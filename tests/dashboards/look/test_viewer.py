"""Figures as the viewer writes them, and the exact value beside them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from comptroller.dashboards.look import money
from comptroller.dashboards.look.viewer import NONE, Viewer, exact_money, exact_time

BERLIN = Viewer("de-DE", "Europe/Berlin", 2026)
BOSTON = Viewer("en-US", "America/New_York", 2026)
MOMENT = datetime(2026, 7, 1, 22, 30, 5, 123456, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("4436.81", "$4,436.81"),
        ("0.083456", "$0.0835"),
        ("0.00049", "$0.00049"),
        ("0", "$0.00"),
        ("-12.5", "\u2212$12.50"),
    ],
)
def test_money_shows_cents_and_below_one_three_digits_that_say_something(amount: str, shown: str) -> None:
    assert BOSTON.money(Decimal(amount), "USD") == shown


def test_money_is_written_as_in_the_viewers_country() -> None:
    assert plain(BERLIN.money(Decimal("1234.5"), "EUR")) == "1.234,50 €"


def test_nothing_is_a_dash() -> None:
    assert {BERLIN.money(None, "EUR"), BERLIN.count(None), BERLIN.time(None), BERLIN.share(None)} == {NONE}


def test_the_exact_amount_keeps_every_digit() -> None:
    assert exact_money(Decimal("0.083456789"), "USD") == "0.083456789 USD"
    assert exact_money(Decimal("1E+3"), "USD") == "1000 USD"


def test_a_moment_is_in_the_viewers_zone_and_exactly_in_utc() -> None:
    assert plain(BERLIN.time(MOMENT)) == "2. Juli, 00:30"
    assert plain(BOSTON.time(MOMENT, seconds=True)) == "Jul 1, 6:30:05 PM"
    assert exact_time(MOMENT) == "2026-07-01T22:30:05.123456Z"


def test_another_year_is_said() -> None:
    assert "2026" in Viewer("en-US", "UTC", 2027).time(MOMENT)
    assert "2026" not in Viewer("en-US", "UTC", 2026).time(MOMENT)


@pytest.mark.parametrize(("language", "zone"), [("xx-YY-zz", "No/Where"), ("", ""), ("../etc", "../../etc/passwd")])
def test_a_browser_that_says_nonsense_gets_american_english_in_utc(language: str, zone: str) -> None:
    assert plain(Viewer(language, zone, 2026).time(MOMENT)) == "Jul 1, 10:30 PM"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0421, "42 ms"), (14.27, "14.27 s"), (125, "2 min 5 s"), (27000, "7 h 30 min"), (200000, "2 d 7 h")],
)
def test_how_long_it_took_reads_at_a_glance(seconds: float, shown: str) -> None:
    assert BOSTON.lasted(seconds) == shown


def test_days_and_shares() -> None:
    assert BOSTON.day(date(2026, 7, 1)) == "Jul 1, 2026"
    assert plain(BERLIN.share(0.951)) == "95,1 %"


def test_currencies_are_shown_together_and_never_added() -> None:
    costs = [{"currency": "USD", "cost": Decimal("1.5")}, {"currency": "EUR", "cost": Decimal(2)}]
    assert money.shown(BOSTON, costs) == "€2.00 + $1.50"
    assert money.of(costs, "USD") == Decimal("1.5")
    assert money.main(costs) == (Decimal(2), "EUR")
    assert money.shown(BOSTON, None) == NONE
