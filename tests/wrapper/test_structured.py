"""Replies that are to be JSON of a certain form: mended, asked for again, passed on or refused."""

import json
from typing import Any

import pytest

from tests.wrapper.bodies import DONE, ask, event, reply
from tests.wrapper.healing_model import model, stream, text_of, told

FORM = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}},
    "required": ["amount"],
    "additionalProperties": False,
}
WANTED = {"type": "json_schema", "json_schema": {"name": "order", "schema": FORM}}


def structured(more: str = "retry: {times: 1}") -> str:
    return f"policy: p\nstructured: {{{more}}}\n"


def wanted(**more: Any) -> bytes:
    return ask(max_tokens=50, response_format=WANTED, **more)


def test_json_in_a_fence_is_mended_in_place() -> None:
    with model(structured()) as it:
        answer = it.call(reply('```json\n{"amount": 5}\n```'), body=wanted())
        assert text_of(answer) == '{"amount": 5}'
        assert it.records[-1]["rule"] == "structured.mended"
        assert "code fence" in str(it.records[-1]["because"])


def test_json_that_does_not_fit_is_asked_for_again_in_the_validators_words() -> None:
    with model(structured()) as it:
        answer = it.call(reply('{"amount": "five"}'), reply('{"amount": 5}'), body=wanted())
        assert text_of(answer) == '{"amount": 5}'
        assert "is not of type" in it.asked()
        assert "five" not in str(it.records[0]["because"])


def test_json_that_was_cut_off_is_never_mended() -> None:
    with model(structured()) as it:
        cut = json.loads(reply('{"amount": 5'))
        cut["choices"][0]["finish_reason"] = "length"
        it.call(json.dumps(cut).encode(), reply('{"amount": 5}'), body=wanted())
        assert "fewer words" in it.asked()


@pytest.mark.parametrize(("otherwise", "refused"), [("pass", False), ("deny", True)])
def test_what_stays_misshapen_passes_or_not_as_the_policy_says(otherwise: str, refused: bool) -> None:
    with model(structured(f"retry: {{times: 1}}, otherwise: {otherwise}")) as it:
        answer = it.call(*[reply("Five.")] * 2, body=wanted())
        assert (answer.refused is not None) is refused
        assert any(row["rule"] == "structured.shape" for row in it.records[-1]["decisions"])


def test_rules_look_at_the_mended_text() -> None:
    rule = "rules: [{id: only-json, on: reply, when: '!reply.text.startsWith(\"{\")', then: deny}]\n"
    with model(structured() + rule) as it:
        assert it.call(reply('Here: {"amount": 5}'), body=wanted()).refused is None


def test_a_stream_is_mended_too() -> None:
    with model(structured()) as it:
        body = wanted(stream=True)
        it.call(stream("```json\n", '{"amount"', ": 5}\n", "```"), body=body)
        assert told(it.pieces) == '{"amount": 5}'


def test_a_stream_that_does_not_fit_is_asked_for_again() -> None:
    with model(structured()) as it:
        it.call(stream("Fi", "ve."), stream('{"amount": ', "5}"), body=wanted(stream=True))
        assert told(it.pieces) == '{"amount": 5}'


def test_arguments_of_a_strict_tool_must_fit_its_schema() -> None:
    tool = {"type": "function", "function": {"name": "order", "parameters": FORM, "strict": True}}
    with model(structured()) as it:
        wrong, right = reply(None, [("c1", "order", {"amount": "x"})]), reply(None, [("c2", "order", {"amount": 1})])
        answer = it.call(wrong, right, body=ask(max_tokens=50, tools=[tool]))
        assert json.loads(answer.body)["choices"][0]["message"]["tool_calls"][0]["id"] == "c2"
        assert "In the call of order" in it.asked()


def test_a_model_that_declines_is_not_pressed() -> None:
    declined = json.loads(reply(None))
    declined["choices"][0]["message"]["refusal"] = "I will not."
    with model(structured()) as it:
        it.call(json.dumps(declined).encode(), body=wanted())
        assert len(it.sent) == 1


@pytest.mark.parametrize(("otherwise", "refused"), [("pass", False), ("deny", True)])
def test_a_schema_nobody_can_use_is_told_of(otherwise: str, refused: bool) -> None:
    odd = {"type": "json_schema", "json_schema": {"schema": {"$ref": "http://127.0.0.1:9/x"}}}
    with model(structured(f"retry: {{times: 1}}, otherwise: {otherwise}")) as it:
        answer = it.call(reply("{}"), body=ask(max_tokens=20, response_format=odd))
        assert (answer.refused is not None) is refused
        assert it.records[-1]["rule"] == "structured.unchecked"


@pytest.mark.parametrize(("otherwise", "refused"), [("pass", False), ("deny", True)])
def test_a_strict_tool_in_a_stream_with_a_schema_nobody_can_use_is_told_of(otherwise: str, refused: bool) -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"$ref": "#named"}}}
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    came = event({"role": "assistant"}) + event({"tool_calls": [call]}) + event({}, "tool_calls") + DONE
    with model(structured(f"otherwise: {otherwise}") + "unlisted: allow\n") as it:
        it.call(came, body=ask(stream=True, max_tokens=20, tools=[tool]))
        (record,) = it.records
        assert (record["status"], record["rule"]) == ("denied" if refused else "ok", "structured.unchecked")
        assert (b'"arguments"' in b"".join(it.pieces)) is not refused


def test_nothing_is_looked_at_where_nothing_is_demanded() -> None:
    with model(structured()) as it:
        answer = it.call(reply("```json\n{}\n```"))
        assert text_of(answer).startswith("```")
