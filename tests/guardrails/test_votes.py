"""Votes: what the answers of several judges come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.judges import Manner, Word
from comptroller.guardrails.votes import tally

WORDS: list[Word] = ["yes", "no", "unsure", "slow", "broken"]
CAST = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 5)), min_size=1, max_size=7)
MANNERS: list[tuple[Manner, int]] = [
    *(("majority", 0), ("unanimous", 0), ("weighted", 0), ("weighted", 600), ("number", 1), ("number", 2)),
]
WAYS = st.sampled_from(MANNERS)


@pytest.mark.parametrize(
    ("words", "manner", "need", "result"),
    [
        (["yes"], "majority", 0, "yes"),
        (["no"], "majority", 0, "no"),
        (["unsure"], "majority", 0, "split"),
        (["yes", "no"], "majority", 0, "split"),
        (["yes", "yes", "slow"], "majority", 0, "yes"),
        (["yes", "no", "slow"], "majority", 0, "slow"),
        (["yes", "slow", "broken"], "majority", 0, "broken"),
        (["yes", "yes"], "unanimous", 0, "yes"),
        (["yes", "yes", "no"], "unanimous", 0, "split"),
        (["yes", "yes", "slow"], "unanimous", 0, "slow"),
        (["yes", "no", "no"], "number", 1, "yes"),
        (["no", "no", "unsure"], "number", 2, "no"),
        (["yes", "no", "unsure"], "number", 2, "split"),
    ],
)
def test_votes_come_to_a_result(words: list[Word], manner: Manner, need: int, result: str) -> None:
    assert tally([(word, 1) for word in words], manner, need) == result


def test_weights_count_where_they_are_asked_for_and_nowhere_else() -> None:
    cast: list[tuple[Word, int]] = [("yes", 3), ("no", 1), ("no", 1)]
    assert tally(cast, "weighted") == "yes"
    assert tally(cast, "weighted", 700) == "no"
    assert tally(cast, "majority") == "no"


@given(CAST, WAYS)
def test_nothing_is_a_yes_below_what_was_asked_for(cast: list[tuple[Word, int]], way: tuple[Manner, int]) -> None:
    manner, need = way
    if tally(cast, manner, need) != "yes":
        return
    yes = sum(weight if manner == "weighted" else 1 for word, weight in cast if word == "yes")
    total = sum(weight if manner == "weighted" else 1 for _, weight in cast)
    least = {"majority": total // 2 + 1, "unanimous": total, "number": need}.get(manner, total * (need or 501) // 1000)
    assert yes >= max(least, 1)


@given(CAST, WAYS)
def test_who_was_silent_never_makes_it_a_yes_or_a_no(cast: list[tuple[Word, int]], way: tuple[Manner, int]) -> None:
    result = tally(cast, *way)
    if result in ("yes", "no"):
        for silent in ("unsure", "slow", "broken"):
            said = [(word, weight) if word == result else (silent, weight) for word, weight in cast]
            assert tally(said, *way) in (result, "split", "slow", "broken")  # never the contrary


@given(st.data(), CAST, WAYS)
def test_the_order_of_votes_does_not_matter(
    data: st.DataObject, cast: list[tuple[Word, int]], way: tuple[Manner, int]
) -> None:
    assert tally(data.draw(st.permutations(cast)), *way) == tally(cast, *way)


@given(CAST, WAYS)
def test_a_further_yes_in_place_of_another_word_undoes_no_yes(
    cast: list[tuple[Word, int]], way: tuple[Manner, int]
) -> None:
    if tally(cast, *way) == "yes":
        for number in range(len(cast)):
            assert tally([*cast[:number], ("yes", cast[number][1]), *cast[number + 1 :]], *way) == "yes"
