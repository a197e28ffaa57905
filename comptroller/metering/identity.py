"""What makes two claims one outcome: customer, type, subject and the number of the window they fall into.

Not the contract: other terms make nothing of what was achieved before them an outcome once more.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from comptroller.core.outcome import FOREVER

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR = ("day", "week", "month", "year")


def identity(tenant: str, customer: str, type: str, subject: str, window: int) -> str:
    """The key that at most one live outcome has. Lengths stand before texts, so no two sets of them read alike."""
    told = "".join(f"{len(part)}:{part}" for part in (tenant, customer, type, subject, str(window)))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def window_of(window: str | int, at: int, zone: str = "UTC") -> int:
    """The number of the window a time falls into: of a calendar's unit in a zone, or of spans in ns since 1970."""
    if isinstance(window, int):
        return 0 if window == FOREVER else at // window
    if window not in _CALENDAR:
        raise ValueError(f"{window!r} is not a window. Use one of {', '.join(_CALENDAR)}, or a span like 30d.")
    local = _local(at, zone)
    if window == "day":
        return local.toordinal()
    if window == "week":
        return (local.toordinal() - 1) // 7  # ordinal 1 was a Monday
    return local.year * 12 + local.month - 1 if window == "month" else local.year


def month_of(at: int, zone: str) -> int:
    """The number of the month a time falls into, as the zone's calendar has it."""
    return window_of("month", at, zone)


def _local(at: int, zone: str) -> datetime:
    moment = _EPOCH + timedelta(microseconds=at // 1_000)
    return moment if zone == "UTC" else moment.astimezone(ZoneInfo(zone))
