"""Rounds: what counts as doing the same over and over, for a run under way as for one that is looked into."""

from collections.abc import Iterable, Sequence

ROUNDS = 3  # so often the same again is a loop
LONGEST = 8  # calls in a round of a loop that is recognised


def mark_of(kind: str, name: str, asked: object) -> tuple[object, ...]:
    """What makes two calls the same. A model is asked something longer at each turn, so its name must do; a tool's
    arguments count.
    """
    return (kind, name, asked if kind == "tool" else None)


def acts(kind: str) -> bool:
    """A model asked again and again is a conversation; a loop does something."""
    return kind != "model"


def stretches(marks: Sequence[int], size: int, rounds: int = ROUNDS) -> Iterable[tuple[int, int]]:
    """Where each mark is that of `size` places before, as far as that goes, in whole rounds and enough of them."""
    begin = 0
    for here, (mark, before) in enumerate(zip(marks[size:], marks, strict=False), size):
        if mark != before:
            if here - begin >= size * rounds:
                yield begin, begin + (here - begin) // size * size
            begin = here - size + 1
    here = len(marks)
    if here - begin >= size * rounds:
        yield begin, begin + (here - begin) // size * size


class Rounds:
    """The same, told mark by mark: how often the round that ends here has come on end. Remembers `LONGEST` marks."""

    __slots__ = ("_acts", "_alike", "_marks", "_same")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._marks: list[int] = []
        self._acts: list[bool] = []
        self._same = [0] * (LONGEST + 1)  # by the size of a round: marks on end that are as they were one round before
        self._alike = False  # whether any of these is above none: in most runs nothing ever is

    def push(self, mark: int, does: bool = True) -> bool:
        """One more; true where a round ends with it that came before."""
        marks = self._marks
        again = mark in marks and self._again(mark)
        if self._alike and mark not in marks:
            self._same, self._alike = [0] * (LONGEST + 1), False
        marks.append(mark)
        self._acts.append(does)
        if len(marks) > LONGEST:
            del marks[0], self._acts[0]
        return again

    def _again(self, mark: int) -> bool:
        marks, same, again = self._marks, self._same, False
        for size in range(1, len(marks) + 1):
            if marks[-size] == mark:
                same[size] += 1
                again = again or same[size] >= size
            elif same[size]:
                same[size] = 0
        self._alike = True
        return again

    def told(self) -> tuple[int, int]:
        """How often the round that ends here came on end, and how many calls are in it."""
        best, size_of = 1, 0
        for size, same in enumerate(self._same):
            if same >= size and size and same // size + 1 > best and any(self._acts[-size:]):
                best, size_of = same // size + 1, size
        return best, size_of
