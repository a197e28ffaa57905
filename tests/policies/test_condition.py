"""Conditions: mixed numbers, absent inputs, errors that look like answers, and bombs."""

import math
from collections.abc import Mapping

import pytest

from comptroller.policies.condition import Condition, Fused, Undecided
from comptroller.policies.syntax import BadCondition

TYPES = {"d": "double", "i": "int", "s": "string", "y": "dyn", "l": "list<string>", "here": "bool"}
VALUES: Mapping[str, object] = {"d": 2.0, "i": 3, "s": "a", "y": 3, "l": ["a"], "here": True}


def holds(text: str, values: Mapping[str, object] = VALUES) -> bool:
    return Condition(text, TYPES).holds(values)


@pytest.mark.parametrize(
    "text",
    [
        "d > 1",
        "1 < d",
        "d == 2",
        "d != 3",
        "i > 2.5",
        "i == 3.0",
        "2.5 <= i",
        "d * 2 == 4",
        "i / 2.0 == 1.5",
        "1 + d == 3",
        "d - 1 == i - 2",
        "i in [1.0, 3.0]",
        "d in [1, 2]",
        "y > 2.5",
        "y == 3.0",
        "y * 1.5 == 4.5",
        "size(s) < 1.5",
    ],
)
def test_whole_numbers_and_others_compare_and_count_together(text: str) -> None:
    assert holds(text)


def test_whole_numbers_are_not_rounded_to_compare_them() -> None:
    assert not holds("i == 9007199254740993", {"i": 9007199254740992})


@pytest.mark.parametrize(
    "text",
    ["s in l", "s + 'b' == 'ab'", "l + ['b'] == ['a', 'b']", "s in {'a': 1}", "s.matches('^a$')", "[d, i] == [2, 3]"],
)
def test_the_other_operators_are_what_they_were(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text", ["s > 1", "s == 1", "1 in l", "here == 1", "s && here", "l == 1", "[s] == [1]", "i", "s = 1"]
)
def test_what_cannot_be_compared_is_refused_at_load(text: str) -> None:
    with pytest.raises(BadCondition):
        Condition(text, TYPES)


@pytest.mark.parametrize(
    "text", ["d > 1", "[d > 1, true][0]", "1 / (i - 3) == 1", "y.z == 1", "y > 'a'", "s == 'a' || d > 1"]
)
def test_an_error_is_never_an_answer(text: str) -> None:
    values = {"i": 3, "y": 3, "s": "b"}
    with pytest.raises(Undecided):
        holds(text, values)


def test_an_absent_input_that_cannot_matter_does_no_harm() -> None:
    assert holds("here && d > 1", {"here": False}) is False
    assert holds("d > 1 && here", {"here": False}) is False


def test_what_may_be_anything_is_no_answer_by_itself() -> None:
    with pytest.raises(BadCondition, match="not true or false"):
        Condition("y", TYPES)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_json_cannot_say_do_not_break_the_evaluator(value: float) -> None:
    assert isinstance(holds("d > 1", {"d": value}), bool)


def test_overflow_is_undecided() -> None:
    with pytest.raises(Undecided):
        holds("i * i > 0", {"i": 2**62})


def test_an_iteration_bomb_is_stopped() -> None:
    hundred = "[" + ",".join(["1"] * 100) + "]"
    bomb = f"{hundred}.all(a, {hundred}.all(b, {hundred}.all(c, a + b + c > 0)))"
    with pytest.raises(Undecided, match="Iteration budget"):
        holds(bomb)


def test_an_exponential_pattern_is_linear() -> None:
    assert holds("s.matches('(a+)+$')", {"s": "a" * 50_000 + "b"}) is False


def test_fused_conditions_answer_each() -> None:
    fused = Fused([Condition(text, TYPES) for text in ("d > 1", "i > 5", "s == 'a'")])
    assert fused.answers(VALUES) == [True, False, True]


def test_one_error_leaves_the_fused_without_answer() -> None:
    fused = Fused([Condition(text, TYPES) for text in ("d > 1", "s == 'a'")])
    with pytest.raises(Undecided):
        fused.answers({"d": 2.0})


def test_the_reason_is_told_without_the_librarys_dress() -> None:
    with pytest.raises(Undecided) as caught:
        holds("1 / (i - 3) == 1")
    assert str(caught.value) == "divide by zero"
