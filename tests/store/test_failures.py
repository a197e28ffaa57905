"""Failures in one line, whatever a provider says."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.store import failures

UPSTREAM = {"type": "upstream", "status": 429}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({**UPSTREAM, "message": '{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}'},
         "429 rate_limit_error: slow"),
        ({**UPSTREAM, "message": '{"error": {"message": "say \\"please\\"", "type": null, "code": "rate_limit"}}'},
         '429 rate_limit: say "please"'),
        ({**UPSTREAM, "message": '[{"error": {"code": 429, "message": "no", "status": "RESOURCE_EXHAUSTED"}}]'},
         "429 RESOURCE_EXHAUSTED: no"),
        ({**UPSTREAM, "message": '{"error":{"type":"invalid","message":"cut in the midd'},
         "429 invalid: cut in the midd"),
        ({**UPSTREAM, "message": '{"error":"model not found"}'}, "429 model not found"),
        ({**UPSTREAM, "message": "<h1>Bad gateway</h1>"}, "429 <h1>Bad gateway</h1>"),
        ({"type": "upstream", "status": 502}, "502"),
        ({"type": "KeyError", "message": "'x'", "place": "tool read_order"}, "KeyError in tool read_order: 'x'"),
        ({"type": "ConnectError", "message": "refused", "place": "upstream"}, "ConnectError: refused"),
        ({"type": "Exit3"}, "Exit3"),
        ("{not json", "{not json"),
        ("in words", "in words"),
    ],
)  # fmt: skip
def test_a_failure_is_one_line_with_status_type_message_and_place(error: object, told: str) -> None:
    assert failures.told(error if isinstance(error, str) else json.dumps(error)) == told


@given(st.text(), st.integers(0, 300))
def test_the_words_of_any_provider_cut_anywhere_are_told(message: str, most: int) -> None:
    body = json.dumps({"error": {"type": "bad", "message": message}})[:most]
    told = failures.told(json.dumps({"type": "upstream", "status": 500, "message": body}))
    assert told.startswith("500")
    assert told in f"500 bad: {message}" or most < 300


@given(st.text())
def test_anything_can_be_told(text: str) -> None:
    assert isinstance(failures.told(text), str)
