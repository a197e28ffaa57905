"""Two sequences side by side: true pairs, in order, and no more work than is allowed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from comptroller.tracing.align import align

words = st.text(st.sampled_from("abcd"), max_size=25)


@given(words, words, st.sampled_from([0, 20, 400_000]))
def test_pairs_are_equal_and_rise_on_both_sides_however_little_work_is_allowed(
    left: str, right: str, cells: int
) -> None:
    pairs = align(left, right, cells)
    assert all(left[i] == right[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


@given(words, words)
def test_they_part_no_earlier_than_they_must(left: str, right: str) -> None:
    same = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    assert align(left, right, 0)[:same] == [(n, n) for n in range(same)]


@given(words)
def test_a_sequence_lies_beside_itself(word: str) -> None:
    assert align(word, word, 0) == [(n, n) for n in range(len(word))]


@given(words, st.integers(0, 25), st.sampled_from("xyz"))
def test_one_item_more_is_one_item_without_a_partner(word: str, place: int, more: str) -> None:
    assert len(align(word[:place] + more + word[place:], word)) == len(word)


def test_without_fixed_points_the_longest_common_sequence_is_found() -> None:
    assert len(align("aabbaabb", "babababa")) == 5
