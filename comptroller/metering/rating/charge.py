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
    lines = (
        _delta(price, usage, before, last) if price.again == "delta" and before else _new(price, usage, before, last)
    )
    return _summed(price, lines)


def _new(price: Price, usage: Usage, before: Before | None, last: bool) -> tuple[Line, ...]:
    """The lines for what is new, bounded by what was billed before."""
    if before is None:
        return _whole(price, usage, ZERO, last)
    gross = tuple(_gross(price, usage))
    if price.again == "progressive":
        known = before.usage or Usage()
        gross = merge((*_gross(price, known + usage), *negate(merge(_gross(price, _like(known, usage))))))
    return _bounded(price, _discounted(price, _rounded(price, gross)), _billed(price, before), last)


def _like(known: Usage, usage: Usage) -> Usage:
    """What was known before, with nothing where it said nothing of what the new usage tells."""
    value = (
        ZERO if known.value is None and (usage.events or usage.value is not None) and not known.events else known.value
    )
    return replace(known, value=value, cost=ZERO if known.cost is None and usage.cost is not None else known.cost)


def _delta(price: Price, usage: Usage, before: Before, last: bool) -> tuple[Line, ...]:
    """What the period costs now less what it was billed; the lines tell which part changed."""
    now = _whole(price, usage, ZERO, last)
    then = () if before.usage is None else _whole(price, before.usage, ZERO, False)
    lines = merge((*now, *negate(then)))
    billed = _billed(price, before)
    rest = total(now) - billed - total(lines)
    return (*lines, Line("billed", "billed before", rest)) if rest else lines


def _whole(price: Price, usage: Usage, billed: Fraction, last: bool) -> tuple[Line, ...]:
    gross = merge(_gross(price, usage))
    return _bounded(price, _discounted(price, _rounded(price, gross)), billed, last)


def _billed(price: Price, before: Before) -> Fraction:
    if before.billed is not None:
        return before.billed
    return ZERO if before.usage is None else total(_whole(price, before.usage, ZERO, False))


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


def _summed(price: Price, lines: tuple[Line, ...]) -> Rated:
    amount = total(lines)
    if price.rounding.at == "total":
        rounded = price.rounding.of(amount, price.currency)
        if rounded != amount:
            lines = (*lines, Line("rounding", "rounding", rounded - amount))
        amount = rounded
    return Rated(lines, amount, price.currency)
