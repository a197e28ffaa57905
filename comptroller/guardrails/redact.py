"""Findings put in order, and what is written in their place."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from comptroller.core.verdict import Finding
from comptroller.guardrails.pattern import STRIDE, nothing

NEAR = 1024  # how far beside a finding a second one may come to light; twice the longest bounded match


class Spot(NamedTuple):
    """A place where a pattern was confirmed; `rank` is its place in the order of patterns."""

    start: int
    end: int
    rank: int
    guard: str
    kind: str


def merge(spots: Iterable[Spot]) -> list[Spot]:
    """Spots that do not overlap and cover the same characters: from the left the longest, then the first in rank.

    What sticks out behind an earlier spot stays as a shorter one, so that the outcome up to any place depends only on
    what begins before it: a stream decides the same as the whole text.
    """
    kept: list[Spot] = []
    cursor = 0
    for spot in sorted(spots, key=lambda s: (s.start, -s.end, s.rank)):
        if spot.end > cursor:
            kept.append(spot._replace(start=max(spot.start, cursor)))
            cursor = spot.end
    return kept


def settle(
    spots: Iterable[Spot], text: str, look: Callable[[str], list[Spot]], tick: Callable[[], None] = nothing
) -> list[Spot]:
    """Merged spots, and those that come to light beside them once they are gone (`KEY1+49 30 ...` without a space).

    Without this, redacting a redacted text could find something new.
    """
    kept = merge(spots)
    fresh = kept
    while fresh and (added := _all_beside(fresh, kept, text, look, tick)):
        kept, before = merge([*kept, *added]), set(kept)
        fresh = [spot for spot in kept if spot not in before]
    return kept


def _all_beside(
    fresh: Sequence[Spot],
    kept: Sequence[Spot],
    text: str,
    look: Callable[[str], list[Spot]],
    tick: Callable[[], None],
) -> list[Spot]:
    starts, ends = [spot.start for spot in kept], [spot.end for spot in kept]
    found = []
    for count, spot in enumerate(fresh):
        if not count % STRIDE:
            tick()
        before, behind = bisect_right(ends, spot.start), bisect_left(starts, spot.end)
        lower = ends[before - 1] if before else 0
        found += _beside(spot, lower, starts[behind] if behind < len(starts) else len(text), text, look)
    return found


# What may stand beside a finding without having hidden anything: no pattern looks around itself for these. Behind a
# finding a number is looked at anew in any case, because it may have been excused by a word within the finding.
_HARMLESS = frozenset(" \t\n\r,;!?\"')]}|>")
_NUMBER = re.compile("[0-9]")


def _beside(spot: Spot, lower: int, upper: int, text: str, look: Callable[[str], list[Spot]]) -> list[Spot]:
    """What is found between a spot and its neighbours, of which one ends at `lower` and one begins at `upper`."""
    found = []
    if spot.start and text[spot.start - 1] not in _HARMLESS:
        begin = max(lower, spot.start - NEAR)
        cut = begin > lower  # an edge we made ourselves proves nothing
        found += [_shift(s, begin) for s in look(text[begin : spot.start]) if not cut or s.start > NEAR // 2]
    if spot.end < len(text) and (text[spot.end] not in _HARMLESS or _NUMBER.search(text, spot.end, spot.end + 4)):
        stop = min(upper, spot.end + NEAR)
        cut = stop < upper
        found += [_shift(s, spot.end) for s in look(text[spot.end : stop]) if not cut or s.end < NEAR // 2]
    return found


def _shift(spot: Spot, by: int) -> Spot:
    return spot._replace(start=spot.start + by, end=spot.end + by)


_ODD = re.compile(r"[^a-z0-9-]+")


def placeholder(guard: str, kind: str) -> str:
    """What stands where a finding stood: `[email]`, `[secret:jwt]`, `[guard:kind]` for guards from elsewhere."""
    kind = _ODD.sub("-", kind.lower())[:40] or "finding"
    if guard == "privacy":
        return f"[{kind}]"
    name = "secret" if guard == "secrets" else _ODD.sub("-", guard.lower())[:40]
    return f"[{name}:{kind}]"


Stand = Callable[[Spot, str], str]  # what stands in a finding's place, given the finding and its text


def written(spot: Spot, found: str) -> str:
    """A placeholder, whatever was found."""
    return placeholder(spot.guard, spot.kind)


def redact(text: str, spots: Sequence[Spot], stand: Stand = written) -> str:
    """The text with something else for each of the (merged) spots: a placeholder, unless told otherwise."""
    if not spots:
        return text
    pieces = [text[: spots[0].start], stand(spots[0], text[spots[0].start : spots[0].end])]
    for left, right in pairwise(spots):
        pieces += [text[left.end : right.start], stand(right, text[right.start : right.end])]
    return "".join([*pieces, text[spots[-1].end :]])


def findings(spots: Iterable[Spot], by: int = 0) -> list[Finding]:
    """Spots as the rest of the house knows them, moved by an offset."""
    return [Finding(s.guard, s.kind, s.start + by, s.end + by) for s in spots]


def because(found: Sequence[Finding]) -> str:
    """`secrets found github-token (2), jwt`."""
    counts: dict[tuple[str, str], int] = {}
    for finding in found:
        counts[finding.guard, finding.kind] = counts.get((finding.guard, finding.kind), 0) + 1
    by_guard: dict[str, list[str]] = {}
    for (guard, kind), count in counts.items():
        by_guard.setdefault(guard, []).append(f"{kind} ({count})" if count > 1 else kind)
    return "; ".join(f"{guard} found {', '.join(kinds)}" for guard, kinds in by_guard.items())
