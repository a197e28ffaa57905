"""What differs between two tellings of one failure, masked: figures, ids, addresses and quoted texts."""

import re
from functools import lru_cache

LONGEST = 1_000  # characters looked at: what stands further on tells no cause apart
KEPT = 200
_SPACE = r"[ \t\r\n\f\v]+"

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
    (r"(^|[^0-9A-Za-z])[A-Za-z]*[0-9][0-9A-Za-z]*", r"\1#"),  # any word with a figure in it: counts, ids, durations
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
