"""Values on their way into a condition."""

import math
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Identity
from comptroller.core.verdict import Case
from comptroller.policies.condition import Condition, Undecided
from comptroller.policies.load import load_policies
from comptroller.policies.values import Missing, check_type, clean, fit, plain


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("kind", "value", "fitted"),
    [
        ("double", 250, 250.0),
        ("double", Decimal("2.5"), 2.5),
        ("int", 250.0, 250),
        ("int", Level.HIGH, 3),
        ("string?", "a", "a"),
        ("bool", True, True),
        ("list<string>", ("a",), ["a"]),
        ("list<double>", [1], [1.0]),
        ("object", OrderedDict(a=(1,)), {"a": [1]}),
        ("any", {1: {2}}, {"1": [2]}),
        ("list", {3}, [3]),
    ],
)
def test_a_value_that_fits_is_made_plain(kind: str, value: object, fitted: object) -> None:
    assert (fit(kind)(value), type(fit(kind)(value))) == (fitted, type(fitted))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("double", "250"),
        ("double", True),
        ("double", math.nan),
        ("double", math.inf),
        ("double", 10**400),
        ("int", 2.5),
        ("int", 2**63),
        ("int", True),
        ("int", math.nan),
        ("string", 5),
        ("string", b"a"),
        ("bool", 1),
        ("bool", "true"),
        ("list<string>", ["a", 1]),
        ("list<string>", "a"),
        ("object", []),
        ("any", object()),
        ("any", [math.nan]),
        ("int", Decimal("NaN")),
        ("any", {(1, 2): 3}),
        ("any", {"a": object()}),
    ],
)
def test_a_value_that_does_not_fit_is_missing(kind: str, value: object) -> None:
    with pytest.raises(Missing, match=r"^(is|holds|has) "):
        fit(kind)(value)


def test_a_value_within_itself_is_missing_and_no_crash() -> None:
    endless: dict[str, object] = {}
    endless["a"] = endless
    with pytest.raises(Missing, match="nested deeper"):
        plain(endless)


def test_more_values_than_anyone_can_mean_are_missing() -> None:
    with pytest.raises(Missing, match="more than 10000 values"):
        plain([0] * 10_001)


def test_numbers_too_large_for_64_bits_become_near_ones() -> None:
    assert plain([2**63, -(2**63)]) == [float(2**63), -(2**63)]


def test_times_and_bytes_become_text() -> None:
    assert plain([datetime(2026, 1, 1, tzinfo=UTC), b"a\xff"]) == ["2026-01-01T00:00:00+00:00", "a\ufffd"]


def test_a_set_has_one_order() -> None:
    assert plain({"b", "a"}) == ["a", "b"]


def test_surrogates_become_what_json_means_by_them() -> None:
    assert (clean("\ud83d\ude00"), clean("a\ud800"), clean("ü")) == ("😀", "a\ufffd", "ü")


@pytest.mark.parametrize("text", ["float", "list<float>", "list<list>", "", "string??", "map"])
def test_an_unknown_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a type"):
        check_type(text)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner) | st.frozensets(st.text())
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(anything)
def test_whatever_is_made_plain_the_evaluator_can_take(value: object) -> None:
    try:
        made = plain(value)
    except Missing:
        return
    assert Condition("type(y) == type(y)", {"y": "dyn"}).holds({"y": made})


@settings(deadline=None)
@given(anything)
def test_a_condition_on_anything_says_yes_or_no_or_is_undecided(value: object) -> None:
    try:
        answer = Condition("y > 5", {"y": "dyn"}).holds({"y": plain(value)})
    except (Missing, Undecided):
        return
    assert answer is (isinstance(value, int | float) and value > 5)


def test_nothing_hides_behind_a_nul() -> None:
    book = load_policies(
        [
            (
                "p.yaml",
                "policy: p\nrules:\n"
                "  - {id: evil, on: model, when: 'text.contains(\"evil\")', then: deny}\n"
                "  - {id: not-bob, on: tool, tool: pay, when: args.to != 'bob', then: deny}\n",
            )
        ]
    )
    told = Case("model", Identity(), text=lambda: "well\0 evil")
    assert book.decide(told).action == "deny"
    paid = Case("tool", Identity(), kind="tool", tool="pay", args={"to": "bob\0@evil"})
    assert book.decide(paid).action == "deny"
