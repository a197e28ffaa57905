from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.rating.progressive import Thresholds, interim, settle

amounts = st.lists(st.integers(0, 400).map(Fraction), max_size=12)


def test_usage_that_passes_a_threshold_is_billed_at_once_and_credited_at_the_end() -> None:
    usage = [Fraction(200), Fraction(200)]
    invoices = interim(usage, Thresholds((Fraction(200),)))
    settled = settle([Fraction(31), *usage], invoices)
    assert (invoices, settled.fees, settled.credit, settled.total) == ((200,), 431, 200, 231)


def test_beyond_the_last_threshold_every_so_much_more_is_billed() -> None:
    thresholds = Thresholds((Fraction(100), Fraction(500)), every=Fraction(300))
    assert [thresholds.passed(Fraction(amount)) for amount in (99, 100, 499, 500, 799, 800, 1100)] == [
        0,
        1,
        1,
        2,
        2,
        3,
        4,
    ]


def test_one_piece_of_usage_past_many_thresholds_makes_one_invoice() -> None:
    assert interim([Fraction(1000)], Thresholds((Fraction(100), Fraction(500)))) == (1000,)


@settings(deadline=None)
@given(usage=amounts, steps=st.lists(st.integers(1, 900).map(Fraction), max_size=3), every=st.integers(1, 300))
def test_a_period_costs_its_usage_however_often_it_was_billed(
    usage: list[Fraction], steps: list[Fraction], every: int
) -> None:
    invoices = interim(usage, Thresholds(tuple(sorted(steps)), Fraction(every)))
    settled = settle(usage, invoices)
    assert all(invoice > 0 for invoice in invoices)
    assert settled.credit + settled.total == sum(usage)
    assert settled.total >= 0
