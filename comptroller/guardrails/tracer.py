"""Tracing one argument to its sources: as a whole, then by the values in it, then by the words it quotes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import and_

from comptroller.core.origin import LABELS, SECRECY, Label, Origin, Secrecy, worst
from comptroller.guardrails.matching import Index, Source, words_of
from comptroller.guardrails.normal import is_odd, normal, payloads
from comptroller.guardrails.values import REACHING, Value, number_key, values_in

QUOTE = 5  # so many words side by side are no chance
MOST_LEAVES = 512  # of one argument
MOST_TEXT = 65_536  # characters of one argument that are traced
MOST_LOOKS = 120  # into sources, for the quotations of one text
CROWD = 8  # sources; words that so many of them hold together are nobody's own
TINY = 2  # letters that stand in every text, whoever wrote it
LITTLE = 6  # letters; what is shorter may stand anywhere, so whoever vouches for it counts, not whoever was first
NAMED = 8  # sources told of one argument

NUMBERED = tuple("id ids number no nr num file document event email mail message item entry record order row".split())  # noqa: SIM905

OURS: Mapping[str, int] = {"user": 0, "system": 1, "trusted": 2}


@dataclass(slots=True)
class Found:
    """What the parts of an argument came from, as they are found."""

    labels: list[Label]
    sources: dict[str, None]
    secrecy: Secrecy = "public"
    reach: list[Label] | None = None

    def add(self, label: Label, source: Source | None) -> None:
        self.labels.append(label)
        if source is None:
            self.sources.setdefault("model" if label == "model" else "unknown")
            return
        self.sources.setdefault(source.name)
        if SECRECY[source.secrecy] > SECRECY[self.secrecy]:
            self.secrecy = source.secrecy

    def leads(self, label: Label) -> None:
        self.reach = [*(self.reach or ()), label]


class Tracer:
    """Traces arguments over what a run has read so far."""

    __slots__ = ("index", "tainted", "unknown")

    def __init__(self, index: Index, tainted: bool, unknown: bool) -> None:
        self.index = index
        self.tainted = tainted
        self.unknown: Label = "untrusted" if unknown else "model"  # what nobody is known to have said

    def trace(self, value: object) -> Origin:
        """The origin of a value, whatever its shape."""
        if isinstance(value, str):
            return self._text(value)
        leaves = _leaves(value)
        if len(leaves) == 1:
            return self._leaf(leaves[0])
        return self._joined([self._leaf(leaf) for leaf in leaves])

    def _leaf(self, value: object) -> Origin:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            hits = self.index.value(number_key(value))
            return self._whole(hits, str(value)) if hits else self._own()
        return self._own()

    def _own(self) -> Origin:
        return Origin(self.unknown, ("unknown" if self.unknown == "untrusted" else "model",))

    def _joined(self, origins: Sequence[Origin]) -> Origin:
        if not origins:
            return Origin("user", ())
        secrecy = max((origin.secrecy for origin in origins), key=SECRECY.__getitem__)
        reaches = [origin.reach for origin in origins if origin.reach is not None]
        return Origin(
            worst([origin.label for origin in origins]),
            tuple(dict.fromkeys(name for origin in origins for name in origin.sources))[:NAMED],
            secrecy,
            whole=all(origin.whole for origin in origins) and len({origin.sources for origin in origins}) == 1,
            named=any(origin.named for origin in origins),
            reach=worst(reaches) if reaches else None,
        )

    def _whole(self, hits: Sequence[Source], plain: str, reaches: bool = False) -> Origin:
        """A value that stands as it is in these sources: the user's word counts wherever it stands, else the first."""
        first = self._first(hits, plain)
        if len(plain) <= TINY and plain.isalpha() and first.label == "untrusted":
            return self._own()
        named = first.label != "user" and any(self._names(hit, plain) for hit in hits)
        reach = first.label if reaches else None
        return Origin(first.label, (first.name,), first.secrecy, True, named, reach)

    def _names(self, hit: Source, plain: str) -> bool:
        """Whether an untrusted text names a value. Short numbers stand in every text: there it must call them so."""
        if hit.label != "untrusted":
            return False
        if len(plain) >= LITTLE or not plain.isalnum() or plain.isalpha():
            return True
        return any(f" {word} {plain} " in hit.joined for word in NUMBERED)

    def _first(self, hits: Sequence[Source], plain: str) -> Source:
        said = next((hit for hit in hits if hit.label == "user"), None)
        if said is not None:
            return said
        if len(plain) < LITTLE:
            return min(hits, key=lambda hit: LABELS[hit.label])
        return hits[0]

    # -- texts

    def _text(self, raw: str) -> Origin:
        text = normal(raw[:MOST_TEXT])
        words = words_of(text)
        if not words:
            return Origin("user", ())  # it says nothing
        values = values_in(text)
        said = self.index.said(words)
        hits = self.index.find(words) if said is None else [said]  # the user's word counts, whoever else says it
        if said is None and values and _is(values, text):
            hits = _in_order(hits, self._spelt(values, text, words))
        if hits:
            return self._whole(hits, text, any(value.kind in REACHING for value in values))
        return self._parts(raw, text, words, values)

    def _spelt(self, values: Sequence[Value], text: str, words: Sequence[str]) -> list[Source]:
        """A text that is one value, looked up in other spellings."""
        whole = [value for value in values if value.start == 0 and value.end == len(text)]
        for value in sorted(whole, key=lambda value: -len(value.key)):
            hits = self.index.value(value.key, words)
            if hits and value.kind != "host":
                return hits
        return []

    def _parts(self, raw: str, text: str, words: Sequence[str], values: Sequence[Value]) -> Origin:
        found = Found([], {})
        covered = self._values(text, values, found)
        rest = words_of(_without(text, covered)) if covered else words
        if rest:
            self._quotations(rest, found)
        if is_odd(raw):
            for piece in payloads(raw[:MOST_TEXT]):
                self._hidden(normal(piece), found)
        if len(raw) > MOST_TEXT:
            found.add("untrusted" if self.tainted else self.unknown, None)
        label = worst(found.labels) if found.labels else self.unknown
        reach = worst(found.reach) if found.reach else None
        return Origin(label, tuple(found.sources)[:NAMED] or ("model",), found.secrecy, reach=reach)

    def _values(self, text: str, values: Sequence[Value], found: Found) -> list[tuple[int, int]]:
        """Trace the values of a text; returns the places of those that were found."""
        covered: list[tuple[int, int]] = []
        for value in values:
            if covered and any(start <= value.start and value.end <= end for start, end in covered):
                continue
            known = self.index.mask(value.key)  # most values nobody has said
            hits = self.index.value(value.key, words_of(text[value.start : value.end])) if known else []
            if hits:
                first = self._first(hits, text[value.start : value.end])
                if value.kind in REACHING:
                    found.leads(first.label)
                elif value.kind in ("number", "time", "date") and first.label == "untrusted":
                    continue  # figures stand everywhere; what is quoted around them tells more
                if value.kind == "host":
                    found.add(self.unknown, None)  # the rest of its link nobody has said
                found.add(first.label, first)
                covered.append((value.start, value.end))
            elif value.kind in ("mail", "account"):
                label, source = self._assembled(words_of(text[value.start : value.end]))
                found.leads(label)
                found.add(label, source)
                covered.append((value.start, value.end))
            elif value.kind == "link" and not self._has_host(values, value):
                found.leads(self.unknown)
        return covered

    def _has_host(self, values: Sequence[Value], link: Value) -> bool:
        hosts = (v for v in values if v.kind == "host" and v.start == link.start and v.end == link.end)
        return any(self.index.mask(host.key) for host in hosts)

    def _assembled(self, words: Sequence[str]) -> tuple[Label, Source | None]:
        """An address nobody wrote in one piece: somebody's all the same, where all its pieces stand in their text."""
        mask = -1
        for word in words:
            mask &= self.index.mask(word)
        sources = list(self.index.of(mask)) if mask > 0 else []
        theirs = next((source for source in sources if source.label == "untrusted"), None)
        if theirs is None or any(source.label in OURS for source in sources):
            return self.unknown, None
        return "untrusted", theirs

    def _quotations(self, words: Sequence[str], found: Found) -> None:
        """Where words of a text stand side by side in a source; what is quoted from nobody is the model's own."""
        least = min(QUOTE, len(words))
        looks, end = MOST_LOOKS, 0  # of what was quoted last
        own = 0  # words nobody was quoted with
        together = self._together(words, least)
        few = [(at, held) for at, held in enumerate(map(int.bit_count, together)) if 0 < held <= CROWD]
        for at, held in few:
            if at < end:
                continue
            phrase = f" {' '.join(words[at : at + least])} "
            looks -= held
            source = next((source for source in self.index.of(together[at]) if source.holds(phrase)), None)
            if source is not None:
                found.add(source.label, source)
                own, end = own + at - end, at + least
            if looks <= 0:
                found.add("untrusted" if self.tainted else self.unknown, None)
                break
        if own + len(words) - end:
            found.add(self.unknown, None)

    def _together(self, words: Sequence[str], least: int) -> list[int]:
        """For each place, the sources that hold all of the words from there on; five at a time in three steps."""
        masks = self.index.masks(words)
        if least < QUOTE:
            return [reduce(and_, masks)]
        pairs = list(map(and_, masks, masks[1:]))
        fours = list(map(and_, pairs, pairs[2:]))
        return list(map(and_, fours, masks[4:]))

    def _hidden(self, text: str, found: Found) -> None:
        """What an argument says in another encoding comes from where it was read."""
        values = values_in(text)
        covered = self._values(text, values, found)
        words = words_of(_without(text, covered))
        if len(words) >= QUOTE or (words and self.index.find(words)):
            self._quotations(words, found)


def _in_order(some: list[Source], others: list[Source]) -> list[Source]:
    """Each source of two lists once, the earliest first, as in each of them."""
    if not others:
        return some
    known = {source.number: source for source in (*some, *others)}
    return [known[number] for number in sorted(known)]


def _is(values: Sequence[Value], text: str) -> bool:
    return any(value.start == 0 and value.end == len(text) for value in values)


def _without(text: str, covered: Sequence[tuple[int, int]]) -> str:
    kept, at = [], 0
    for start, end in sorted(covered):
        if start >= at:
            kept.append(text[at:start])
            at = end
    return " ".join([*kept, text[at:]])


def _leaves(value: object) -> list[object]:
    """The values inside lists and objects, keys too; too many are cut, and said to be untraceable."""
    found: list[object] = []
    for leaf in _walk(value, 0):
        if len(found) >= MOST_LEAVES:
            found.append(None)
            break
        found.append(leaf)
    return found


def _walk(value: object, depth: int) -> Iterator[object]:
    if depth > 32:
        yield None
    elif isinstance(value, Mapping):
        for inner in value.values():
            if inner is not None:
                yield from _walk(inner, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _walk(inner, depth + 1)
    else:
        yield value
