"""Caps and lengths of time, as people write them."""

import re

from comptroller.core.money import parse_money

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_RATE = re.compile(r"(\d{1,15})\s*/\s*(s|sec|second|m|min|minute|h|hour|d|day)")
_SPANS = {"s": "s", "m": "min", "h": "hour", "d": "day"}
_SHARE = re.compile(r"(\d{1,3}(?:\.\d)?)\s*%")
_COUNT = re.compile(r"(\d{1,15})\s+(calls?|tokens?)")


def read_duration(text: object) -> float:
    """Seconds of `20s`, `5m`, `4h`, `2d`; raises ValueError with the remedy."""
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{text!r} is not a length of time. Write it like `20s`, `5m`, `4h` or `2d`")
    return float(match[1]) * _SECONDS[match[2]]


def read_cap(text: str) -> tuple[str, int]:
    """Unit and limit of `2.50 USD` (in nanos), `100 calls`, `50000 tokens`; raises ValueError with the remedy."""
    count = _COUNT.fullmatch(text.strip())
    if count:
        return count[2].rstrip("s") + "s", int(count[1])
    try:
        money = parse_money(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a cap. Write it like `2.50 USD`, `100 calls` or `50000 tokens`") from None
    if money.nanos < 0:
        raise ValueError(f"A cap below zero, {text!r}, lets nothing happen and means nothing. Write `0 USD` or more")
    return money.currency, money.nanos


def read_rate(text: object) -> tuple[int, str]:
    """Amount and length of time (s, min, hour, day) of `60/min`; raises ValueError with the remedy."""
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{text!r} is not a rate. Write it like `60/min`, in any of s, min, hour, day")
    if not int(match[1]):
        raise ValueError(f"{text!r} lets nothing pass at all. Write at least 1, or a rule with `then: deny`")
    return int(match[1]), _SPANS[match[2][0]]


def read_share(text: object) -> int:
    """Thousandths of `50%`; raises ValueError with the remedy."""
    match = _SHARE.fullmatch(text.strip()) if isinstance(text, str) else None
    whole, _, tenths = match[1].partition(".") if match else ("", "", "")
    if not match or not 0 < (share := int(whole) * 10 + int(tenths or 0)) <= 1_000:
        raise ValueError(f"{text!r} is not a share. Write it like `50%`, above 0 and at most 100")
    return share
