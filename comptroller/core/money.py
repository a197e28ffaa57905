"""Money as whole nanos (1e-9) of a currency; no float ever touches it."""

import re
from dataclasses import dataclass
from decimal import Decimal

NANOS = 1_000_000_000
# As many digits as every store keeps exactly, with room for sums: a longer one made the books unreadable.
MOST = 10**18 * NANOS
_AMOUNT = re.compile(r"^\s*(-?\d{1,18}(?:\.\d{1,9})?)\s*([A-Z]{3})\s*$")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in nanos of one currency."""

    nanos: int
    currency: str

    def __str__(self) -> str:
        return f"{decimal_text(self.nanos)} {self.currency}"


def parse_money(text: str) -> Money:
    """Read `2.50 USD`; raises ValueError with the remedy for anything else."""
    match = _AMOUNT.match(text)
    if not match:
        raise ValueError(
            f"{text!r} is not an amount of money. Write it like `2.50 USD`, with at most 18 digits and 9 decimals."
        )
    return Money(int(Decimal(match[1]) * NANOS), match[2])


def is_money(unit: str) -> bool:
    """True for a currency, False for counted units such as `calls` and `tokens`."""
    return len(unit) == 3


def decimal_text(nanos: int, least: int = 2) -> str:
    """The exact decimal, with at least `least` decimals and no trailing zeros beyond them."""
    sign = "-" if nanos < 0 else ""
    whole, rest = divmod(abs(nanos), NANOS)
    digits = f"{rest:09d}".rstrip("0").ljust(least, "0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def largest_remainder(total: int, weights: list[int]) -> list[int]:
    """Split `total` by `weights` into whole parts that sum to it exactly; ties go to the earlier part."""
    whole = sum(weights)
    if whole <= 0:
        raise ValueError("The weights of a split must sum to more than zero.")
    parts = [total * weight // whole for weight in weights]
    rests = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in rests[: total - sum(parts)]:
        parts[i] += 1
    return parts
