"""Taxes: on top of an amount or within it; and credit notes, which give back amount and tax."""

from dataclasses import dataclass
from fractions import Fraction

from comptroller.metering.rating.line import ZERO, RatingError
from comptroller.metering.rating.rounding import Rounding
from comptroller.metering.rating.shares import PERCENT
from comptroller.metering.rating.terms import plain


@dataclass(frozen=True, slots=True)
class Taxed:
    """An amount, the tax on it, and both; each payable."""

    net: Fraction
    tax: Fraction

    @property
    def total(self) -> Fraction:
        return self.net + self.tax


NOTHING = Taxed(ZERO, ZERO)


def tax(amount: Fraction, percent: Fraction, rounding: Rounding, currency: str, included: bool = False) -> Taxed:
    """The amount with its tax, each rounded by itself; `included` says that the amount holds the tax already."""
    payable = rounding.of(amount, currency)
    if not included:
        return Taxed(payable, rounding.of(payable * percent * PERCENT, currency))
    within = rounding.of(Fraction(payable * percent, 100 + percent), currency)
    return Taxed(payable - within, within)


def credit_note(invoice: Taxed, net: Fraction, rounding: Rounding, currency: str, credited: Taxed = NOTHING) -> Taxed:
    """What a credit note over `net` gives back, its tax in proportion to the invoice's.

    Earlier notes count, so that partial notes give back the whole tax once they give back the whole amount.
    """
    payable = rounding.of(net, currency)
    after = credited.net + payable
    if payable < 0 or after > invoice.net:
        left = invoice.net - credited.net
        raise RatingError(f"{plain(payable)} cannot be credited: {plain(left)} of the invoice is left. Credit less.")
    back = rounding.of(Fraction(invoice.tax * after, invoice.net), currency) if invoice.net else ZERO
    return Taxed(payable, back - credited.tax)
