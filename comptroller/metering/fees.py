"""Fees: what an outcome costs under its contract when it is verified, and what a whole period's outcomes cost.

A fee is marginal: what this outcome adds to the period so far. Where the price has tiers the period may come out
otherwise in the end (an outcome was reversed, a volume reached): the difference is a line of the invoice.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from comptroller.core.money import MOST, NANOS, Money
from comptroller.core.outcome import WHOLE, Outcome
from comptroller.metering.contracts import Contract, Fee
from comptroller.metering.rating import Price, RatingError, Usage, rate
from comptroller.metering.rating.line import nanos
from comptroller.metering.rating.models import Unit
from comptroller.metering.rating.rounding import Rounding
from comptroller.metering.rating.shares import CostPlus, Dynamic, Percentage
from comptroller.metering.rating.tiers import Volume

ONE = Fraction(1)


def quote(fee: Fee, before: Sequence[Outcome], outcome: Outcome, cost: Fraction | None = None) -> Money:
    """What an outcome adds to its period, in which those `before` were verified: before degree and method are applied.

    Never less than nothing: where one more makes all of them cheaper, the period's line `adjusted` gives that back.
    RatingError says where no amount can be told, such as a percentage of a value that was not declared.
    """
    price = _bare(fee.price)
    if steady(fee.price):
        return _fee(rate(price, usage_of([outcome], price, cost), last=False).total, price)
    known = [*before, outcome]
    less = rate(price, usage_of(known[:-1], price, None), last=False).total if before else Fraction(0)
    more = rate(price, usage_of(known, price, cost), last=False).total
    return _fee(max(more - less, Fraction(0)), price)


def _fee(amount: Fraction, price: Price) -> Money:
    made = nanos(amount)
    if made >= MOST:
        raise RatingError("The fee has more than 18 digits, which no books can keep. Look at the price and the value.")
    return Money(made, price.currency)


def steady(price: Price) -> bool:
    """True where every outcome costs the same whatever came before it."""
    bounded = price.free or price.convert or price.maximum is not None
    if isinstance(price.model, Percentage):
        return not bounded and price.model.free_events is None and price.model.free_value is None
    return not bounded and isinstance(price.model, (Unit, CostPlus, Dynamic))


def rerated(fee: Fee, outcomes: Sequence[Outcome]) -> int:
    """What the outcomes of a period cost together, in nanos, each by its degree and how it was attested."""
    if steady(fee.price) or not outcomes:
        return sum(outcome.fee.nanos for outcome in outcomes if outcome.fee)
    price = _bare(fee.price)
    shares = [share_of(outcome) for outcome in outcomes]
    whole = rate(price, usage_of(outcomes, price, None), last=False).total
    if all(share == ONE for share in shares):
        return nanos(whole)
    if isinstance(price.model, Volume):
        return nanos(whole * sum(shares, Fraction(0)) * Fraction(1, len(outcomes)))
    return nanos(_one_by_one(price, outcomes, shares))


def share_of(outcome: Outcome) -> Fraction:
    """How much of the whole fee an outcome costs: its degree by the factor of its method."""
    factors = dict(outcome.terms.factors) if outcome.terms else {}
    factor = factors.get(outcome.method, WHOLE) if outcome.method else WHOLE
    return Fraction(outcome.degree * factor, WHOLE * WHOLE)


def usage_of(outcomes: Sequence[Outcome], price: Price, cost: Fraction | None) -> Usage:
    """The usage that outcomes are, as far as the price asks."""
    count = Fraction(len(outcomes))
    values = tuple(_value(outcome, price) for outcome in outcomes) if needs_value(price) else ()
    value = sum(values, Fraction(0)) if values else None
    return Usage(quantity=count, count=len(outcomes), value=value, events=values, cost=cost)


def needs_value(price: Price) -> bool:
    """True where the price is a share of what the outcome was declared to be worth."""
    return isinstance(price.model, (Percentage, Dynamic)) or bool(getattr(price.model, "of_value", False))


def fee_title(contract: Contract, type: str) -> str:
    """What an invoice calls an outcome: the contract's word, else the type's name as a sentence."""
    fee = contract.fees.get(type)
    if fee is not None and fee.title:
        return fee.title
    words = " ".join(type.replace(".", " ").replace("_", " ").replace("-", " ").split())
    return words[:1].upper() + words[1:]


def _one_by_one(price: Price, outcomes: Sequence[Outcome], shares: Sequence[Fraction]) -> Fraction:
    total, before = Fraction(0), Fraction(0)
    for number, share in enumerate(shares, 1):
        now = rate(price, usage_of(outcomes[:number], price, None), last=False).total
        total, before = total + (now - before) * share, now
    return total


def _bare(price: Price) -> Price:
    """The price without what is done once a period: rounding happens on the invoice's line."""
    return replace(price, rounding=Rounding(at="none"), minimum=None)


def _value(outcome: Outcome, price: Price) -> Fraction:
    if outcome.value is None:
        raise RatingError(
            f"The fee for {outcome.type} is a share of its value, and {outcome.subject} was claimed without one. "
            "Claim it with `value`, like `120.50 EUR`."
        )
    if outcome.value.currency != price.currency:
        raise RatingError(
            f"{outcome.subject} is worth {outcome.value}, and the fee for {outcome.type} is in {price.currency}. "
            "Claim its value in the contract's currency."
        )
    return Fraction(outcome.value.nanos, NANOS)
