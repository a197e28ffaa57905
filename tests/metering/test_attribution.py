"""One fee, split to the last nano; and the cost of what failed before, borne by what came of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.metering.attribution import Work, loaded, served, split, weights
from tests.metering.lives import HOUR, NOW, Lives

CENT = 10_000_000
DONE = [Work("a", 300, 5), Work("b", 100, 9)]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("last", (("b", 1),)),
        ("equal", (("a", 1), ("b", 1), ("c", 1))),
        ("cost", (("a", 300), ("b", 100))),
        ("declared", (("a", 1), ("c", 3))),
        ("verifier", (("a", 1), ("c", 3))),
    ],
)
def test_every_way_of_splitting_gives_its_weights(way: str, expected: tuple[tuple[str, int], ...]) -> None:
    assert weights(way, ["c", "a"], DONE, (("c", 3), ("a", 1))) == expected


def test_what_a_way_cannot_say_is_split_equally() -> None:
    assert weights("cost", ["a", "b"], []) == weights("declared", ["a", "b"], []) == (("a", 1), ("b", 1))


def test_the_last_agent_named_is_the_last_touch_where_no_work_is_known() -> None:
    assert weights("last", ["a", "b"], []) == (("b", 1),)


def test_a_cent_that_does_not_divide_goes_to_the_first_in_the_alphabet() -> None:
    assert split(100 * CENT, (("c", 1), ("a", 1), ("b", 1)), CENT) == {"a": 34 * CENT, "b": 33 * CENT, "c": 33 * CENT}


def test_a_fee_of_nobody_is_nobodys() -> None:
    assert (split(5, ()), split(0, ())) == ({"": 5}, {})


@given(
    st.integers(-(10**15), 10**15),
    st.dictionaries(st.text(min_size=1), st.integers(1, 10**12), min_size=1, max_size=9),
    st.sampled_from([1, 1_000_000, CENT, 1_000_000_000]),
)
def test_the_parts_of_a_fee_always_sum_to_it(nanos: int, shares: dict[str, int], unit: int) -> None:
    assert sum(split(nanos, tuple(shares.items()), unit).values()) == nanos


def attempts() -> Lives:
    """Two failed attempts, one that worked, and one after it that did not."""
    lives = Lives()
    for number, words in enumerate(["verify_fail", "takeover", "verify_pass confirm reopen", "verify_pass confirm"]):
        key = f"c{number}"
        lives.claim(key, at=NOW + number * 9 * HOUR, run=f"run{number}")
        for hour, word in enumerate(words.split(), 1):
            assert not lives.do(word, key, NOW + (number * 9 + hour) * HOUR)
    lives.claim("c4", at=NOW + 99 * HOUR, run="run4")
    return lives


def test_failed_attempts_are_borne_by_the_outcome_they_served() -> None:
    lives = attempts()
    assert served(lives.outcomes.values()) == {"c3": ("run0", "run1", "run2", "run3")}
    costs = {"run0": 1, "run1": 2, "run2": 3, "run3": 4, "run4": 100}
    assert loaded(lives.outcomes.values(), costs) == {"c3": 10}


def test_a_run_that_reached_two_outcomes_is_shared_between_them_to_the_nano() -> None:
    lives = Lives()
    for key in ("c1", "c2"):
        lives.claim(key, key, run="run")
        lives.do("verify_pass", key)
        lives.do("confirm", key, NOW + 2 * HOUR)
    assert loaded(lives.outcomes.values(), {"run": 7}) == {"c1": 4, "c2": 3}
