"""Results of tools taken apart, whoever wrote them."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from comptroller.guardrails.fields import KEY, leaves_of

MAILS = [{"id": "34", "body": "Hi\nid: 99\nbye", "to": ["a@x", "b@y"], "n": 5}, {"id": "35", "body": ""}]


@pytest.mark.parametrize("text", [json.dumps(MAILS), yaml.safe_dump(MAILS), repr(MAILS)])
def test_fields_are_told_from_what_they_hold_in_every_spelling(text: str) -> None:
    leaves = leaves_of(text)
    assert leaves is not None
    assert [leaf for field, leaf in leaves if field == "id"] == ["34", "35"]
    assert [leaf for field, leaf in leaves if field == "to"] == ["a@x", "b@y"]
    assert "99" not in [leaf for field, leaf in leaves if field not in ("body", KEY)]


@pytest.mark.parametrize("text", ["Just a sentence.", "", "note: \x07 \0", "[1, 2", "{oops"])
def test_what_is_no_structure_is_taken_as_it_is(text: str) -> None:
    assert leaves_of(text) in (None, [("note", "")])


@pytest.mark.parametrize("piled", ["[", "- ", "{a: ", '{"a":', "[-", "(", "a:\n "])
def test_a_text_piled_up_to_break_its_reader_breaks_nothing(piled: str) -> None:
    assert leaves_of(("[" if piled[0] not in "[{-a" else "") + piled * 40_000) is None


def test_aliases_and_tags_are_not_followed() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\nd: !!python/object/apply:os.system ['true']\n"
    leaves = leaves_of(bomb)
    assert leaves is not None
    assert len(leaves) < 12


@given(st.recursive(st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=20))
def test_every_text_of_a_json_value_is_among_its_leaves(value: object) -> None:
    leaves = leaves_of(json.dumps(value))
    if isinstance(value, list) and value and isinstance(value[0], str):
        assert leaves is not None
        assert value[0] in [leaf for _, leaf in leaves]
