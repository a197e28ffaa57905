"""Values inside longer text, each in one spelling: addresses, links and their hosts, accounts, dates, times, numbers.

All of it works on text that `normal` has been over: lower case, no look-alikes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

Kind = Literal["mail", "link", "host", "account", "phone", "date", "time", "number"]
REACHING: frozenset[Kind] = frozenset({"mail", "link", "host", "account", "phone"})  # these lead somewhere
MOST = 4_000  # values taken from one text


@dataclass(frozen=True, slots=True)
class Value:
    """A value found in a text; `key` is equal for all its spellings."""

    kind: Kind
    key: str
    start: int
    end: int


_TLD = r"(?:com|org|net|io|dev|app|info|biz|co|me|xyz|top|site|online|cloud|ai|eu|uk|de|fr|it|es|nl|ch|at|pl|ru|cn|jp|in|br|ca|au|us|gov|edu|mil|int|ly|gg|sh|to|cc|tv)"  # noqa: E501
_MAIL = re.compile(r"(?<![\w.+-])[\w.+'-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_LINK = re.compile(
    rf"(?:https?|ftp|wss?)://[^\s<>\"'`{{}}|\\^\[\]]+|(?<![\w@.-])(?:[\w-]+\.)+{_TLD}(?![\w-])(?:[/?#:][^\s<>\"'`{{}}|\\^\[\]]*)?"
)
_HOST = re.compile(rf"\.{_TLD}(?![\w-])")  # without it and without a scheme there is no link: a tenth of the time
# Patterns of figures begin with a digit and look back from there: `re` leaps from digit to digit, in a sixth of the
# time that it takes to look back from every letter. What may stand before the first digit is added by `_begun`.
_ACCOUNT = re.compile(
    r"\d{2}(?<=(?<![a-z0-9])[a-z]{2}\d{2})"
    r"(?:[a-z0-9]{11,30}|(?:[ -][a-z]{4})?(?:[ -]\d{4}){2,7}(?:[ -]\d{1,4})?)(?![a-z0-9])"
)
_PHONE = re.compile(r"\d(?<![\w.]\d)[\d ()/.-]{7,20}\d(?![\w])")
_MONTHS = {name: number for number, names in enumerate((
    ("jan", "january"), ("feb", "february"), ("mar", "march"), ("apr", "april"), ("may",), ("jun", "june"),
    ("jul", "july"), ("aug", "august"), ("sep", "sept", "september"), ("oct", "october"), ("nov", "november"),
    ("dec", "december")), 1) for name in names}  # fmt: skip
_BEGINNINGS = tuple({name[:3] for name in _MONTHS})
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_ISO = re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
_NUMERIC = re.compile(r"(?<!\d)(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?!\d)")
_DAY_FIRST = re.compile(rf"(?<!\w)(\d{{1,2}})(?:st|nd|rd|th)?\.?(?: of)? ({_MONTH})\.?(?:,? (\d{{4}}))?(?!\w)")
_MONTH_FIRST = re.compile(rf"(?<!\w)({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?(?!\w)")
_TIME = re.compile(r"(\d(?<![\d:.]\d)\d?)(?:[:.](\d{2}))?(?::\d{2})? ?(am|pm|a\.m\.|p\.m\.)?(?![\w:])")
_CLOCK = re.compile(r"\d ?[ap]\.?m")
_NUMBER = re.compile(
    r"\d(?<![\w.]\d)(?:\d{0,2}(?:[,' ]\d{3})+|\d{0,2}(?:\.\d{3})+(?=,\d)|\d{0,17})(?:[.,]\d{1,9})?(?![\w])"
)
_DIGIT = re.compile(r"\d")
_STANDS = re.compile(r"\d(?<!\w\d)")  # a figure, and no part of a word such as `name5`
_TRAIL = ".,;:!?)'\""


def values_in(text: str) -> list[Value]:
    """Every value of a text, those that lead somewhere first."""
    found: list[Value] = []
    for value in _all(text):
        found.append(value)
        if len(found) >= MOST:
            break
    return found


def _all(text: str) -> Iterator[Value]:
    if "@" in text:
        for match in _MAIL.finditer(text):
            address = match[0].rstrip(".-")
            yield Value("mail", f"@m{address}", match.start(), match.start() + len(address))
    if "://" in text or ("." in text and _HOST.search(text)):
        yield from _links(text)
    if _DIGIT.search(text) is None:
        return
    figures = _STANDS.search(text) is not None
    taken = bytearray(len(text))  # by a longer value: its digits are no figures of their own
    for value in (*_accounts(text, figures), *_dates(text, figures), *_times(text)):
        if not text[value.start : value.end].isdigit():
            taken[value.start : value.end] = b"\1" * (value.end - value.start)
        yield value
    for match in _NUMBER.finditer(text) if figures else ():
        start = _begun(text, match.start(), "-")
        if not taken[start] and (number := _number(text[start : match.end()])) is not None:
            yield Value("number", number_key(number), start, match.end())


def _accounts(text: str, figures: bool) -> Iterator[Value]:
    for match in _ACCOUNT.finditer(text):
        start = match.start() - 2  # the country
        yield Value("account", f"@a{re.sub('[ -]', '', text[start : match.end()])}", start, match.end())
    for match in _PHONE.finditer(text) if figures else ():
        start = _begun(text, match.start(), "(", "+")
        whole = text[start : match.end()]
        digits = re.sub(r"\D", "", whole)
        plain = re.fullmatch(r"\d+[.]\d+", whole)
        if 8 <= len(digits) <= 19 and not plain and not _ISO.match(whole) and not _NUMERIC.match(whole):
            yield Value("phone", f"@p{digits.lstrip('0')}", start, match.end())


def _begun(text: str, start: int, *signs: str) -> int:
    """Where a figure begins if these signs, the nearest first, belong to it: none does that ends a word itself."""
    for sign in signs:
        before = text[start - 2 : start - 1] if start > 1 else ""
        if text[start - 1 : start] == sign and not (before.isalnum() or before in (".", "_")):
            start -= 1
    return start


def _times(text: str) -> Iterator[Value]:
    for match in _TIME.finditer(text) if ":" in text or _CLOCK.search(text) else ():
        if (time := _time(match)) is not None:
            yield Value("time", f"@t{time}", match.start(), match.end())


def _links(text: str) -> Iterator[Value]:
    for match in _LINK.finditer(text):
        link = match[0].rstrip(_TRAIL)
        end = match.start() + len(link)
        bare = re.sub(r"^\w+://", "", link)
        host = re.split(r"[/?#:]", bare.rpartition("@")[2] if "@" in bare.split("/")[0] else bare, maxsplit=1)[0]
        yield Value("link", f"@l{bare.rstrip('/').removeprefix('www.')}", match.start(), end)
        yield Value("host", f"@h{host.removeprefix('www.')}", match.start(), end)


def _dates(text: str, figures: bool) -> Iterator[Value]:
    if "-" not in text and "/" not in text and "." not in text:
        yield from _worded(text, figures)
        return
    for match in _ISO.finditer(text):
        yield from _date(match, int(match[1]), int(match[2]), int(match[3]))
    for match in _NUMERIC.finditer(text):
        yield from _date(match, int(match[3]), int(match[2]), int(match[1]))
        yield from _date(match, int(match[3]), int(match[1]), int(match[2]))
    yield from _worded(text, figures)


def _worded(text: str, figures: bool) -> Iterator[Value]:
    """Dates with the month as a word."""
    if not figures or not any(
        month in text for month in _BEGINNINGS
    ):  # five times as quick as the pattern that begins with one
        return
    for match in _DAY_FIRST.finditer(text):
        yield from _date(match, int(match[3] or 0), _MONTHS[match[2]], int(match[1]))
    for match in _MONTH_FIRST.finditer(text):
        yield from _date(match, int(match[3] or 0), _MONTHS[match[1]], int(match[2]))


def _date(match: re.Match[str], year: int, month: int, day: int) -> Iterator[Value]:
    """A date; and without its year, as people write it too."""
    if 1 <= month <= 12 and 1 <= day <= 31:
        if year:
            yield Value("date", f"@d{year:04}-{month:02}-{day:02}", match.start(), match.end())
        yield Value("date", f"@d{month:02}-{day:02}", match.start(), match.end())


def _time(match: re.Match[str]) -> str | None:
    if not match[2] and not match[3]:
        return None
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        hour = hour % 12 + 12 * (match[3][0] == "p")
    return f"{hour:02}:{minute:02}" if hour < 25 and minute < 60 else None


def _number(text: str) -> Decimal | None:
    plain = re.sub("[' ]", "", text)
    if re.fullmatch(r"-?\d{1,3}(?:\.\d{3})+,\d+", plain):
        plain = plain.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?", plain):
        plain = plain.replace(",", "")
    else:
        plain = plain.replace(",", ".")
    try:
        return Decimal(plain)
    except InvalidOperation:
        return None


def number_key(number: Decimal | int | float) -> str:
    """The key of a number, however it is written."""
    value = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    if not value.is_finite():
        return "@n?"
    if abs(value.adjusted()) > 40:
        return f"@n{value.normalize()}"
    return f"@n{value.normalize():f}"
