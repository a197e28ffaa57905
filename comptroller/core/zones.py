"""Time zones by their names, as files say them."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def checked_zone(name: str) -> str:
    """The name of a zone there is; raises ValueError for any other."""
    if name != "UTC":
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"`{name}` is not a time zone. Write it like `Europe/Berlin`") from None
    return name
