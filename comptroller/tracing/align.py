"""Two sequences laid side by side, in bounded time: which items are the same in both, in order."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import pairwise

CELLS = 400_000  # compared one with another for one alignment; what lies between two fixed points beyond it is only
# laid side by side in order: still true pairs, but perhaps not as many as there might be
REACH = 64  # items that are passed over for a partner where things are only laid side by side

Pair = tuple[int, int]


class _Purse:
    def __init__(self, cells: int) -> None:
        self.cells = cells


def align(left: Sequence[Hashable], right: Sequence[Hashable], cells: int = CELLS) -> list[Pair]:
    """Pairs of equal items, both indices rising.

    What both begin with and end with is paired first, so that the first place without a partner is where they part.
    Between these, items that each has once are fixed points, and the longest common sequence is taken between them.
    """
    purse, made = _Purse(cells), list[Pair]()
    ahead = [(0, len(left), 0, len(right))]
    while ahead:
        here = ahead.pop()
        begin, (a, b, c, d), tail = _trimmed(left, right, here)
        made += begin + tail
        if a == b or c == d:
            continue
        fixed = _fixed(left, right, (a, b, c, d))
        if fixed:
            made += fixed
            edges = [(a - 1, c - 1), *fixed, (b, d)]
            ahead += [(i + 1, k, j + 1, m) for (i, j), (k, m) in pairwise(edges)]
        else:
            made += _longest(left, right, (a, b, c, d), purse)
    return sorted(made)


Window = tuple[int, int, int, int]


def _trimmed(
    left: Sequence[Hashable], right: Sequence[Hashable], window: Window
) -> tuple[list[Pair], Window, list[Pair]]:
    a, b, c, d = window
    begin: list[Pair] = []
    tail: list[Pair] = []
    while a < b and c < d and left[a] == right[c]:
        begin.append((a, c))
        a, c = a + 1, c + 1
    while a < b and c < d and left[b - 1] == right[d - 1]:
        b, d = b - 1, d - 1
        tail.append((b, d))
    return begin, (a, b, c, d), tail


def _fixed(left: Sequence[Hashable], right: Sequence[Hashable], window: Window) -> list[Pair]:
    """The longest rising row of items that each side has exactly once."""
    a, b, c, d = window
    here, there = Counter(left[a:b]), Counter(right[c:d])
    place = {item: j for j, item in enumerate(right[c:d], c) if there[item] == 1}
    pairs = [(i, place[item]) for i, item in enumerate(left[a:b], a) if here[item] == 1 and item in place]
    ends: list[int] = []  # the least end of a rising row of each length
    at: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(at[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        at[length : length + 1] = [number]
    row: list[Pair] = []
    number = at[-1] if at else -1
    while number >= 0:
        row.append(pairs[number])
        number = before[number]
    return row[::-1]


def _longest(left: Sequence[Hashable], right: Sequence[Hashable], window: Window, purse: _Purse) -> list[Pair]:
    a, b, c, d = window
    size = (b - a) * (d - c)
    if size > purse.cells:
        return _in_order(left, right, window)
    purse.cells -= size
    width = d - c
    lengths = [[0] * (width + 1)]
    for i in range(b - 1, a - 1, -1):
        below, row, item = lengths[-1], [0] * (width + 1), left[i]
        for j in range(width - 1, -1, -1):
            if item == right[c + j]:
                row[j] = below[j + 1] + 1
            else:
                row[j] = below[j] if below[j] >= row[j + 1] else row[j + 1]
        lengths.append(row)
    lengths.reverse()
    made: list[Pair] = []
    i, j = 0, 0
    while i < b - a and j < width:
        if left[a + i] == right[c + j]:
            made.append((a + i, c + j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return made


def _in_order(left: Sequence[Hashable], right: Sequence[Hashable], window: Window) -> list[Pair]:
    """Each item with the next one equal to it on the other side, if that is near: a far one would cost all between."""
    a, b, c, d = window
    places: dict[Hashable, list[int]] = {}
    for j in range(d - 1, c - 1, -1):
        places.setdefault(right[j], []).append(j)
    made: list[Pair] = []
    least = c
    for i in range(a, b):
        found = places.get(left[i], [])
        while found and found[-1] < least:
            found.pop()
        if found and found[-1] - least < REACH:
            least = found.pop()
            made.append((i, least))
            least += 1
    return made
