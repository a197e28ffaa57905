"""Progressive billing: usage is invoiced when it passes a threshold, and that is credited on the period's invoice."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from comptroller.metering.rating.line import ZERO


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Amounts of a period at which to bill at once; beyond the last, every so much more."""

    amounts: tuple[Fraction, ...]
    every: Fraction | None = None

    def passed(self, amount: Fraction) -> int:
        """How many thresholds an amount has reached."""
        count = sum(amount >= threshold for threshold in self.amounts)
        last = max(self.amounts, default=ZERO)
        if self.every is None or amount < last:
            return count
        return count + (amount - last) // self.every


@dataclass(frozen=True, slots=True)
class Settled:
    """A period's invoice: all its fees, less what was billed on the way."""

    fees: Fraction
    credit: Fraction

    @property
    def total(self) -> Fraction:
        return self.fees - self.credit


def interim(usage: Iterable[Fraction], thresholds: Thresholds) -> tuple[Fraction, ...]:
    """The invoices on the way: each bills all usage since the one before, once another threshold is reached."""
    invoices = []
    so_far = billed = ZERO
    for amount in usage:
        before, so_far = thresholds.passed(so_far), so_far + amount
        if thresholds.passed(so_far) > before:
            invoices.append(so_far - billed)
            billed = so_far
    return tuple(invoices)


def settle(fees: Iterable[Fraction], invoices: Iterable[Fraction]) -> Settled:
    """The invoice that ends the period."""
    return Settled(sum(fees, ZERO), sum(invoices, ZERO))
