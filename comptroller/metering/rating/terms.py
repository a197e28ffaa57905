"""How numbers of prices are read and written: exact, never through binary fractions."""

import re
from decimal import Decimal, localcontext
from fractions import Fraction
from numbers import Real

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_SHARE = re.compile(r"(\d+)/([1-9]\d*)")
_MOST_DIGITS = 40
_SURE_DIGITS = 15  # so many digits of a number survive on their way through a binary fraction


def read_number(value: object) -> Fraction:
    """The exact number a user wrote: a whole number, a decimal, or a text such as `0.0006` or `1/3`.

    Raises ValueError, in words, for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (str, Decimal, Fraction, Real)):
        raise ValueError(f"{value!r} is not a number. Write it like `0.99`")
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
        raise ValueError(f"A number of more than {_MOST_DIGITS} digits is none to count with. Write a smaller one")
    text = format(value, "f") if isinstance(value, Decimal) and _short(value) else str(value).strip()
    if share := _SHARE.fullmatch(text):
        return Fraction(int(share[1]), int(share[2]))
    return _decimal(text, isinstance(value, (str, Decimal)))


def _short(number: Decimal) -> bool:
    """True where writing it out takes no more digits than we read."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) < _MOST_DIGITS


def _decimal(text: str, exact: bool) -> Fraction:
    if not exact and "e" in text:
        text = format(Decimal(text), "f")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number. Write it like `0.99`")
    digits = len(text.replace(".", "").strip("+-0"))
    if len(text) > _MOST_DIGITS or (not exact and digits > _SURE_DIGITS):
        raise ValueError(f"{text} has too many digits to be sure of. Write at most 40, in quotes")
    return Fraction(text)


def plain(number: Fraction, least: int = 0) -> str:
    """The number as a decimal with at least so many places; a fraction where no decimal is exact."""
    places = _places(number.denominator)
    if places is None:
        return f"{number.numerator}/{number.denominator}"
    with localcontext() as context:
        context.prec = 400
        scaled = Decimal(int(number * 10**places)).scaleb(-places)
        return format(scaled.quantize(Decimal(1).scaleb(-max(places, least))), "f")


def _places(denominator: int) -> int | None:
    """How many decimals a fraction with this denominator needs; None where there is no end of them."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None
