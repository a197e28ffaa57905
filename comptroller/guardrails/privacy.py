"""The guard `privacy`: data about people, told by its form and its checksum.

What it does: finds payment cards (brand, length, Luhn), IBANs (mod 97), US social security numbers, e-mail addresses,
phone numbers (valid in their plan), IP addresses, passports and national identity numbers of a dozen countries.
Why it matters: personal data in a prompt is a transfer to a processor; in a reply it may be somebody else's.
Example: `refund jane@acme.com, card 4012 8888 8888 1881` becomes `refund [email], card [card]`.
Use instead: give the agent an order or customer number, and look the person up in the tool that needs them.
How to switch it: `guards: {privacy: {in: redact, out: note}}` in a policy; leave a direction out to switch it off.
"""

import re

from comptroller.guardrails.numbers import (
    card_end,
    iban_end,
    mrz_end,
    phone_abroad_end,
    phone_here_end,
    phone_us_end,
    stdnum_end,
)
from comptroller.guardrails.papers import PAPERS
from comptroller.guardrails.pattern import AFTER, GAP, NO, Check, Pattern, accept

GUARD = "privacy"
_EDGE = r"(?<![A-Za-z0-9_])(?<![0-9][.,])"
_START = "(?:^|[^A-Za-z0-9_])"  # in triggers: one hit for each run of digits, not one for each digit


def _plain(kind: str, regex: str, trigger: str, back: int, check: Check, reach: int = 64) -> Pattern:
    return Pattern(GUARD, kind, regex, trigger, back, check, reach=reach)


# Mail, addresses of machines ----------------------------------------------------------------------------------------

_FILES = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|s?css|[jt]sx?|py|json|html?|md|txt|pdf|ico|mp4|php)\Z", re.I)


def _email_end(text: str, start: int, end: int) -> int:
    mail = text[start:end]
    if mail.startswith("git@") or _FILES.search(mail) or ".." in mail:
        return NO
    return end


_LOCAL = "A-Za-z0-9._%+'-"
EMAIL = _plain(
    "email",
    rf"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_][{_LOCAL}]{{0,63}}"
    r"@(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,4}[A-Za-z]{2,24}(?![A-Za-z0-9_-])",
    rf"[{_LOCAL}]@[A-Za-z0-9][A-Za-z0-9-]{{0,62}}\.[A-Za-z0-9]",
    64 + 1 + 63 + 2,
    _email_end,
    reach=400,
)

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_NOT_PERSONAL = re.compile(r"(?:0|127|255)\.|[12]\.0\.0\.|.*\.0\.0$")
_VERSION = re.compile(r"(?i)(?:version|release|section|sec\.|§|ver|v|rev|build|==|>=|<=|~=|@)[ :=]{0,2}\Z")


def _ipv4_end(text: str, start: int, end: int) -> int:
    if _NOT_PERSONAL.match(text[start:end]) or _VERSION.search(text[max(0, start - 12) : start]):
        return NO
    return end


IPV4 = _plain(
    "ip",
    rf"(?<![A-Za-z0-9_.-]){_OCTET}(?:\.{_OCTET}){{3}}(?![A-Za-z0-9_-]|\.[0-9])",
    r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
    3 + 1 + 3 + 1 + 3 + 1 + 1,
    _ipv4_end,
)


def _ipv6_end(text: str, start: int, end: int) -> int:
    value = text[start:end]
    if not any(c.isdigit() for c in value) or len(value) < 6 or value.count(":") < 3:
        return NO
    import ipaddress

    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        return NO
    return NO if address.is_loopback or address.is_unspecified else end


IPV6 = _plain(
    "ip",
    r"(?<![A-Za-z0-9_:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![A-Za-z0-9_:])",
    "(?:^|[^A-Za-z0-9_:.])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:",
    15,
    _ipv6_end,
)

# Cards, accounts -----------------------------------------------------------------------------------------------------

_CARD_TAIL = r"(?![A-Za-z0-9_]|[.,][0-9])"
CARDS = (
    _plain("card", rf"{_EDGE}[2-8][0-9]{{12,18}}{_CARD_TAIL}", f"{_START}[2-8][0-9]{{12}}", 13, card_end),
    _plain(
        "card",
        rf"{_EDGE}[2-8][0-9]{{3}}([ -])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}{_CARD_TAIL}",
        "[2-8][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}",
        19,
        card_end,
    ),
    _plain(
        "card",
        rf"{_EDGE}[2-8][0-9]{{3}}([ -])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{1,3}}{_CARD_TAIL}",
        "[2-8][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]",
        21,
        card_end,
    ),
    _plain(
        "card",
        rf"{_EDGE}3[0-9]{{3}}([ -])[0-9]{{6}}\1[0-9]{{4,5}}{_CARD_TAIL}",
        "3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4}",
        16,
        card_end,
    ),
)
IBAN = _plain(
    "iban",
    r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}",
    "(?:^|[^A-Za-z0-9])[A-Z]{2}[0-9]{2}[ -]?[A-Z0-9]{4}[ -]?[A-Z0-9]{4}",
    14,
    iban_end,
)
MRZ = _plain(
    "passport",
    r"(?<![A-Z0-9<])[A-Z0-9<]{9}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[A-Z0-9<]{14}[0-9<][0-9](?![A-Z0-9<])",
    "[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}",
    28,
    mrz_end,
)

# Phones --------------------------------------------------------------------------------------------------------------

_PHONE_WORDS = "phone|phones|telephone|tel|mobile|cell|call|fax|whatsapp|telefon|handy|sms|text"
PHONES = (
    _plain(
        "phone",
        rf"(?<![A-Za-z0-9+.])\+[1-9](?:[ .()/-]{{0,2}}[0-9]){{6,14}}{AFTER}",
        r"\+[1-9][0-9 .()/-]{6}",
        8,
        phone_abroad_end,
    ),
    _plain(
        "phone",
        rf"(?<![A-Za-z0-9+.-])00[1-9](?:[ .()/-]{{0,2}}[0-9]){{6,14}}{AFTER}",
        f"{_START}00[1-9][0-9 .()/-]{{6}}",
        9,
        phone_abroad_end,
    ),
    _plain(
        "phone",
        r"(?<![A-Za-z0-9+.$-])(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ -]?|[2-9][0-9]{2}[ .-])"
        r"[2-9][0-9]{2}[ .-][0-9]{4}(?![A-Za-z0-9_]|[.-][0-9])",
        r"[2-9][0-9]{2}(?:\)[ -]?|[ .-])[2-9][0-9]{2}[ .-][0-9]{4}",
        17,
        phone_us_end,
    ),
)


def _announced(kind: str, words: str, value: str, check: Check, longest: int, gap: int = 24) -> Pattern:
    """A number too plain to be told by its form alone, after a word that says what it is."""
    return Pattern(
        GUARD,
        kind,
        rf"(?i:(?<![A-Za-z\[])(?:{words})(?![A-Za-z])){GAP}{{0,{gap}}}?(?<![A-Za-z0-9])(?P<v>{value}){AFTER}",
        rf"(?:^|[^A-Za-z\[])(?:{words})(?:[^A-Za-z]|$)",
        longest + 1,
        check,
        caseless=True,
        gap=gap + 2,
        reach=longest + gap + 40,
    )


def _passport_end(text: str, start: int, end: int) -> int:
    return end if sum(c.isdigit() for c in text[start:end]) >= 5 else NO


_3_3_4 = "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}"
_SSN = "(?!000|666|9)[0-9]{3}[ -]?(?!00)[0-9]{2}[ -]?(?!0000)[0-9]{4}"
_TAX_DE = "steuer-?id|steueridentifikationsnummer|idnr|tax id"
ANNOUNCED = (
    _announced("phone", _PHONE_WORDS, r"[0-9(][0-9 .()/-]{5,18}[0-9]", phone_here_end, 9, gap=16),
    _announced("passport", "passport|reisepass|passeport|pasaporte|passaporto", "[A-Z0-9]{8,9}", _passport_end, 10),
    _announced("ssn", "ssn|social security", _SSN, accept, 15),
    _announced("nhs-number", "nhs", _3_3_4, stdnum_end("gb.nhs"), 3),
    _announced("sin", "sin|social insurance|nas", "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", stdnum_end("ca.sin"), 16),
    _announced("bsn", "bsn|burgerservicenummer|sofinummer", "[0-9]{8,9}", stdnum_end("nl.bsn"), 19),
    _announced("steuer-id", _TAX_DE, "[0-9]{2}(?: ?[0-9]{3}){3}", stdnum_end("de.idnr"), 27),
    _announced("pesel", "pesel", "[0-9]{11}", stdnum_end("pl.pesel"), 5),
    _announced(
        "personnummer",
        "personnummer|personal number",
        "(?:[0-9]{2})?[0-9]{6}[+-]?[0-9]{4}",
        stdnum_end("se.personnummer"),
        15,
    ),
    _announced("tfn", "tfn|tax file", "[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", stdnum_end("au.tfn"), 8),
    _announced("aadhaar", "aadhaa?r|uidai", "[2-9][0-9]{3}(?:[ -]?[0-9]{4}){2}", stdnum_end("in_.aadhaar"), 7),
    _announced("cpf", "cpf", "[0-9]{11}", stdnum_end("br.cpf"), 3),
)

PATTERNS: tuple[Pattern, ...] = (MRZ, *CARDS, IBAN, *PAPERS, *ANNOUNCED, EMAIL, *PHONES, IPV4, IPV6)
