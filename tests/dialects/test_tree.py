"""JSON as a tree."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.dialects import tree
from comptroller.dialects.dialect import Unreadable

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(ANY)
def test_what_is_written_reads_the_same(node: Any) -> None:
    assert tree.load(tree.dump(node)) == node == json.loads(tree.dump(node))


@given(st.binary(max_size=60))
def test_bytes_that_are_not_json_are_unreadable_and_nothing_else(data: bytes) -> None:
    for read in (tree.load, tree.fields, tree.items):
        said = "The JSON is fine."
        try:
            read(data)
        except Unreadable as error:
            said = str(error)
        assert said.startswith("The JSON is ")


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_deep_nesting_is_unreadable(data: bytes) -> None:
    for read in (tree.load, tree.fields, tree.items):
        with pytest.raises(Unreadable):
            read(data)


def test_lone_surrogates_become_the_replacement_character_and_pairs_stay() -> None:
    sent = rb'["\ud83d\ude00", "\ud83d", "x\udc00y", "\\ud83d", "\n"]'
    assert tree.load(sent) == ["😀", "�", "x�y", "\\ud83d", "\n"]


def test_lone_surrogates_can_be_written() -> None:
    assert tree.load(tree.dump({"a": ["\ud800x", {"\udfff": 1}]})) == {"a": ["�x", {"�": 1}]}


@pytest.mark.parametrize(
    ("node", "count"),
    [(3, 3), (3.0, 3), ("12", 12), (-4, 0), (None, 0), (True, 0), ("x", 0), (1e400, 0), (float("nan"), 0), ([], 0)],
)
def test_counts_are_whole_numbers_of_zero_or_more(node: object, count: int) -> None:
    assert tree.count_of(node) == count


def test_messages_without_a_change_keep_their_bytes() -> None:
    body = b'{ "a" : 1.50, "messages": [ {"x": "one" ,"n": 1e3}, {"x":"two"} ] }'
    out = tree.dump(tree.replaced(tree.fields(body), {("messages", 1, "x"): "2"}))
    assert out == b'{"a":1.50,"messages":[{"x": "one" ,"n": 1e3},{"x":"2"}]}'
