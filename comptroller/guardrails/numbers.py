"""Checksums and registries of the numbers that identify people: cards, IBANs, phones, papers."""

import importlib
import re
from collections.abc import Iterator

from comptroller.core.forks import LOADING
from comptroller.guardrails.pattern import NO, Check

_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_TWOS = range(2221, 2721)


def luhn(digits: str) -> bool:
    """The checksum of payment cards."""
    total = sum(int(d) if i % 2 == 0 else _DOUBLED[int(d)] for i, d in enumerate(reversed(digits)))
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """A number some brand would issue: prefix, length, checksum, and not one digit over and over."""
    return len(digits) in _lengths(digits) and len(set(digits)) > 1 and luhn(digits)


def _lengths(digits: str) -> tuple[int, ...]:
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":
        return (13, 16, 19)
    if 51 <= two <= 55 or four in _TWOS:
        return (16,)
    if two in (34, 37):
        return (15,)
    if 300 <= three <= 305 or two in (36, 38, 39):
        return (14, 16, 19)
    if 3528 <= four <= 3589 or 2200 <= four <= 2204 or four == 6011 or 644 <= three <= 659 or two in (60, 62, 81, 82):
        return (16, 17, 18, 19)
    return ()


def card_end(text: str, start: int, end: int) -> int:
    """A whole card number."""
    digits = text[start:end].replace(" ", "").replace("-", "")
    return end if is_card(digits) else NO


# Lengths from the IBAN registry.
_IBAN = {
    code: int(length)
    for length, codes in {
        "15": "NO", "16": "BE", "18": "DK FI FK FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU MN XK",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HN HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC",
        "32": "LC", "33": "RU",
    }.items()
    for code in codes.split()
}  # fmt: skip


def iban_end(text: str, start: int, end: int) -> int:
    """Where the IBAN that begins here ends: its country fixes the length, mod 97 confirms."""
    wanted = _IBAN.get(text[start : start + 2], 0)
    taken = []
    for i in range(start, end):
        if text[i] not in " -":
            taken.append(text[i])
        if len(taken) == wanted:
            compact = "".join(taken)
            return i + 1 if _mod97(compact) and not _joined(text, i + 1) else NO
    return NO


def _mod97(iban: str) -> bool:
    moved = iban[4:] + iban[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _joined(text: str, at: int) -> bool:
    return at < len(text) and text[at].isascii() and text[at].isalnum()


_GROUP_END = re.compile(r"[0-9](?![0-9])")
_SOME = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN", "AU", "BR", "AT", "CH", "BE", "PL", "SE", "JP", "MX")


def phone_abroad_end(text: str, start: int, end: int) -> int:
    """The longest valid number in international form, cut at the end of a group of digits."""
    return next((stop for stop in _group_ends(text, start, end) if _is_phone(text[start:stop], None)), NO)


def phone_us_end(text: str, start: int, end: int) -> int:
    """A valid number of the North American plan."""
    return end if _is_phone(text[start:end], "US") else NO


def phone_here_end(text: str, start: int, end: int) -> int:
    """A number announced as one (`tel`, `mobile`), valid in one of the common plans."""
    for stop in _group_ends(text, start, end):
        digits = sum(c.isdigit() for c in text[start:stop])
        if digits < 7 or (digits < 10 and text[start] not in "(0"):
            return NO
        if any(_is_phone(text[start:stop], region) for region in _SOME):
            return stop
    return NO


def _group_ends(text: str, start: int, end: int) -> Iterator[int]:
    return reversed([match.end() for match in _GROUP_END.finditer(text, start, end)])


def _is_phone(number: str, region: str | None) -> bool:
    with LOADING:  # 35 ms, so only once something looks like a number; each region's plan is loaded later still
        return _is_valid_phone(number, region)


def _is_valid_phone(number: str, region: str | None) -> bool:
    import phonenumbers

    if number.startswith("00"):
        number, region = "+" + number[2:], None
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


def stdnum_end(*modules: str) -> Check:
    """A check by python-stdnum: the number is valid in one of these modules, such as `es.dni`."""

    def check(text: str, start: int, end: int) -> int:
        value = text[start:end]
        with LOADING:
            loaded = (importlib.import_module(f"stdnum.{name}") for name in modules)  # only once there is a candidate
            return end if any(module.is_valid(value) for module in loaded) else NO

    return check


_WEIGHTS = (7, 3, 1)


def mrz_end(text: str, start: int, end: int) -> int:
    """The second line of a passport's machine-readable zone: four check digits."""
    line = text[start:end]
    parts = (line[0:10], line[13:20], line[21:28])
    whole = line[0:10] + line[13:20] + line[21:43]
    return end if all(_mrz_digit(part) for part in parts) and _mrz_digit(whole + line[43]) else NO


def _mrz_digit(part: str) -> bool:
    values = (0 if c == "<" else int(c, 36) for c in part[:-1])
    return sum(v * _WEIGHTS[i % 3] for i, v in enumerate(values)) % 10 == (0 if part[-1] == "<" else int(part[-1], 36))
