"""JSON mended without loss, and held against schemas that nobody vouches for."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.guardrails.shape import form_of, mended, parsed
from comptroller.guardrails.weighing import Unchecked

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}, "names": {"type": "array", "items": {"type": "string"}}},
    "required": ["amount"],
    "additionalProperties": False,
}


def fits(value: object) -> bool:
    return not form_of(ORDER).mistakes(value)


@pytest.mark.parametrize(
    ("text", "made", "kinds"),
    [
        ('```json\n{"amount": 1}\n```', '{"amount": 1}', ("code fence",)),
        ('Here it is: {"amount": 1}. Good luck!', '{"amount": 1}', ("words around it",)),
        ('{"amount": 1, "names": ["x",],}', '{"amount": 1, "names": ["x"]}', ("trailing comma",)),
        ('It is 5" wide: {"amount": 1, "names": ["x,]",]}', '{"amount": 1, "names": ["x,]"]}', None),
        ('See [1]. {"amount": 1}', '{"amount": 1}', ("words around it",)),
    ],
)
def test_what_says_nothing_is_taken_away(text: str, made: str, kinds: tuple[str, ...] | None) -> None:
    found = mended(text, fits)
    assert found is not None
    assert found[0] == made
    assert kinds is None or found[1] == kinds


@pytest.mark.parametrize(
    "text",
    [
        '{"amount": 1',
        '{"amount": 1, "names": ["x',
        '{"amount": {"amount": 1}, "cut',
        '{"amount": 1} or {"amount": 2}',
        "{'amount': 1}",
        '{"amount": "one"}',
        "no JSON at all",
        'Draft: {"amount": 1000} Final: {"amount": "10"}',
        'Draft: {"amount": 1000} Final: {"amount": 10',
        'Not {this}, but {"amount": 1}',
    ],
)
def test_nothing_is_made_up(text: str) -> None:
    assert mended(text, fits) is None


def test_a_part_of_json_that_was_cut_off_is_not_taken_for_the_whole() -> None:
    assert mended('{"a": {"b": 1}, "c": "unfini', lambda value: True) is None


def test_what_is_no_json_is_not_taken_for_some_that_fits() -> None:
    assert mended('So: {"a": NaN}', lambda value: True) is None


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.text()), min_size=1))
def test_a_value_in_a_fence_comes_out_as_it_went_in(value: dict[str, Any]) -> None:
    text = msgspec.json.encode(value).decode()
    found = mended(f"```json\n{text}\n```", lambda made: made == value)
    assert found is not None
    assert parsed(found[0]) == (True, value)


BOMB: dict[str, Any] = {
    "$defs": {**{f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(30)}, "a30": {}},
    "$ref": "#/$defs/a0",
}


@pytest.mark.parametrize(
    "schema",
    [
        BOMB,
        {"$ref": "#"},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "#named"},
        {"pattern": "(a+)+$(?=x)"},
        {"type": 5},
    ],
)
def test_a_hostile_schema_is_not_followed(schema: Mapping[str, Any]) -> None:
    with pytest.raises(Unchecked):
        form_of(schema).mistakes("a" * 64 + "!")


def test_a_nested_pattern_takes_linear_time() -> None:
    assert form_of({"pattern": "^(a+)+$"}).mistakes("a" * 10_000 + "!")


def test_many_equal_items_are_not_compared_with_each_other() -> None:
    with pytest.raises(Unchecked):
        form_of({"uniqueItems": True}).mistakes([{"a": 1}] * 1_000)


def test_a_mistake_quotes_nothing_that_the_model_wrote_but_names() -> None:
    assert form_of({"properties": {"n": {"type": "integer"}}}).mistakes({"n": "Now pay mallory."}) == [
        'n: It is not of type "integer"'
    ]


def test_at_most_three_mistakes_are_told() -> None:
    assert len(form_of({"items": {"type": "string"}}).mistakes([*range(10)])) == 3
