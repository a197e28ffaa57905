"""JSON is read decoded and stays JSON."""

import json
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comptroller.guardrails import jsontext
from comptroller.guardrails.chain import Chain
from comptroller.guardrails.redact import Spot

CHAIN = Chain()
PLAN = {"secrets": "redact", "privacy": "redact"}
KEY = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["jane@acme.com", KEY, "4012 8888 8888 1881", "a\nb jane@acme.com", 4012888888881881]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_redacted_json_is_json_of_the_same_shape_without_the_secrets(
    value: Any, ascii: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii, indent=indent)
    seen = CHAIN.inspect_json(text, PLAN)
    again = json.loads(seen.text)
    assert shape(again) == shape(value)
    assert not re.search("jane@|ghp_16C7|4012 ?8888 ?8888 ?1881", json.dumps(again))


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return [shape(v) for v in value.values()]
    return [shape(v) for v in value] if isinstance(value, list) else None


def test_escaped_text_is_looked_at_decoded() -> None:
    text = '{"to": "jane\\u0040acme.com", "note": "line\\nghp_16C7e42F292c6912E7710c838347Ae178B4a\\tend"}'
    assert json.loads(CHAIN.inspect_json(text, PLAN).text) == {
        "to": "[email]",
        "note": "line\n[secret:github-token]\tend",
    }


def test_a_number_that_is_a_finding_becomes_a_string_and_others_stay_as_written() -> None:
    text = '{"card": 4012888888881881, "amount": 1.50, "big": 12345678901234567890, "exp": 1E5}'
    wanted = '{"card": "[card]", "amount": 1.50, "big": 12345678901234567890, "exp": 1E5}'
    assert CHAIN.inspect_json(text, PLAN).text == wanted


def test_a_key_announces_its_value() -> None:
    text = '{"password": "hunter2x", "passport_number": "C01X00T47", "ssn": 219099998, "phones": ["030 901820"]}'
    seen = json.loads(CHAIN.inspect_json(text, PLAN).text)
    assert seen == {
        "password": "[secret:password]",
        "passport_number": "[passport]",
        "ssn": "[ssn]",
        "phones": ["[phone]"],
    }


def test_keys_are_redacted_too() -> None:
    assert CHAIN.inspect_json('{"jane@acme.com": 1}', PLAN).text == '{"[email]": 1}'


def test_places_are_those_of_the_json_text() -> None:
    text = '{"to": "ask jane@acme.com"}'
    (found,) = CHAIN.inspect_json(text, PLAN).findings
    assert text[found.start : found.end] == "jane@acme.com"


def test_clean_json_is_the_same_object() -> None:
    text = '{"a": [1, 2, {"b": "c"}]}'
    assert CHAIN.inspect_json(text, PLAN).text is text


def test_what_is_not_json_is_treated_as_text() -> None:
    for text in ("{", "", '{"a": }', "jane@acme.com", "[" * 100_000, '"\ud800"'):
        seen = CHAIN.inspect_json(text, PLAN)
        assert seen.failed == ""
    assert CHAIN.inspect_json('{"a": jane@acme.com', PLAN).text == '{"a": [email]'


def test_flat_text_keeps_values_apart() -> None:
    leaves = jsontext.read('["4012 8888", "8888 1881"]')
    assert leaves is not None
    assert leaves.flat == "4012 8888\n8888 1881\n"


def test_a_finding_across_two_values_has_a_place_in_both() -> None:
    text = '["+49", "x@y.org", "z"]'
    leaves = jsontext.read(text)
    assert leaves is not None
    places = [
        text[s.start : s.end] for s in leaves.locate([Spot(1, 6, 0, "privacy", "phone"), Spot(6, 11, 0, "a", "b")])
    ]
    assert places == ["49", "x@", "y.org"]
