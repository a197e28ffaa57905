"""How published cases write their terms: numbers by name, instants counted from t0, days, words about windows."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from comptroller.metering.rating.line import RatingError
from comptroller.metering.rating.terms import read_number

SECOND = 1_000_000_000
T0 = 1_704_067_200 * SECOND  # the first of 2024
_STEP = re.compile(r"([-+]?)(\d+)([ydhm])")
_LENGTH = {"y": 365 * 86_400, "d": 86_400, "h": 3_600, "m": 60}
_MOST = 1_000_000  # numbers that a case may stand for
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(values: Mapping[str, Any], name: str, otherwise: Fraction | None = None) -> Fraction:
    """A number that a case gives; RatingError where it is missing or none."""
    if name not in values:
        if otherwise is None:
            raise RatingError(f"The case says nothing of `{name}`. Add it to its params or usage.")
        return otherwise
    return as_number(values[name])


def as_number(value: object) -> Fraction:
    try:
        return read_number(value)
    except ValueError as error:
        raise RatingError(f"{error}.") from None


def numbers(values: object) -> list[Fraction]:
    """A list of numbers; `{repeat, times}` stands for many of one."""
    if isinstance(values, dict):
        return [number(values, "repeat")] * min(int(number(values, "times")), _MOST)
    if not isinstance(values, list):
        raise RatingError(f"{values!r} is no list of numbers. Write one.")
    return [as_number(value) for value in values]


def instant(text: str) -> int:
    """`t0+1d1h` in ns since 1970; a sign holds until the next one."""
    rest, at, sign = text.removeprefix("t0"), T0, 1
    if rest == text or _STEP.sub("", rest):
        raise RatingError(f"{text!r} is no instant. Write it like `t0+1d1h`.")
    for mark, count, unit in _STEP.findall(rest):
        sign = sign if not mark else -1 if mark == "-" else 1
        at += sign * int(count) * _LENGTH[unit] * SECOND
    return at


def moment(text: str) -> int:
    """`2024-03-09T00:00Z` in ns since 1970."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise RatingError(f"{text!r} is no time. Write it like `2024-03-09T00:00Z`.") from None
    return (read - _EPOCH) // timedelta(seconds=1) * SECOND


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RatingError(f"{text!r} is no day. Write it like `2024-03-09`.") from None


def days(text: str) -> tuple[date, date]:
    """`2024-03-01..2024-03-31`: the first and the last day."""
    first, _, last = text.partition("..")
    return day(first), day(last)


def leading(text: str) -> Fraction:
    """The number a text begins with: `200.00 before day 5`."""
    return as_number(text.split()[0] if text.split() else text)


def hours(text: str) -> dict[str, Any]:
    """Words about a window: `00-06: unit 1, commit 4 units, overage x2`."""
    span, _, terms = text.rpartition(":")
    found: dict[str, Any] = {"hours": span.strip()} if span else {}
    for term in terms.split(","):
        match term.split():
            case ["unit", unit]:
                found["unit"] = unit
            case ["commit", amount]:
                found["commit"] = amount
            case ["commit", units, "units"]:
                found["commit_units"] = units
            case ["overage", factor]:
                found["factor"] = factor.removeprefix("x")
            case ["no", "commitment"]:
                pass
            case _:
                raise RatingError(f"{term.strip()!r} says nothing of a window. Write `unit 1` or `commit 10`.")
    return found
