"""Credit that pays for lines: what was prepaid goes to the lines in order, and never makes one negative."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from comptroller.metering.rating.line import ZERO, Line, Rated, RatingError, total
from comptroller.metering.rating.rounding import Rounding, round_whole
from comptroller.metering.rating.terms import plain


@dataclass(frozen=True, slots=True)
class Payment:
    """So much of one credit for one line."""

    line: int  # its number, counted from 0
    credit: str
    amount: Fraction


@dataclass(frozen=True, slots=True)
class Paid:
    """What credit paid, and what is left to pay and to use."""

    payments: tuple[Payment, ...]
    due: Fraction
    left: Mapping[str, Fraction]


def pay(rated: Rated, credits: Mapping[str, Fraction], kinds: Sequence[str] = ()) -> Paid:
    """Pay lines with credit, in the order both are given; `kinds` limits which lines it may pay for.

    Discounts and the like are taken off the lines before them first, so that no more is paid than is owed.
    """
    left = dict(credits)
    payments = []
    for number, owed in enumerate(_owed(rated.lines)):
        if kinds and rated.lines[number].kind not in kinds:
            continue
        for name in left:
            part = min(owed, left[name])
            if part > 0:
                payments.append(Payment(number, name, part))
                owed, left[name] = owed - part, left[name] - part
    return Paid(tuple(payments), rated.total - sum((payment.amount for payment in payments), ZERO), left)


def allocate(rated: Rated, amounts: Sequence[Fraction]) -> Paid:
    """Put amounts that were taken from credit already onto the lines; more than is owed is a mistake of the taker."""
    taken = sum(amounts, ZERO)
    if taken > max(rated.total, ZERO):
        raise RatingError(
            f"{plain(taken)} of credit was taken for lines of {plain(rated.total)}. Take no more than is owed."
        )
    return pay(rated, {str(number): amount for number, amount in enumerate(amounts, 1)})


def _owed(lines: tuple[Line, ...]) -> list[Fraction]:
    """What is owed on each line after what was taken off: from the last line backwards."""
    owed = [max(line.amount, ZERO) for line in lines]
    off = -total(line for line in lines if line.amount < 0)
    for number in range(len(owed) - 1, -1, -1):
        part = min(off, owed[number])
        owed[number], off = owed[number] - part, off - part
    return owed


def cost_basis(paid: Fraction, granted: Fraction) -> Fraction:
    """What one unit of a credit cost: what is recognised as revenue when it burns."""
    if granted <= 0:
        raise RatingError("A credit of nothing has no cost basis. Grant more than 0.")
    return Fraction(paid, granted)


def covered(included: Fraction, each: Fraction) -> int:
    """How many whole outcomes an included amount of credit covers."""
    if each <= 0:
        raise RatingError("An outcome that takes no credit is covered without end. Say how much each takes.")
    return round_whole(Fraction(included, each), "down")


def top_up(credits: Fraction, rate: Fraction, rounding: Rounding, currency: str) -> Fraction:
    """What so many credits cost when they are bought for a wallet, payable."""
    return rounding.of(credits * rate, currency)


@dataclass(frozen=True, slots=True)
class Wallet:
    """Money paid in advance."""

    balance: Fraction

    def settle(self, due: Fraction) -> tuple["Wallet", Fraction, Fraction]:
        """The wallet after it paid what it could, what it paid, and what is left to pay.

        What is due must be what the invoice says to the cent: a wallet that moves by another sum than its line
        cannot be reconciled.
        """
        used = min(max(due, ZERO), max(self.balance, ZERO))
        return Wallet(self.balance - used), used, due - used
