from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.rating import RatingError
from comptroller.metering.rating.rounding import Rounding
from comptroller.metering.rating.taxes import NOTHING, Taxed, credit_note, tax

CENTS = Rounding()


def test_amount_and_tax_are_each_payable() -> None:
    found = tax(Fraction("29.994"), Fraction("23.33"), CENTS, "EUR")
    assert (found.net, found.tax, found.total) == (Fraction("29.99"), Fraction(7), Fraction("36.99"))


def test_a_tax_may_be_within_an_amount() -> None:
    found = tax(Fraction(119), Fraction(19), CENTS, "EUR", included=True)
    assert (found.net, found.tax) == (100, 19)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.fractions(0, 50))
def test_a_tax_within_an_amount_leaves_the_amount_as_it_was(cents: int, percent: Fraction) -> None:
    amount = Fraction(cents, 100)
    found = tax(amount, percent, CENTS, "EUR", included=True)
    assert found.total == amount
    assert 0 <= found.tax <= amount


@pytest.mark.parametrize(
    ("fee", "percent", "share", "told"),
    [("200", "25", "29/30", ("193.33", "48.33")), ("29.99", "23.33", "6/7", ("25.71", "6.00"))],
)
def test_a_note_gives_back_amount_and_tax(fee: str, percent: str, share: str, told: tuple[str, str]) -> None:
    invoice = tax(Fraction(fee), Fraction(percent), CENTS, "EUR")
    note = credit_note(invoice, Fraction(fee) * Fraction(share), CENTS, "EUR")
    assert (note.net, note.tax) == (Fraction(told[0]), Fraction(told[1]))


@settings(deadline=None)
@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=6), st.fractions(0, 40, max_denominator=100))
def test_partial_notes_together_give_back_the_invoice_to_the_cent(cents: list[int], percent: Fraction) -> None:
    invoice = tax(Fraction(sum(cents), 100), percent, CENTS, "USD")
    credited = NOTHING
    for part in cents:
        note = credit_note(invoice, Fraction(part, 100), CENTS, "USD", credited)
        assert note.tax >= 0
        credited = Taxed(credited.net + note.net, credited.tax + note.tax)
    assert credited == invoice


def test_no_more_is_credited_than_is_left() -> None:
    invoice = tax(Fraction(100), Fraction(20), CENTS, "EUR")
    with pytest.raises(RatingError, match=r"50.01 cannot be credited: 50 of the invoice is left"):
        credit_note(invoice, Fraction("50.01"), CENTS, "EUR", Taxed(Fraction(50), Fraction(10)))


def test_nothing_comes_back_of_an_invoice_of_nothing() -> None:
    assert credit_note(NOTHING, Fraction(0), CENTS, "EUR") == NOTHING
