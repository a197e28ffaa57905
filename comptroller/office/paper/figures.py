"""Amounts, quantities and days as an invoice writes them."""

from datetime import date

from comptroller.core.currencies import minor_places
from comptroller.core.money import NANOS

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩", "CHF": "CHF ", "CNY": "CN¥"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MINUS = "−"


def money(nanos: int, currency: str) -> str:
    """An amount with its sign and as many decimals as the currency has, more only where there are more: $2,652.00."""
    whole, rest = divmod(abs(nanos), NANOS)
    places = minor_places(currency)
    digits = f"{rest:09}"
    kept = digits[:places] + digits[places:].rstrip("0")
    text = f"{whole:,}.{kept}" if kept else f"{whole:,}"
    return f"{MINUS if nanos < 0 else ''}{_SIGNS.get(currency, f'{currency} ')}{text}"


def unit(text: str, currency: str) -> str:
    """The price of one unit, from its decimal; a percentage stays one."""
    if not text or text.endswith("%"):
        return text.replace(" %", "%")
    if "/" in text:
        return text
    whole, _, rest = text.partition(".")
    return money(int(whole) * NANOS + int(rest.ljust(9, "0")[:9] or 0), currency) if len(rest) <= 9 else text


def quantity(text: str) -> str:
    """A count with its thousands apart."""
    whole, dot, rest = text.partition(".")
    return f"{int(whole):,}{dot}{rest}" if whole.lstrip("-").isdigit() else text


def day(text: str) -> str:
    """2026-11-20 as 20 Nov 2026."""
    return _long(date.fromisoformat(text)) if text else ""


def days(first: str, last: str) -> str:
    """Two days with what they share said once: 21 Oct – 20 Nov 2026."""
    one, other = date.fromisoformat(first), date.fromisoformat(last)
    if one.year != other.year:
        return f"{_long(one)} – {_long(other)}"
    short = f"{one.day}" if one.month == other.month else f"{one.day} {_MONTHS[one.month - 1]}"
    return f"{short} – {_long(other)}"


def _long(known: date) -> str:
    return f"{known.day} {_MONTHS[known.month - 1]} {known.year}"
