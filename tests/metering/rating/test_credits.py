from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.metering.rating import Line, Rated, RatingError, Usage, rate, read_price
from comptroller.metering.rating.credits import Wallet, allocate, cost_basis, covered, pay, top_up
from comptroller.metering.rating.rounding import Rounding

TIERS = [{"up_to": 5, "flat": 100}, {"up_to": 10, "flat": 50}, {"unit": 1}]


def rated(**terms: Any) -> Rated:
    return rate(read_price({"model": "graduated", "tiers": TIERS, **terms}, "USD"), Usage(Fraction(10)))


def credits(*amounts: int) -> dict[str, Fraction]:
    return {f"g{number}": Fraction(amount) for number, amount in enumerate(amounts, 1)}


def test_two_credits_pay_the_lines_in_order() -> None:
    paid = pay(rated(), credits(75, 90))
    assert [(part.line, part.credit, part.amount) for part in paid.payments] == [
        (0, "g1", 75),
        (0, "g2", 25),
        (1, "g2", 50),
    ]
    assert (paid.due, paid.left) == (0, {"g1": 0, "g2": 15})


def test_credit_pays_what_a_minimum_adds_unless_it_is_for_other_lines() -> None:
    assert pay(rated(minimum=200), credits(175)).due == 25
    assert pay(rated(minimum=200), credits(175), kinds=("flat",)).due == 50


def test_taking_more_credit_than_is_owed_is_refused() -> None:
    with pytest.raises(RatingError, match="300 of credit was taken for lines of 150"):
        allocate(rated(), [Fraction(300)])
    assert allocate(rated(), [Fraction(100), Fraction(50)]).due == 0


def test_a_discount_comes_off_before_credit_so_that_nothing_is_paid_twice() -> None:
    paid = pay(rated(discount_percent=60), credits(500))
    assert (paid.due, paid.left) == (0, {"g1": 500 - 60})


@settings(deadline=None)
@given(
    amounts=st.lists(st.integers(-50, 100), max_size=6),
    given_=st.lists(st.integers(0, 120), max_size=4),
)
def test_credit_never_pays_more_than_is_owed_nor_than_there_is(amounts: list[int], given_: list[int]) -> None:
    lines = tuple(Line("usage", str(number), Fraction(amount)) for number, amount in enumerate(amounts))
    total = Fraction(sum(amounts))
    paid = pay(Rated(lines, total, "USD"), credits(*given_))
    used = sum(part.amount for part in paid.payments)
    assert used == min(max(total, 0), sum(given_))
    assert paid.due == total - used
    assert sum(paid.left.values()) == sum(given_) - used


def test_each_credit_that_burns_is_worth_what_was_paid_for_it() -> None:
    assert cost_basis(Fraction(8500), Fraction(10_000)) == Fraction("0.85")
    with pytest.raises(RatingError, match="no cost basis"):
        cost_basis(Fraction(1), Fraction(0))


def test_included_credit_covers_whole_outcomes() -> None:
    assert covered(Fraction(3049), Fraction(50)) == 60
    with pytest.raises(RatingError, match="Say how much each takes"):
        covered(Fraction(1), Fraction(0))


def test_a_top_up_is_payable() -> None:
    assert top_up(Fraction("17.9699999999999988631316"), Fraction(1), Rounding(), "EUR") == Fraction("17.97")


@pytest.mark.parametrize(("due", "told"), [("17.72", ("82.28", "17.72", "0")), ("120", ("0", "100", "20"))])
def test_a_wallet_pays_what_the_invoice_says_as_far_as_it_reaches(due: str, told: tuple[str, ...]) -> None:
    wallet, used, rest = Wallet(Fraction(100)).settle(Fraction(due))
    assert (wallet.balance, used, rest) == tuple(Fraction(amount) for amount in told)
