from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.dashboards.components.messages import MOST_TEXT, Span, columns
from comptroller.dashboards.components.talk import read
from comptroller.dashboards.components.wording import ADDED, REMOVED, SAME, changed
from tests.dashboards.made_up import talk


def parts(raw: Any) -> list[tuple[str, str, str]]:
    return [(part.kind, part.title, part.text) for part in read(raw).parts]


CALL = {"function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"role": "user", "content": "Hi"}, [("text", "", "Hi")]),
        ({"role": "assistant", "content": None, "tool_calls": [CALL]}, [("call", "f", "{}")]),
        ({"role": "tool", "tool_call_id": "t", "content": "ok"}, [("result", "t", "ok")]),
        ({"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {}}]}, [("call", "f", "{}")]),
        (
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"text": "ok"}]}]},
            [("result", "t", "ok")],
        ),
        ({"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}, [("call", "f", "{}")]),
        ({"role": "user", "parts": [{"text": "Hi"}]}, [("text", "", "Hi")]),
        ({"type": "function_call", "name": "f", "arguments": "{}"}, [("call", "f", "{}")]),
        ({"type": "function_call_output", "call_id": "t", "output": "ok"}, [("result", "t", "ok")]),
        ({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}, [("text", "", "Hi")]),
        ("bare", [("text", "", "bare")]),
        (None, [("other", "", "Not kept, or erased.")]),
        (7, [("other", "", "7")]),
        ({"role": "user", "content": [{"type": "image_url"}]}, [("other", "image_url", '{\n  "type": "image_url"\n}')]),
    ],
)
def test_a_message_is_read_in_every_shape_it_may_be_kept_in(raw: Any, expected: list[tuple[str, str, str]]) -> None:
    assert parts(raw) == expected


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["role", "content", "parts", "tool_calls", "type", "text", "function", "input"]), x)))  # fmt: skip
def test_nothing_that_may_be_kept_breaks_the_reader(raw: Any) -> None:
    columns([raw], before=[raw])


@given(st.text(), st.text())
def test_what_stayed_and_came_is_the_new_text_and_what_stayed_and_went_the_old(before: str, after: str) -> None:
    pieces = changed(before, after)
    assert "".join(text for text, kind in pieces if kind != REMOVED) == after
    assert "".join(text for text, kind in pieces if kind != ADDED) == before


def test_a_changed_word_is_told_as_a_word() -> None:
    assert changed("pay 100 USD", "pay 150 USD") == [("pay ", SAME), ("100", REMOVED), ("150", ADDED), (" USD", SAME)]


def test_texts_too_long_to_compare_by_words_are_compared_by_lines_or_replaced() -> None:
    long = "".join(f"line {n} of it\n" for n in range(1_500))
    pieces = changed("x\n" + long + "y", "z\n" + long + "w")
    assert (long, SAME) in [(text.strip("\n") + "\n", kind) for text, kind in pieces]
    noise = " ".join(str(n) for n in range(9_000))
    assert len(changed(noise, noise[::-1])) <= 4


def test_a_conversation_says_what_is_new_changed_and_gone() -> None:
    said, before, spans = talk("small")
    shown = columns(said, before, spans)["messages"]
    assert [(one["role"], one["state"]) for one in shown] == [
        ("system", "changed"),
        ("user", "same"),
        ("user", "gone"),
        ("assistant", "new"),
        ("tool", "new"),
    ]
    assert ["all ", REMOVED] in shown[0]["parts"][0]["segments"]


def test_a_span_marks_its_letters_and_no_others() -> None:
    said, _, spans = talk("small")
    segments = columns(said, None, spans)["messages"][1]["parts"][0]["segments"]
    assert segments[1] == ["SO-48211", SAME, "argument order of issue_refund", "asked"]
    assert len(segments) == 3


def test_a_span_across_a_change_covers_what_came_and_not_what_went() -> None:
    shown = columns([{"role": "u", "content": "ab cd"}], [{"role": "u", "content": "ab xx"}], [Span(0, 0, 5, "it")])
    segments = shown["messages"][0]["parts"][0]["segments"]
    assert "".join(one[0] for one in segments if len(one) == 4) == "ab cd"
    assert all(len(one) == 2 for one in segments if one[1] == REMOVED)


def test_a_text_of_a_megabyte_is_cut_and_says_by_how_much() -> None:
    part = columns([{"role": "user", "content": "x" * 1_000_000}])["messages"][0]["parts"][0]
    assert sum(len(one[0]) for one in part["segments"]) == MOST_TEXT
    assert part["rest"] == 1_000_000 - MOST_TEXT
