"""Rounds: the same definition told mark by mark and looked up in the whole of a run."""

from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.rounds import LONGEST, Rounds, acts, mark_of, stretches

MARKS = st.lists(st.integers(0, 3), max_size=60)


def after(marks: list[int], does: bool = True) -> tuple[int, int]:
    rounds = Rounds()
    for mark in marks:
        rounds.push(mark, does)
    return rounds.told()


def test_three_calls_three_times_are_three_rounds_of_three() -> None:
    assert after([1, 2, 3] * 3) == (3, 3)


def test_what_differs_once_begins_anew() -> None:
    assert after([1, 2, 1, 2, 9, 1, 2]) == (1, 0)


def test_a_round_in_which_nothing_is_done_is_a_conversation() -> None:
    assert after([1] * 20, does=False) == (1, 0)


def test_a_model_is_the_same_by_its_name_and_a_tool_by_its_arguments() -> None:
    assert mark_of("model", "gpt", 1) == mark_of("model", "gpt", 2)
    assert mark_of("tool", "search", 1) != mark_of("tool", "search", 2)
    assert (acts("model"), acts("tool")) == (False, True)


@given(MARKS)
def test_mark_by_mark_it_is_what_the_whole_tells_of_its_end(marks: list[int]) -> None:
    told = after(marks)[0]
    for rounds in range(2, 12):
        found = any(
            len(marks) - end < size and end > len(marks) - size  # its last whole round ends with the last mark
            for size in range(1, LONGEST + 1)
            for begin, end in stretches(marks[_cut(marks, size, rounds) :], size, rounds)
            for end in [end + _cut(marks, size, rounds)]
        )
        assert found == (told >= rounds)


def _cut(marks: list[int], size: int, rounds: int) -> int:
    """So that whole rounds end with the last mark."""
    return max(len(marks) - size * rounds, 0)


@given(st.lists(st.integers(), unique=True))
def test_nothing_is_a_round_where_nothing_comes_again(marks: list[int]) -> None:
    assert after(marks) == (1, 0)
