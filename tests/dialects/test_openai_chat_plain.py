"""The plain completion: read in one step just as the careful way reads it, or not at all."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Reply
from comptroller.dialects import openai_chat
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.openai_chat_plain import read_plain

COUNTS = st.integers(0, 50) | st.sampled_from([None, -1, 2**53 + 1, 2.0, "3", True])
ODD = st.sampled_from([None, "", [], {}, "x", 1, [{"function": {"name": "f", "arguments": "{}"}}]])


def plain(**more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hello", "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 10,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0, "accepted_prediction_tokens": 0},
    }
    return {"id": "c1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage, **more}


def with_care(body: bytes, monkeypatch: pytest.MonkeyPatch) -> Reply | None:
    monkeypatch.setattr(openai_chat, "read_plain", lambda body: None)
    try:
        return openai_chat.OpenAIChat().read_reply(body)
    except Unreadable:
        return None
    finally:
        monkeypatch.undo()


def test_the_plain_completion_is_read_in_one_step() -> None:
    assert read_plain(json.dumps(plain()).encode()) is not None


@settings(max_examples=150)
@given(st.data())
def test_what_is_read_in_one_step_is_read_alike_with_care(data: st.DataObject) -> None:
    node = plain()
    used = node["usage"]
    places = [
        (node, ("id", "model", "service_tier", "created", "x_groq", "more", "usage", "choices")),
        (node["choices"][0], ("index", "finish_reason", "logprobs", "more")),
        (node["choices"][0]["message"], ("content", "role", "refusal", "tool_calls", "audio", "reasoning")),
    ]
    for holder, names in places:
        for name in data.draw(st.lists(st.sampled_from(names), max_size=2)):
            holder[name] = data.draw(ODD | st.text(max_size=5) | st.sampled_from(["flex", "batch"]))
    for holder in (used, used["prompt_tokens_details"], used["completion_tokens_details"]):
        for name in data.draw(st.lists(st.sampled_from(sorted(holder)), max_size=2)):
            holder[name] = data.draw(COUNTS)
    body = json.dumps(node, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    found = read_plain(body)
    if found is not None:
        with pytest.MonkeyPatch.context() as patch:
            assert found == with_care(body, patch)


@pytest.mark.parametrize(
    "change",
    [
        (b'"Hello"', b'"\\ud800"'),
        (b'"Hello"', b'"\xff"'),
        (b'"c1"', b'"\xff"'),
        (b'"Hello"', b"NaN"),
        (b'"Hello"', b'"Hello", "tool_calls": [1], "tool_calls": null'),
        (b'"Hello"', b'"Hello", "reasoning": "x"'),
        (b'"object"', b'"x_groq": {}, "object"'),
    ],
)
def test_anything_odd_is_left_to_the_careful_way(change: tuple[bytes, bytes]) -> None:
    assert read_plain(json.dumps(plain()).encode().replace(*change)) is None
