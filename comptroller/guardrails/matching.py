"""The index of everything one run has read: which source holds which word, in what order they came.

A word costs one look-up however much was read; where words stand side by side is then looked up in the few sources
that hold all of them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

from comptroller.core.origin import Label, Secrecy

_ALONE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts without spaces: each letter a word
_WORD = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}])[^\W_])+")
_ASCII = str.maketrans({chr(c): " " for c in range(128) if not chr(c).isalnum()})
SHORT_DIGITS = 4  # a number as short as this stands in every text; only where it stands alone it counts


def words_of(text: str) -> list[str]:
    """The words of a text that `normal` has been over."""
    return text.translate(_ASCII).split() if text.isascii() else _WORD.findall(text)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A text the run has read, or the part of one that has a label of its own."""

    number: int
    name: str  # as `sources(...)` says it
    label: Label
    secrecy: Secrecy
    joined: str  # its words with single spaces, pieces apart by NUL
    asked: str = ""  # the words of the call it answers: what a result only repeats does not come from it

    def holds(self, phrase: str) -> bool:
        """Whether a phrase, with a space on either side, stands in it and was not put there by whoever asked."""
        return phrase in self.joined and not (self.asked and phrase in self.asked)


class Index:
    """Sources in the order in which they came, by word and by value."""

    __slots__ = ("_masks", "_users", "chars", "sources")

    def __init__(self) -> None:
        self._masks: dict[str, int] = {}
        self._users = 0  # the sources that are the user's own
        self.sources: list[Source] = []
        self.chars = 0

    def add(self, source: Source, words: Iterable[str], keys: Iterable[str]) -> None:
        """Take a source in; it must bear the next number."""
        bit, masks = 1 << source.number, self._masks
        for word in {*words, *keys}:
            masks[word] = masks.get(word, 0) | bit
        if source.label == "user":
            self._users |= bit
        self.sources.append(source)
        self.chars += len(source.joined)

    def mask(self, word: str) -> int:
        """The sources that hold a word or the key of a value, as bits."""
        return self._masks.get(word, 0)

    def masks(self, words: Sequence[str]) -> list[int]:
        """Those of all words."""
        return list(map(self._masks.get, words, repeat(0)))

    def of(self, mask: int) -> Iterator[Source]:
        """The sources of a mask, the earliest first."""
        while mask:
            low = mask & -mask
            yield self.sources[low.bit_length() - 1]
            mask ^= low

    def find(self, words: Sequence[str]) -> list[Source]:
        """The sources where these words stand side by side, the earliest first."""
        mask = self._common(words)
        if not mask:
            return []
        phrase = f" {' '.join(words)} "
        return [source for source in self.of(mask) if source.holds(phrase)]

    def said(self, words: Sequence[str]) -> Source | None:
        """The user's own text where these words stand side by side: then the others need not be looked into."""
        mask = self._common(words) & self._users
        if not mask:
            return None
        phrase = f" {' '.join(words)} "
        return next((source for source in self.of(mask) if source.holds(phrase)), None)

    def _common(self, words: Sequence[str]) -> int:
        """The sources that hold all of these words, wherever in them."""
        mask = -1
        for word in words:
            mask &= self._masks.get(word, 0)
            if not mask:
                return 0
        if len(words) == 1 and words[0].isdigit() and len(words[0]) <= SHORT_DIGITS:
            mask &= self.mask(f"@n{words[0].lstrip('0') or '0'}")
        return mask

    def value(self, key: str, words: Sequence[str] = ()) -> list[Source]:
        """The sources that hold a value in any spelling, but those that only repeat what they were asked."""
        phrase = f" {' '.join(words)} " if words else ""
        return [
            source for source in self.of(self.mask(key)) if not (phrase and source.asked and phrase in source.asked)
        ]
