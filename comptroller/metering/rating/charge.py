"""Rating: usage and what was billed before become lines and a total."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from comptroller.metering.rating.line import ZERO, Line, Rated, merge, negate, total
from comptroller.metering.rating.price import Price
from comptroller.metering.rating.rounding import round_whole
from comptroller.metering.rating.shares import PERCENT
from comptroller.metering.rating.usage import Usage


@dataclass(frozen=True, slots=True)
class Before:
    """What the period was billed already. Usage or amount alone will do; what is not known is left None."""

    usage: Usage | None = None
    billed: Fraction | None = None


def rate(price: Price, usage: Usage, before: Before | None = None, last: bool = True) -> Rated:
    """What the usage costs under the price, exactly; RatingError where it has no amount.

    Under `again: delta` the usage is that of the whole period so far, otherwise what is new. A minimum is due only
    with the `last` run of a period.
    """
    if before is not None and before.usage is not None:
        before = replace(before, usage=_like(before.usage, usage))
    if before is None:
        lines = _whole(price, usage, last)
    else:
        lines = (_delta if price.again == "delta" else _new)(price, usage, before, last)
    return Rated(lines, total(lines), price.currency)


def _like(known: Usage, usage: Usage) -> Usage:
    """What was known before, with nothing where it said nothing of what the new usage tells."""
    value, cost = known.value, known.cost
    if value is None and not known.events and (usage.events or usage.value is not None):
        value = ZERO
    return replace(known, value=value, cost=ZERO if cost is None and usage.cost is not None else cost)


def _new(price: Price, usage: Usage, before: Before, last: bool) -> tuple[Line, ...]:
    """The lines for what is new, bounded by what was billed before."""
    if price.again == "split":
        gross = merge(_gross(price, usage))
    else:
        known = _like(Usage(), usage) if before.usage is None else before.usage
        gross = merge((*_gross(price, known + usage), *negate(merge(_gross(price, known)))))
    bounded = price.minimum is not None or price.maximum is not None
    return _payable(price, gross, _billed(price, before) if bounded else ZERO, last)


def _delta(price: Price, usage: Usage, before: Before, last: bool) -> tuple[Line, ...]:
    """What the period costs now less what it was billed; the lines tell which part changed."""
    now = _whole(price, usage, last)
    then = () if before.usage is None else _whole(price, before.usage, last=False)
    lines = merge((*now, *negate(then)))
    billed = _billed(price, before)
    rest = total(now) - billed - total(lines)
    return (*lines, Line("billed", "billed before", rest)) if rest else lines


def _whole(price: Price, usage: Usage, last: bool) -> tuple[Line, ...]:
    return _payable(price, merge(_gross(price, usage)), ZERO, last)


def _payable(price: Price, gross: tuple[Line, ...], billed: Fraction, last: bool) -> tuple[Line, ...]:
    """What the lines of the model come to: rounded, less the discount, within the bounds of the period."""
    return _footed(price, _bounded(price, _discounted(price, _rounded(price, gross)), billed, last))


def _billed(price: Price, before: Before) -> Fraction:
    if before.billed is not None:
        return before.billed
    return ZERO if before.usage is None else total(_whole(price, before.usage, last=False))


def _gross(price: Price, usage: Usage) -> Iterator[Line]:
    """The model's lines; stretches of time are rated each by itself."""
    if not usage.buckets:
        yield from price.model.lines(_charged(price, usage))
        return
    for units in usage.buckets:
        yield from price.model.lines(_charged(price, replace(usage, quantity=units, buckets=())))


def _charged(price: Price, usage: Usage) -> Usage:
    """The units that are priced: converted, rounded, less those that are free."""
    if price.convert is None and not price.free:
        return usage
    units = usage.quantity
    if price.free_from == "metered":
        units = max(units - price.free, ZERO)
    if change := price.convert:
        units = units * Fraction(change.multiply_by, change.divide_by)
        units = units if change.round is None else Fraction(round_whole(units, change.round))
    if price.free_from == "converted":
        units = max(units - price.free, ZERO)
    return replace(usage, quantity=units)


def _rounded(price: Price, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    if price.rounding.at != "line":
        return lines
    return tuple(replace(line, amount=price.rounding.of(line.amount, price.currency)) for line in lines)


def _discounted(price: Price, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    if not price.discount_percent:
        return lines
    less = -total(lines) * price.discount_percent * PERCENT
    return _with(price, lines, Line("discount", "discount", less))


def _bounded(price: Price, lines: tuple[Line, ...], billed: Fraction, last: bool) -> tuple[Line, ...]:
    """No more than the maximum for the period and, with its last run, no less than the minimum."""
    if price.maximum is not None:
        over = billed + total(lines) - price.maximum
        if over > 0:
            lines = _with(price, lines, Line("maximum", "most of the period", -over))
    if last and price.minimum is not None:
        lacking = price.minimum - billed - total(lines)
        if lacking > 0:
            lines = _with(price, lines, Line("minimum", "least of the period", lacking))
    return lines


def _with(price: Price, lines: tuple[Line, ...], line: Line) -> tuple[Line, ...]:
    (line,) = _rounded(price, (line,))
    return (*lines, line) if line.amount else lines


def _footed(price: Price, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines, with one for what rounding their sum adds."""
    if price.rounding.at != "total":
        return lines
    amount = total(lines)
    rest = price.rounding.of(amount, price.currency) - amount
    return (*lines, Line("rounding", "rounding", rest)) if rest else lines
