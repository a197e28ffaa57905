"""Figures as the viewer writes them: their language's separators and their time zone, and the exact value beside it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates, numbers

NONE, MINUS = "–", "\u2212"
_SMALLEST = Decimal("0.0000005")


@dataclass(frozen=True)
class Viewer:
    """Who looks: a language tag and a time zone, as the browser says them."""

    language: str = "en-US"
    zone_name: str = "UTC"
    year: int = 0  # the present one, which goes without saying

    @cached_property
    def locale(self) -> Locale:
        """Their locale; American English where the browser says nothing we know."""
        try:
            return Locale.parse(self.language, sep="-")
        except (UnknownLocaleError, ValueError):
            return Locale("en", "US")

    @cached_property
    def zone(self) -> tzinfo:
        """Their time zone; UTC where there is no such."""
        try:
            return ZoneInfo(self.zone_name)
        except (KeyError, ValueError, OSError):
            return UTC

    def count(self, number: int | None) -> str:
        """A whole number."""
        return NONE if number is None else numbers.format_decimal(number, locale=self.locale)

    def money(self, amount: Decimal | None, currency: str) -> str:
        """An amount to be read: cents from one unit on, below that three digits that say something."""
        if amount is None:
            return NONE
        if not currency:
            return _minus(numbers.format_decimal(amount, format="#,##0.00", locale=self.locale))
        pattern = _pattern(self.locale, _places(amount))
        return _minus(numbers.format_currency(amount, currency, pattern, locale=self.locale, currency_digits=False))

    def share(self, part: float | Decimal | None, places: int = 1) -> str:
        """A share of one as per cent."""
        if part is None:
            return NONE
        own = str(self.locale.percent_formats[None].pattern)
        wanted = own.replace("##0", f"##0.{'0' * places}") if places else own
        return numbers.format_percent(part, format=wanted, locale=self.locale)

    def time(self, moment: datetime | None, seconds: bool = False) -> str:
        """A moment in their zone; the year only where it is another."""
        if moment is None:
            return NONE
        there = moment.astimezone(self.zone)
        day = dates.format_skeleton("MMMd" if there.year == self.year else "yMMMd", there, locale=self.locale)
        return f"{day}, {dates.format_time(there, 'medium' if seconds else 'short', locale=self.locale)}"

    def day(self, day: date | None) -> str:
        """A calendar day."""
        return NONE if day is None else dates.format_skeleton("yMMMd", day, locale=self.locale)

    def lasted(self, seconds: float | None) -> str:
        """How long something took."""
        if seconds is None:
            return NONE
        if seconds < 1:
            return f"{seconds * 1000:.0f} ms"
        if seconds < 60:
            return f"{numbers.format_decimal(round(seconds, 2), locale=self.locale)} s"
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return f"{minutes} min {rest} s"
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def exact_money(amount: Decimal | None, currency: str) -> str:
    """To the last digit, for whoever hovers."""
    if amount is None:
        return ""
    text = format(amount.normalize(), "f") if amount else "0"
    return f"{text} {currency}".strip()


def exact_time(moment: datetime | None) -> str:
    """To the microsecond, in UTC."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _minus(text: str) -> str:
    """With a minus for a hyphen: a line breaks behind a hyphen, and leaves the sign on the line before."""
    return text.replace("-", MINUS)


def _places(amount: Decimal) -> int:
    size = abs(amount)
    if size >= 1 or size < _SMALLEST:
        return 2
    return min(max(2, 2 - size.adjusted()), 6)


@lru_cache(maxsize=256)
def _pattern(locale: Locale, places: int) -> str:
    """The locale's own pattern for money, with so many places where they say something."""
    pattern = str(locale.currency_formats["standard"].pattern)
    return pattern.replace(".00", ".00" + "#" * (places - 2))
