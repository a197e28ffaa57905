"""What differs between two tellings of one failure, masked: figures, ids, addresses and quoted texts."""

import re
from functools import lru_cache

LONGEST = 1_000  # characters looked at: what stands further on tells no cause apart
KEPT = 200
_SPACE = r"[ \t\r\n\f\v]+"

# What a server answered tells causes apart, so these figures stay.
_KNOWN = (*range(400, 406), 408, 409, 410, 413, 415, 422, 429, *range(500, 505), 529)
STATUSES = tuple(str(number) for number in _KNOWN)
_ANY = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _figures() -> str:
    """Any word with a figure in it but the statuses: spelt out, as neither engine can look ahead."""
    shapes = ["[A-Za-z]+[0-9][0-9A-Za-z]*", "[0-36-9][0-9A-Za-z]*", r"[45][0-9A-Za-z]?\b", "[45][0-9A-Za-z]{3,}"]
    for first in "45":
        seconds = sorted({status[1] for status in STATUSES if status[0] == first})
        shapes.append(f"{first}[{_but(seconds)}][0-9A-Za-z]\\b")
        for second in seconds:
            thirds = [status[2] for status in STATUSES if status[:2] == first + second]
            shapes.append(f"{first}{second}[{_but(thirds)}]\\b")
    return "|".join(shapes)


def _but(letters: list[str]) -> str:
    return "".join(one for one in _ANY if one not in letters)


# One rule for Python and for the books' SQL, in this order. Only what `re` and RE2 read alike: no lookaround, and none
# of \w, \s and \d, whose letters differ (\b is ASCII in both). No pattern may try every letter of a long word as its
# start without a bound: others wrote these texts, and it would take the square of their length.
MASKS: tuple[tuple[str, str], ...] = (
    (_SPACE, " "),
    (r"(?:https?|wss?|ftps?|file|s3|gs|postgres|postgresql|mysql|redis|amqp)://[^ \"'`<>)}\]]+", "<url>"),
    (r"[0-9A-Za-z._%+-]{1,64}@[0-9A-Za-z.-]{1,255}", "<email>"),
    (r'"[^"]*"', '"..."'),
    (r"`[^`]*`", "`...`"),
    (r"(^|[^0-9A-Za-z])'[^']*'", r"\1'...'"),  # an apostrophe inside a word quotes nothing
    (r"(^|[^0-9A-Za-z])[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", r"\1#"),
    (rf"(^|[^0-9A-Za-z])(?:{_figures()})", r"\1#"),  # counts, ids, durations
    (r"\b[a-fA-F]{8,}\b", "#"),
    (r"#(?:[.,:/+-]?#)+", "#"),  # 1,042.50 and 12:30:01 and 3/5 are one figure
)
_COMPILED = tuple((re.compile(pattern, re.ASCII), by) for pattern, by in MASKS)


def normalise(text: str) -> str:
    """A message with everything masked that changes from one time to the next, so that one cause is one text."""
    return _normalise(text[:LONGEST])


@lru_cache(maxsize=4_096)  # a loop fails with one message a thousand times
def _normalise(text: str) -> str:
    for pattern, by in _COMPILED:
        text = pattern.sub(by, text)
    return text.strip(" ")[:KEPT]


def masked(expression: str) -> str:
    """The same in SQL, of an expression."""
    made = f"left({expression}, {LONGEST})"
    for pattern, by in MASKS:
        made = f"regexp_replace({made}, {_quoted(pattern)}, {_quoted(by)}, 'g')"
    return f"left(trim({made}, ' '), {KEPT})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
