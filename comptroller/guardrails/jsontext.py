"""JSON as guards should read it: keys and values decoded, each on a line of its own, and redacted in place."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from comptroller.guardrails.redact import Spot, Stand, redact, written

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|[{}]')
_SURROGATE = re.compile("[\ud800-\udfff]")
_COLON = re.compile(r"[ \t\r\n]*:")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A key or value: where it stands in the JSON text (`start`, `end`) and in the flat one (`at`)."""

    start: int
    end: int
    at: int
    value: str


@dataclass(frozen=True, slots=True)
class Leaves:
    """Every string and number of a JSON text, and the flat text `key=value` lines that guards look at."""

    text: str
    flat: str
    leaves: list[Leaf]

    def locate(self, spots: Sequence[Spot]) -> list[Spot]:
        """The spots as places in the JSON text: the very characters where nothing is escaped, else the whole value."""
        return [
            spot._replace(start=place[0], end=place[1])
            for leaf, inner in self._parts(spots)
            for spot in inner
            for place in [_place(leaf, spot)]
        ]

    def write(self, spots: Sequence[Spot], stand: Stand = written) -> str:
        """The JSON text with the spots redacted; everything else stays as it was written."""
        pieces, at = [], 0
        for leaf, inner in self._parts(spots):
            pieces += [self.text[at : leaf.start], self._written(redact(leaf.value, inner, stand))]
            at = leaf.end
        return "".join([*pieces, self.text[at:]])

    def _written(self, value: str) -> str:
        escape = self.text.isascii() or _SURROGATE.search(value) is not None
        return json.dumps(value, ensure_ascii=escape)

    def _parts(self, spots: Sequence[Spot]) -> list[tuple[Leaf, list[Spot]]]:
        """The spots cut along the leaves they touch, in leaf coordinates."""
        parts: list[tuple[Leaf, list[Spot]]] = []
        first = 0
        for leaf in self.leaves:
            stop = leaf.at + len(leaf.value)
            while first < len(spots) and spots[first].end <= leaf.at:
                first += 1
            inner = []
            at = first
            while at < len(spots) and spots[at].start < stop:
                begin, end = max(spots[at].start, leaf.at) - leaf.at, min(spots[at].end, stop) - leaf.at
                if end > begin:
                    inner.append(spots[at]._replace(start=begin, end=end))
                at += 1
            if inner:
                parts.append((leaf, inner))
        return parts


def _place(leaf: Leaf, inner: Spot) -> tuple[int, int]:
    quote = 1 if leaf.end - leaf.start == len(leaf.value) + 2 else 0
    if leaf.end - leaf.start != len(leaf.value) + 2 * quote:
        return leaf.start, leaf.end
    return leaf.start + quote + inner.start, leaf.start + quote + inner.end


def read(text: str) -> Leaves | None:
    """The leaves of a JSON text; None where it is not valid JSON."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    leaves: list[Leaf] = []
    pieces: list[str] = []
    at, key = 0, ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "{}":
            key = ""
            continue
        value = json.loads(token) if "\\" in token else token.strip('"')
        is_key = token[0] == '"' and _COLON.match(text, match.end()) is not None
        # A value is looked at behind its key, because some numbers are told by the word before them.
        lead = "" if is_key or not key else f"{key}="
        leaves.append(Leaf(match.start(), match.end(), at + len(lead), value))
        pieces.append(f"{lead}{value}\n")
        at += len(pieces[-1])
        key = (value if len(value) <= 64 else "") if is_key else key
    return Leaves(text, "".join(pieces), leaves)
