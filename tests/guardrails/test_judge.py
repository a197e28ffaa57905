"""What a judge is asked in, and how its answer is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.judges import Judge, Question
from comptroller.core.verdict import Verdict
from comptroller.guardrails.judge import exhibit, instructions, mark_for, read, shape

JUDGE = Judge("careful", "gpt-4o")


def question(*says: str, principles: bool = False) -> Question:
    said = Verdict("deny", "r", "p", "No.")
    return Question("r", says, (JUDGE,), ("reply",), said, {}, principles=principles)


ONE, THREE = question("It rhymes."), question("Be kind.", "Be brief.", "Be true.", principles=True)


def test_the_statement_stands_apart_from_what_is_judged() -> None:
    assert "It rhymes." in instructions(ONE, "m1")
    assert "It rhymes." not in exhibit([("reply", "A poem.")], "m1")
    assert exhibit([("reply", "A poem.")], "m1") == "<data m1: what the model replied>\nA poem.\n</data m1>"


@given(st.text(max_size=200), st.text("abcdef0123456789", min_size=1, max_size=8))
def test_a_mark_stands_nowhere_in_what_is_judged(text: str, seed: str) -> None:
    shown = [("reply", text + seed), ("said", seed * 2)]
    mark = mark_for(seed, shown)
    assert not any(mark in each for _, each in shown)
    assert exhibit(shown, mark).count(mark) == 2 * len(shown)


def test_an_answer_is_one_word_with_a_reason() -> None:
    assert read('{"because": "It does.", "verdict": "yes"}', ONE) == ("yes", ())
    assert read('{"because": "", "verdict": "unsure"}', ONE) == ("unsure", ())


def test_of_several_principles_it_says_which_are_broken() -> None:
    said = {"because": "Rude.", "verdict_1": "yes", "verdict_2": "no", "verdict_3": "unsure"}
    assert read(json.dumps(said), THREE) == ("yes", (1,))
    assert read(json.dumps({**said, "verdict_1": "no"}), THREE) == ("unsure", ())
    assert read(json.dumps({**said, "verdict_1": "no", "verdict_3": "no"}), THREE) == ("no", ())


@pytest.mark.parametrize(
    "text",
    [
        "", "no", "[]", '{"verdict": "no"}', '{"because": "b", "verdict": "NO"}', '{"because": 1, "verdict": "no"}',
        '{"because": "b", "verdict": "no", "more": 1}', '{"because": "b", "verdict": ["no"]}', "[" * 100_000,
        '{"because": "b", "verdict": "yes"} no',
        '{"because": "b", "verdict": "yes", "verdict": "no"}',
        json.dumps({"because": "x" * 5_000, "verdict": "no"}),
    ],
)  # fmt: skip
def test_anything_else_is_no_answer(text: str) -> None:
    with pytest.raises(ValueError, match="it answered with"):
        read(text, ONE)


def test_the_schema_asks_for_just_what_is_read() -> None:
    assert shape(ONE)["required"] == ["because", "verdict"]
    assert shape(THREE)["required"] == ["because", "verdict_1", "verdict_2", "verdict_3"]
    assert shape(THREE)["additionalProperties"] is False
