"""Streamed chat completions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Chunk, Usage
from comptroller.dialects.dialect import Stream, Unreadable
from tests.dialects import recordings as rec
from tests.dialects.hands import cut_at, openai_stream, relay, said
from tests.dialects.recordings import OPENAI, OPENAI_MIXED, openai_iterates, openai_makes_of

ALL = OPENAI | OPENAI_MIXED


def message(stream: bytes, choice: int = 0) -> dict[str, object]:
    made: dict[str, object] = openai_makes_of(stream)["choices"][choice]["message"]
    return made


def finish(stream: bytes) -> str:
    return str(openai_makes_of(stream)["choices"][0]["finish_reason"])


@pytest.mark.parametrize("name", OPENAI)
def test_without_a_change_the_bytes_are_those_that_came(name: str) -> None:
    out, _ = relay(openai_stream(), [OPENAI[name]])
    assert out == OPENAI[name]


@pytest.mark.parametrize("name", OPENAI_MIXED)
def test_events_that_carry_several_things_say_the_same_in_several_events(name: str) -> None:
    out, _ = relay(openai_stream(), [OPENAI_MIXED[name]])
    assert openai_makes_of(out) == openai_makes_of(OPENAI_MIXED[name])


@settings(max_examples=60)
@given(st.sampled_from(sorted(ALL)), st.data())
def test_any_split_gives_the_same_bytes_and_chunks(name: str, data: st.DataObject) -> None:
    stream = ALL[name]
    at = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    whole, chunks = relay(openai_stream(), [stream])
    out, split = relay(openai_stream(), pieces)
    assert out == whole
    assert [(c.kind, c.slot, c.text) for c in split if c.kind != "other"] == [
        (c.kind, c.slot, c.text) for c in chunks if c.kind != "other"
    ]


@pytest.mark.parametrize("name", ALL)
def test_every_recording_ends_finished_with_no_text_open(name: str) -> None:
    stream = openai_stream()
    _, chunks = relay(stream, [ALL[name]])
    assert stream.finished
    assert {c.slot for c in chunks if c.kind == "text"} == {c.slot for c in chunks if c.kind == "end"}


def test_texts_come_by_choice_and_field() -> None:
    assert said(relay(openai_stream(), [rec.TWO_CHOICES])[1]) == {(0, "content"): "one", (1, "content"): "two"}
    assert said(relay(openai_stream(), [rec.REFUSAL])[1]) == {(0, "refusal"): "I will not."}
    assert said(relay(openai_stream(), [rec.REASONING])[1]) == {
        (0, "reasoning_content"): "Let me think.",
        (0, "content"): "42",
    }


def test_the_reply_is_whole_at_the_end() -> None:
    stream = openai_stream()
    relay(stream, [rec.REASONING])
    reply = stream.reply
    assert [(part.kind, part.text) for part in reply.parts] == [("reasoning", "Let me think."), ("text", "42")]
    assert (reply.id, reply.model, reply.finish, reply.emitted) == ("chatcmpl-1", "gpt-4o-2024-08-06", "stop", 15)
    assert reply.usage == Usage(input=20, output=10, cache_read=8, reasoning=4)


def test_texts_of_a_reply_under_way_can_be_asked_for() -> None:
    stream = openai_stream()
    list(stream.feed(rec.ROLE + rec.event({"content": "half"})))
    assert [part.text for part in stream.so_far().parts] == ["half"]


def test_a_tool_call_is_one_chunk_once_it_is_whole() -> None:
    stream = openai_stream()
    assert list(stream.feed(rec.TOOLS[: rec.TOOLS.index(rec.event({}, "tool_calls"))])) == []
    _, chunks = relay(openai_stream(), [rec.TOOLS])
    calls = [chunk.call for chunk in chunks if chunk.call]
    assert [(call.id, call.name, call.args) for call in calls] == [
        ("call_a", "pull_credit", {"id": "123"}),
        ("call_b", "send_money", {"to": "bob"}),
    ]


def test_interleaved_tool_calls_are_told_apart() -> None:
    mixed = rec.event(rec.tool(0, "", "f", "a")) + rec.event(rec.tool(1, "", "g", "b"))
    mixed += rec.event(rec.tool(0, '{"x":1}')) + rec.event(rec.tool(1, '{"y":2}')) + rec.event({}, "tool_calls")
    calls = [chunk.call for chunk in relay(openai_stream(), [mixed])[1] if chunk.call]
    assert [(call.name, call.text) for call in calls] == [("f", '{"x":1}'), ("g", '{"y":2}')]


def test_calls_that_all_have_index_zero_are_told_apart_by_their_ids() -> None:
    same = rec.event(rec.tool(0, "{}", "f", "a")) + rec.event(rec.tool(0, "{}", "g", "b"))
    calls = [chunk.call for chunk in relay(openai_stream(), [same + rec.event({}, "tool_calls")])[1] if chunk.call]
    assert [(call.name, call.id) for call in calls] == [("f", "a"), ("g", "b")]


def test_a_tool_call_cannot_grow_after_it_was_decided() -> None:
    late = rec.event(rec.tool(0, '{"a":1}', "f", "a")) + rec.event({}, "tool_calls") + rec.event(rec.tool(0, ',"b":2}'))
    with pytest.raises(Unreadable):
        relay(openai_stream(), [late])


def test_a_legacy_function_call_is_a_tool_call() -> None:
    calls = [chunk.call for chunk in relay(openai_stream(), [rec.LEGACY])[1] if chunk.call]
    assert [(call.name, call.args) for call in calls] == [("look", {"at": 1})]


def refuse_all(stream: Stream, chunk: Chunk) -> bytes | None:
    return stream.refuse(chunk, "Refused: no.") if chunk.kind == "call" else None


@pytest.mark.parametrize("name", ["tools", "legacy", "tools at once", "text and tool"])
def test_where_every_call_is_refused_the_reply_is_text_and_stops(name: str) -> None:
    out, _ = relay(openai_stream(), [ALL[name]], refuse_all)
    made = message(out)
    assert "Refused: no." in str(made["content"])
    assert not made["tool_calls"]
    assert not made["function_call"]
    assert (made["role"], finish(out)) == ("assistant", "stop")


@pytest.mark.parametrize("name", ["tools", "tools at once"])
def test_where_the_first_call_is_refused_the_second_takes_its_index(name: str) -> None:
    def first(stream: Stream, chunk: Chunk) -> bytes | None:
        call = chunk.call
        return stream.refuse(chunk, "No.") if call and call.id == "call_a" else None

    out, _ = relay(openai_stream(), [ALL[name]], first)
    calls = message(out)["tool_calls"]
    assert [(call["id"], call["index"]) for call in calls] == [("call_b", 0)]
    assert finish(out) == "tool_calls"


def test_a_tool_call_can_have_other_arguments() -> None:
    def redact(stream: Stream, chunk: Chunk) -> bytes | None:
        return stream.call(chunk, '{"to":"[e-mail]"}') if chunk.call else None

    out, _ = relay(openai_stream(), [rec.TOOLS], redact)
    made = [(call["function"]["name"], call["function"]["arguments"]) for call in message(out)["tool_calls"]]
    assert made == [("pull_credit", '{"to":"[e-mail]"}'), ("send_money", '{"to":"[e-mail]"}')]


@pytest.mark.parametrize("name", ["text", "two choices", "reasoning", "text with finish", "both choices"])
def test_text_can_be_put_in_place_of_text(name: str) -> None:
    def shout(stream: Stream, chunk: Chunk) -> bytes | None:
        return stream.text(chunk.slot, chunk.text.upper()) if chunk.kind == "text" else None

    out, _ = relay(openai_stream(), [ALL[name]], shout)
    for number, choice in enumerate(openai_makes_of(ALL[name])["choices"]):
        made = message(out, number)
        assert made["content"] == choice["message"]["content"].upper()
        assert made["role"] == "assistant"


def test_usage_the_client_did_not_ask_for_is_kept_from_it() -> None:
    stream = openai_stream(wants_usage=False)
    out, chunks = relay(stream, [rec.TEXT])
    assert out == rec.TEXT.replace(rec.LAST_USAGE, b"")
    assert stream.reply.usage is not None
    assert [chunk.raw for chunk in chunks if chunk.kind == "usage"] == [b""]


@pytest.mark.parametrize(
    "usage", [None, {}, [], "x", {"prompt_tokens": None}, {"prompt_tokens": -3, "completion_tokens": "x"}]
)
def test_usage_that_says_nothing_counts_as_none_reported(usage: object) -> None:
    stream = openai_stream()
    relay(stream, [rec.ROLE + rec.data({**rec.HEAD, "choices": [], "usage": usage}) + rec.DONE])
    assert stream.reply.usage is None


def test_usage_told_in_every_event_counts_once_and_the_last_word_holds() -> None:
    told = [rec.event({"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": n}) for n in range(1, 5)]
    stream = openai_stream()
    relay(stream, [rec.ROLE, *told, rec.event({}, "stop"), rec.DONE])
    assert stream.reply.usage == Usage(input=9, output=4)


@pytest.mark.parametrize("name", ALL)
def test_a_stream_can_be_cut_anywhere_and_the_sdk_ends_without_an_exception(name: str) -> None:
    count = len(list(openai_stream().feed(ALL[name])))
    for number in range(count + 1):
        out = cut_at(openai_stream(), ALL[name], number)
        reasons = openai_iterates(out)
        assert reasons
        assert all(reasons.values())
        assert out.count(b"[DONE]") == 1


def test_a_cut_names_its_code() -> None:
    stream = openai_stream()
    list(stream.feed(rec.ROLE))
    assert b'"comptroller":{"code":"over_budget","message":"Spent."}' in stream.cut("over_budget", "Spent.")


@settings(max_examples=60)
@given(st.sampled_from(sorted(ALL)), st.data())
def test_a_broken_stream_is_not_finished_and_half_a_tool_call_does_not_pass(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, ALL[name].index(b"_reason") if b"_reason" in ALL[name] else 0))
    stream = openai_stream()
    out, chunks = relay(stream, [ALL[name][:at]])
    assert not stream.finished
    assert all(chunk.call.args is not None for chunk in chunks if chunk.call)
    out.decode()  # no half character either


def test_a_last_event_without_a_blank_line_counts() -> None:
    stream = openai_stream()
    out, _ = relay(stream, [rec.TEXT[:-1]])
    assert stream.finished
    assert out == rec.TEXT


def test_an_event_that_is_not_json_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        relay(openai_stream(), [rec.ROLE + b"data: <html>\n\n"])


def test_an_error_in_the_stream_passes_on() -> None:
    stream = openai_stream()
    failed = rec.ROLE + rec.data({"error": {"message": "overloaded", "code": 529}})
    out, _ = relay(stream, [failed])
    assert out == failed
    assert not stream.finished


def test_log_probabilities_do_not_tell_what_was_replaced() -> None:
    token = {"token": "secret", "logprob": -0.1, "bytes": None, "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "secret"}, "logprobs": {"content": [token]}, "finish_reason": None}
    stream = rec.ROLE + rec.data({**rec.HEAD, "choices": [choice]}) + rec.event({}, "stop") + rec.DONE
    out, _ = relay(openai_stream(), [stream], lambda s, c: s.text(c.slot, "[x]") if c.kind == "text" else None)
    assert b"secret" not in out


def test_a_line_end_that_comes_in_two_halves_is_kept() -> None:
    assert relay(openai_stream(), [rec.CRLF[:-1], rec.CRLF[-1:]])[0] == rec.CRLF
