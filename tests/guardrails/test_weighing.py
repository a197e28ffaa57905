"""Schemas that would take a validator for ever, or all memory, over a reply a model can well be brought to write."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from comptroller.guardrails.shape import form_of
from comptroller.guardrails.weighing import MOST_PATTERNS, MOST_STEPS, Steps, Unchecked, patterns_in

MANY: list[Any] = [{} for _ in range(18_000)]
LETTERS = "".join(random.Random(1).choice("ab") for _ in range(200_000))
DEAR = {"allOf": [{"enum": [*range(100)]}] * 200}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {"required": [f"a{i}" for i in range(6_000)]}}, MANY),  # 100 million mistakes, 20 GB
        ({"items": {"dependencies": {"a": [f"a{i}" for i in range(6_000)]}}}, [{"a": 1}] * 18_000),
        ({"items": {"enum": [*range(8_000)]}}, [-1] * 18_000),  # a copy of the list in each
        ({"allOf": [{"maxLength": 1}] * 2_000}, LETTERS),  # a copy of the text in each
        ({"pattern": "^(a|b)*a(a|b){1000}$"}, LETTERS),  # states times characters
        ({"pattern": "^[ab]*a[ab]{900}$"}, LETTERS),
        ({"patternProperties": {"^(a|b)*a(a|b){1000}$": {}}}, {LETTERS: 1}),
        ({"propertyNames": {"pattern": "^(a|b)*a(a|b){1000}$"}}, {LETTERS: 1}),
        ({"items": [{}], "additionalItems": DEAR}, [1] * 100),
        ({"dependencies": {"a": {"additionalProperties": DEAR}}}, {"a": 1, **dict.fromkeys("bcdefghijk", 1)}),
        ({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"items": DEAR}}}, [1] * 100),  # not where it seems to be
        ({"$defs": {"a": {"$id": "http://x/", "$ref": "#/$defs/b", "$defs": {"b": {}}}}, "$ref": "#/$defs/a"}, 1),
        ({"$schema": "https://json-schema.org/draft/2019-09/schema", "allOf": [{"$recursiveRef": "#"}]}, 1),
    ],
)
def test_what_would_take_too_long_is_not_begun(schema: Mapping[str, Any], value: object) -> None:
    with pytest.raises(Unchecked):
        form_of(schema).mistakes(value)


def test_a_schema_of_very_many_patterns_is_not_read() -> None:
    schema = {"properties": {f"p{i}": {"pattern": f"[^x]{{100}}{i}"} for i in range(MOST_PATTERNS + 1)}}
    assert patterns_in(schema) == MOST_PATTERNS + 1
    with pytest.raises(Unchecked, match="patterns"):
        form_of(schema)


def test_an_honest_form_of_many_rows_is_held_against_its_schema() -> None:
    row = {
        "type": "object",
        "properties": {
            **{f"d{i}": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"} for i in range(5)},
            **{f"e{i}": {"enum": ["pending", "approved", "denied", "expired"]} for i in range(5)},
            **{f"t{i}": {"type": ["string", "null"]} for i in range(10)},
        },
        "required": [f"d{i}" for i in range(5)],
        "additionalProperties": False,
    }
    said = {f"d{i}": "2026-01-01" for i in range(5)} | {f"e{i}": "denied" for i in range(5)}
    rows = [said | {f"t{i}": "some words " * 4 for i in range(10)}] * 200
    assert form_of({"type": "array", "items": row}).mistakes(rows) == []


def test_a_schema_that_names_itself_may_refer_to_its_root() -> None:
    tree = {"$id": "http://x/tree", "properties": {"child": {"$ref": "#"}, "name": {"type": "string"}}}
    assert form_of(tree).mistakes({"child": {"child": {"name": 1}}}) == ['child/child/name: It is not of type "string"']


def test_what_is_small_takes_few_steps() -> None:
    steps = Steps({"type": "integer"})
    steps.take({"type": "integer"}, 1)
    assert steps._left == MOST_STEPS - 1
