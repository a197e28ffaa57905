"""What changed between two texts, word by word, and two conversations, message by message."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

SAME, ADDED, REMOVED = 0, 1, 2
MOST_WORDS = 2_000  # of the part that differs: comparing takes the product of both sides' words
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")

Segment = tuple[str, int]


def changed(before: str, after: str) -> list[Segment]:
    """The texts as pieces that stayed, came and went; joined without what went they are `after`, to the letter."""
    head, tail = _alike(before, after)
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    middle = _compared(old, new)
    pieces = [(after[:head], SAME), *middle, (after[len(after) - tail :] if tail else "", SAME)]
    return _joined(pieces)


def paired(before: Sequence[str], after: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Which message stands for which, by their prints; None on a side that has none."""
    found: list[tuple[int | None, int | None]] = []
    for _, i, i_end, j, j_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        both = min(i_end - i, j_end - j)
        found += [(i + k, j + k) for k in range(both)]
        found += [(k, None) for k in range(i + both, i_end)]
        found += [(None, k) for k in range(j + both, j_end)]
    return found


def _alike(before: str, after: str) -> tuple[int, int]:
    """How many letters both begin and end with, whole words only."""
    most = min(len(before), len(after))
    head = next((at for at in range(most) if before[at] != after[at]), most)
    while head and head < most and before[head - 1].isalnum():
        head -= 1
    room = most - head
    tail = next((at for at in range(room) if before[-1 - at] != after[-1 - at]), room)
    while tail and tail < room and after[len(after) - tail].isalnum():
        tail -= 1
    return head, tail


def _compared(old: str, new: str) -> list[Segment]:
    for split in (_WORDS, _LINES):
        before, after = split.findall(old), split.findall(new)
        if len(before) <= MOST_WORDS and len(after) <= MOST_WORDS:
            return list(_pieces(before, after))
    return [(old, REMOVED), (new, ADDED)]  # too much of it to compare: all of it went, all of it came


def _pieces(before: list[str], after: list[str]) -> list[Segment]:
    found: list[Segment] = []
    for tag, i, i_end, j, j_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(("".join(after[j:j_end]), SAME))
        else:
            found += [("".join(before[i:i_end]), REMOVED), ("".join(after[j:j_end]), ADDED)]
    return found


def _joined(pieces: Sequence[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    for text, kind in pieces:
        if text and joined and joined[-1][1] == kind:
            joined[-1] = (joined[-1][0] + text, kind)
        elif text:
            joined.append((text, kind))
    return joined
