"""What a command prints: plain text that agents cannot forge, colour only on a terminal, JSON for machines."""

import json
import os
import re
import sys
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from comptroller.core.money import NANOS, decimal_text

# Escape sequences go as a whole, so that no "[31m" is left of them; then every control or formatting character,
# among them those that turn the reading direction around or take no room.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x1b\\|\x07|$)|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]", re.DOTALL
)
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

# Status is a word and a mark, never colour alone. The second mark is for terminals without Unicode.
MARKS = {
    "ok": ("✓", "+", "32"),
    "open": ("…", ".", "36"),
    "error": ("✗", "x", "31"),
    "abandoned": ("✗", "x", "31"),
    "cut": ("✗", "x", "31"),
    "cancelled": ("✗", "x", "31"),
    "expired": ("✗", "x", "31"),
    "denied": ("⊘", "-", "33"),
    "over_budget": ("⊘", "-", "33"),
    "rate_limited": ("⊘", "-", "33"),
    "pending": ("?", "?", "33"),
    "redact": ("▒", "#", "35"),
    "warn": ("!", "!", "33"),
    "fail": ("✗", "x", "31"),
}
_BRANCHES = (("├─ ", "└─ ", "│  ", "   "), ("|- ", "`- ", "|  ", "   "))


def clean(text: object, lines: bool = False) -> str:
    """Text of others made harmless for a terminal: one line, or with `lines` its line breaks and tabs kept."""
    bare = _ESCAPES.sub("", str(text))
    kept = []
    for char in bare:
        if char in "\n\t":
            kept.append(char if lines else " ")
        elif unicodedata.category(char) not in _HIDDEN:
            kept.append(char)
    return "".join(kept)


def short(text: object, most: int = 60) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else line[: most - 3].rstrip() + "..."


def status(word: str) -> str:
    """A status as mark and word."""
    mark, plain, colour = MARKS.get(word, ("·", "*", "0"))
    return paint(f"{mark if _unicode() else plain} {clean(word).replace('_', ' ')}", colour)


def branches() -> tuple[str, str, str, str]:
    """What a tree is drawn with: branch, last branch, trunk, gap."""
    return _BRANCHES[0] if _unicode() else _BRANCHES[1]


def paint(text: str, colour: str) -> str:
    """Colour for a terminal; nothing is said by colour alone."""
    return f"\x1b[{colour}m{text}\x1b[0m" if coloured() else text


def coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(line: str = "") -> None:
    """Print a line that is clean already."""
    sys.stdout.write(line + "\n")


def say_json(value: object) -> None:
    """Print JSON: money as exact decimal strings, times in ISO 8601, nothing a terminal would act on."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain) + "\n")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print columns as wide as they need to be; those in `right` flush right."""
    widths = [max(_width(head), *(_width(row[i]) for row in rows), 0) for i, head in enumerate(heads)]
    for number, row in enumerate([heads, *rows]):
        cells = [_fit(cell, widths[i], i in right) for i, cell in enumerate(row)]
        line = "  ".join(cells).rstrip()
        say(paint(line, "1") if number == 0 else line)


def money(value: Decimal, currency: str) -> str:
    """An exact amount with its currency."""
    return f"{amount(value)} {clean(currency)}".rstrip()


def amount(value: Decimal) -> str:
    """The exact decimal of an amount from the books."""
    return decimal_text(int(value * NANOS))


def moment(value: datetime | None) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S") if value else "-"


def duration(begun: datetime | None, ended: datetime | None) -> str:
    """How long something took, as people say it."""
    if begun is None or ended is None:
        return "-"
    seconds = (ended - begun).total_seconds()
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _fit(cell: str, width: int, right: bool) -> str:
    gap = " " * (width - _width(cell))
    return gap + cell if right else cell + gap


def _width(text: str) -> int:
    bare = _ESCAPES.sub("", text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in bare)


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")


def _plain(value: Any) -> object:
    if isinstance(value, Decimal):
        return amount(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
