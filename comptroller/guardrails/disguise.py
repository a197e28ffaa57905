"""What a text hides from patterns: findings behind invisible characters, look-alike letters and encodings.

Each is told as a place in the text as it stands, so that what is redacted is the disguise itself.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from urllib.parse import unquote

from comptroller.guardrails.normal import MOST_DECODED, folded, has_hidden, has_marks, has_run, payloads, spans
from comptroller.guardrails.pattern import nothing
from comptroller.guardrails.redact import Spot

MOST = 200_000  # characters of one text that are looked behind
MOST_WORDS = 1_024  # with escapes in them
MOST_PIECES = 512  # encoded in another way
LONG = 22  # letters and digits in a row; what guards look for is longer than what may be traced
_MARK = re.compile(r"%[0-9a-fA-F]{2}|\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|u\{[0-9a-fA-F]|U000)|&#[0-9xX]")
_TAGS = range(0xE0020, 0xE007F)  # letters that no screen shows and models read
_EDGES = (" ", "\n", "\t", '"', "'", "<", ">")
Find = Callable[[str], list[Spot]]


@dataclass(frozen=True, slots=True)
class View:
    """A text as it reads, and where each of its characters stands in the one that was written."""

    text: str
    places: list[int]

    def place(self, spot: Spot) -> Spot:
        """A finding in the view as a place in what was written."""
        return spot._replace(start=self.places[spot.start], end=self.places[spot.end - 1] + 1)


def could_hide(text: str) -> bool:
    """A cheap test before the dear ones."""
    if not text.isascii() and has_hidden(text):
        return True
    if has_marks(text) and _MARK.search(text):
        return True
    return has_run(text, LONG)


def behind(text: str, find: Find, tick: Callable[[], None] = nothing) -> list[Spot]:
    """Findings that only show once the text reads as a model would read it."""
    text = text[:MOST]
    spots = _encoded(text, find, tick)
    if not text.isascii():
        view = plain(text)
        if view.text != text:
            shown = [*find(view.text), *_encoded(view.text, find, tick)]
            spots += [view.place(spot) for spot in shown if spot.end > spot.start]
    return spots


def _encoded(text: str, find: Find, tick: Callable[[], None]) -> list[Spot]:
    """Findings in what is encoded in a text."""
    spots: list[Spot] = []
    left = MOST_DECODED
    for start, end, piece in chain(spans(text, MOST_PIECES), _escaped(text)):
        tick()
        left -= len(piece)
        if left < 0:
            break
        spots += _inside(start, end, piece, find)
    return spots


def _inside(start: int, end: int, piece: str, find: Find) -> list[Spot]:
    """Whatever is found in a decoded piece stands where all of it stands."""
    found = [spot for part in [piece, *payloads(piece)] for spot in find(part)]
    return [spot._replace(start=start, end=end) for spot in found[:1]]


def _escaped(text: str) -> Iterator[tuple[int, int, str]]:
    """Words with escapes in them, as they read."""
    done = words = 0
    for match in _MARK.finditer(text):
        if match.start() < done:
            continue
        words += 1
        if words > MOST_WORDS:
            return
        start = max(done, *(text.rfind(edge, done, match.start()) + 1 for edge in _EDGES))
        done = min((at for edge in _EDGES if (at := text.find(edge, match.end())) >= 0), default=len(text))
        word = text[start:done]
        for piece in [unquote(word, errors="replace"), *payloads(word)]:
            yield start, done, piece


def plain(text: str) -> View:
    """Letter by letter, with what is hidden left out."""
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        if letter.isascii():
            letters.append(letter)
            places.append(place)
            continue
        if ord(letter) in _TAGS:
            letter = chr(ord(letter) - 0xE0000)
        elif unicodedata.combining(letter):
            continue
        for one in folded(unicodedata.normalize("NFKC", letter)):
            letters.append(one)
            places.append(place)
    return View("".join(letters), places)
