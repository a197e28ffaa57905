"""Text as it reads rather than as it was written: invisible characters gone, look-alikes folded, payloads decoded.

Whoever hides a value from a reader of bytes writes it so that a model still understands it. All of this is bounded:
a text is gone over a fixed number of times, and what it decodes to may not outgrow it without end.
"""

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote

MOST_PAYLOADS = 64  # pieces decoded of one text
MOST_DECODED = 65_536  # characters they may have together
DEEPEST = 3  # encodings inside encodings
SPELT_LETTERS = 8  # in what is spelt letter by letter

# Characters nobody sees: zero-width, bidi controls, soft hyphen, variation selectors, fillers, tags.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
# Letters that look like Latin ones; compatibility forms (full width, mathematical, circled) Unicode itself folds.
_FROM = "абвгдеѕіјкԛмһоорсртухԝүҺѵԁӏ" + "αβγεζηικνορτυχω" + "ıɑɡⅼ" + "օսրհց" + "ᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢ"
_INTO = "a6brdesijkqmhoopcptyxwyhvdl" + "abyeznikvoptuxw" + "iagl" + "ouphg" + "abcdeghijklmnoprtuvwyz"
_LATIN = {ord(odd): plain for odd, plain in zip(_FROM, _INTO, strict=True)} | {ord("в"): "b", ord("н"): "h"}
_CASED = _LATIN | {ord(chr(odd).upper()): plain.upper() for odd, plain in _LATIN.items() if len(chr(odd).upper()) == 1}
_CASED |= dict(zip(map(ord, "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"), "ABEZHIKMNOPTYX", strict=True))  # not like their small ones
_ODD = _HIDDEN.pattern[1:-1] + "".join(map(chr, _CASED))
# Beside plain letters only: a text in another script, or with an emoji put together, is no disguise.
_DISGUISED = re.compile(
    f"[A-Za-z0-9][{_ODD}\u0300-\u036f]|[{_ODD}][A-Za-z0-9]"
    "|[\uff01-\uff5e\u2460-\u24ff\U0001d400-\U0001d7ff\U000e0020-\U000e007e]"
)
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,5})\}|U000([0-9a-fA-F]{5}))")
_ENTITY = re.compile(r"&(?:#\d{2,7}|#[xX][0-9a-fA-F]{2,6}|[a-zA-Z]{2,8});")
# What is encoded begins behind a character that cannot be part of it, and these patterns begin with that one: `re`
# leaps from one to the next, in a quarter of the time that it takes to look back from every letter. See `_places`.
_BASE64 = re.compile(r"[^A-Za-z0-9+/_-][A-Za-z0-9+/_-]{16,}(?:\s{1,8}[A-Za-z0-9+/_-]{16,}){0,200}")
_PADDING = re.compile("={0,2}")
_HEX = re.compile(
    r"[^0-9a-zA-Z](?:0x)?[0-9a-fA-F]{2}"
    r"(?:(?:[ :]?(?:0x)?[0-9a-fA-F]{2}){7,}|(?:-[0-9a-fA-F]{2}){7,}|(?:, ?(?:0x)?[0-9a-fA-F]{2}){7,})(?![0-9a-zA-Z])"
)
_SPELT = re.compile(r"[^A-Za-z0-9][A-Za-z0-9]([ .,_|/*-])(?:[A-Za-z0-9]\1){14,}[A-Za-z0-9](?![A-Za-z0-9])")
_LETTER = re.compile("[A-Za-z]")
_MARK = re.compile(r"%[0-9a-fA-F]{2}|\\(?:[ux][0-9a-fA-F]{2}|u\{|U000)|&[#a-zA-Z]")
# A run of letters and digits as long as this is no word. With all of them made one letter it is a search for so many of
# that letter: a fiftieth of what a pattern takes. Likewise pairs in a row, as dumps of bytes have them.
LONG = 16
_ALIKE = bytes(120 if code < 128 and chr(code).isalnum() else 32 for code in range(256))
# As patterns that begin with a space they take an eighth of what looking for the same bytes takes.
_ROWS = tuple(re.compile(row) for row in (b" xx" * 7, b"  xxxx" * 7, b" x" * 16))
_LINES = re.compile(rb"x{16} {1,2}x{16}")


def is_odd(text: str) -> bool:
    """Whether anything in a text could be hidden or encoded: a cheap test before the dear ones."""
    return not text.isascii() or has_run(text, LONG) or has_marks(text)


def has_run(text: str, long: int) -> bool:
    """Whether letters and digits stand in a run as long as encodings have them, or in rows of pairs or lines."""
    alike = b"  " + text.encode("ascii", "replace").translate(_ALIKE)
    if b"x" * LONG in alike and (b"x" * long in alike or _LINES.search(alike)):
        return True
    return any(row.search(alike) for row in _ROWS)


def has_marks(text: str) -> bool:
    """Whether characters in it are written as escapes."""
    return ("%" in text or "\\" in text or "&" in text) and _MARK.search(text) is not None


def normal(text: str) -> str:
    """The text in one case and without tricks of Unicode. Not for showing: letters of other scripts are folded too."""
    if text.isascii():
        return text.lower()
    text = _HIDDEN.sub("", text)
    return unicodedata.normalize("NFKC", text).casefold().translate(_LATIN)


def has_hidden(text: str) -> bool:
    """Whether it holds characters nobody sees, letters that look like others, or other forms of letters."""
    return _DISGUISED.search(text) is not None


def folded(text: str) -> str:
    """The text without the characters nobody sees, look-alike letters as what they look like; case stays."""
    return _HIDDEN.sub("", text).translate(_CASED)


def tagged(text: str) -> str:
    """What is written in tag characters, which no screen shows and models read."""
    if text.isascii():
        return ""
    return " ".join("".join(chr(ord(c) - 0xE0000) for c in run[0]) for run in _TAGS.finditer(text))


def payloads(text: str) -> list[str]:
    """The readable texts that are encoded inside a text, and inside those."""
    found: list[str] = []
    left, ahead = MOST_DECODED, [text]
    for _ in range(DEEPEST):
        inner: list[str] = []
        for outer in ahead:
            for piece in _decoded(outer):
                if len(found) >= MOST_PAYLOADS or left <= 0:
                    return found
                piece = piece[:left]
                left -= len(piece)
                found.append(piece)
                inner.append(piece)
        if not inner:
            return found
        ahead = inner
    return found


def spans(text: str, most: int = MOST_PAYLOADS) -> Iterator[tuple[int, int, str]]:
    """Where each payload stands in a text, and what it reads as."""
    yield from islice(_places(text), most)


def _decoded(text: str) -> Iterator[str]:
    hidden = tagged(text)
    if hidden:
        yield hidden
    if "%" in text and _PERCENT.search(text):
        yield unquote(text, errors="replace")
    if "\\" in text and _ESCAPE.search(text):
        yield _ESCAPE.sub(_escaped, text)
    if "&" in text and _ENTITY.search(text):
        plain = html.unescape(text)
        if plain != text:
            yield plain
    for _, _, piece in _places(text):
        yield piece


def _places(text: str) -> Iterator[tuple[int, int, str]]:
    led = f" {text}"  # so that something stands before its first character too; all places are one too far
    for match in _HEX.finditer(led):
        piece = _of_hex(match[0][1:])
        if piece:
            yield match.start(), match.end() - 1, piece
    for match in _BASE64.finditer(led):
        piece = _of_base64(match[0][1:])
        if piece:
            padding = _PADDING.match(led, match.end())
            yield match.start(), (padding.end() if padding else match.end()) - 1, piece
    for match in _SPELT.finditer(led):
        piece = match[0][1::2]
        if len(_LETTER.findall(piece)) >= SPELT_LETTERS:  # rows of figures are tables
            yield match.start(), match.end() - 1, piece


def _escaped(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2] or match[3] or match[4], 16))


def _of_hex(text: str) -> str:
    digits = re.sub(r"0x|[ ,:-]", "", text)
    try:
        return _readable(bytes.fromhex(digits[:MOST_DECODED]))
    except ValueError:
        return ""


def _of_base64(text: str) -> str:
    letters = re.sub(r"\s|=", "", text)[:MOST_DECODED].translate({45: "+", 95: "/"})
    if letters.isalpha() and (letters.islower() or letters.isupper()):
        return ""  # a long word
    try:
        return _readable(base64.b64decode(letters[: len(letters) // 4 * 4 or None] + _tail(letters)))
    except (binascii.Error, ValueError):
        return ""


def _tail(letters: str) -> str:
    rest = len(letters) % 4
    return letters[-rest:] + "=" * (4 - rest) if rest > 1 else ""


def _readable(data: bytes) -> str:
    """The text that bytes hold; nothing where they are no text."""
    try:
        text = data.decode("utf-16-le" if data[1::2].count(0) * 2 > len(data) * 0.9 else "utf-8")
    except UnicodeDecodeError:
        return ""
    printable = sum(c.isprintable() or c in "\n\r\t" for c in text)
    return text if len(text) >= 4 and printable * 20 >= len(text) * 19 else ""
