"""Streamed Anthropic messages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Chunk, Usage
from comptroller.dialects.dialect import Stream, Unreadable
from tests.dialects import recordings as rec
from tests.dialects.hands import anthropic_stream, cut_at, relay, said
from tests.dialects.recordings import ANTHROPIC, anthropic_makes_of


@pytest.mark.parametrize("name", ANTHROPIC)
def test_without_a_change_the_bytes_are_those_that_came(name: str) -> None:
    stream = anthropic_stream()
    out, _ = relay(stream, [ANTHROPIC[name]])
    assert out == ANTHROPIC[name]
    assert stream.finished


@settings(max_examples=60)
@given(st.sampled_from(sorted(ANTHROPIC)), st.data())
def test_any_split_gives_the_same_bytes_and_chunks(name: str, data: st.DataObject) -> None:
    stream = ANTHROPIC[name]
    at = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    out, split = relay(anthropic_stream(), pieces)
    whole, chunks = relay(anthropic_stream(), [stream])
    assert out == whole
    assert [(c.kind, c.slot, c.text) for c in split if c.kind != "other"] == [
        (c.kind, c.slot, c.text) for c in chunks if c.kind != "other"
    ]


def test_a_text_slot_is_over_before_its_block_stops() -> None:
    _, chunks = relay(anthropic_stream(), [rec.A_TEXT])
    assert [chunk.kind for chunk in chunks] == ["other", "other", "other", "text", "text", "end", "finish", "other"]
    assert said(chunks) == {0: "Grüße, Welt 🌍"}


def test_usage_contains_what_was_cached_and_the_later_word_holds() -> None:
    stream = anthropic_stream()
    relay(stream, [rec.START + rec.finish("end_turn") + rec.STOP])
    assert stream.reply.usage == Usage(input=135, output=12, cache_read=100, cache_write_5m=10, cache_write_1h=20)


def test_output_is_not_known_from_the_start_alone() -> None:
    stream = anthropic_stream()
    relay(stream, [rec.START + rec.block(0, rec.EMPTY, *rec.texts("long"))])
    assert stream.reply.usage is None
    assert stream.reply.emitted == 4


def test_searches_are_counted() -> None:
    stream = anthropic_stream()
    relay(stream, [rec.A_SEARCH])
    assert stream.reply.usage is not None
    assert stream.reply.usage.searches == 2


@pytest.mark.parametrize("usage", [None, [], "x", {"output_tokens": None}, {"output_tokens": -5}])
def test_odd_usage_never_breaks_the_stream(usage: object) -> None:
    stream = anthropic_stream()
    end = rec.named("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)
    relay(stream, [rec.START.replace(b'"usage"', b'"unused"') + end + rec.STOP])
    assert stream.reply.usage is None
    assert stream.finished


def test_signed_thinking_passes_untouched_and_is_counted() -> None:
    stream = anthropic_stream()
    _, chunks = relay(stream, [rec.A_THINKING])
    assert said(chunks) == {2: "42"}
    assert stream.reply.emitted == len("Hm, so.42")
    assert [(part.kind, part.text, part.role) for part in stream.reply.parts] == [
        ("reasoning", "Hm, so.", "signed"),
        ("text", "42", "assistant"),
    ]


def test_a_tool_call_is_one_chunk_once_its_block_stops() -> None:
    stream = anthropic_stream()
    _, chunks = relay(stream, [rec.A_TOOLS])
    calls = [chunk.call for chunk in chunks if chunk.call]
    assert [(call.id, call.name, call.args) for call in calls] == [
        ("toolu_a", "pull_credit", {"id": "123"}),
        ("toolu_b", "send_money", {"to": "bob"}),
    ]
    assert stream.reply.finish == "tool_use"


def test_a_call_without_arguments_has_empty_ones() -> None:
    _, chunks = relay(anthropic_stream(), [rec.START + rec.block(0, rec.use("now", "t")) + rec.finish("tool_use")])
    assert [chunk.call.args for chunk in chunks if chunk.call] == [{}]


def refuse(*ids: str):  # type: ignore[no-untyped-def]
    def act(stream: Stream, chunk: Chunk) -> bytes | None:
        return stream.refuse(chunk, "Refused.") if chunk.call and chunk.call.id in ids else None

    return act


def test_where_every_call_is_refused_the_message_is_text_and_ends_its_turn() -> None:
    out, _ = relay(anthropic_stream(), [rec.A_TOOLS], refuse("toolu_a", "toolu_b"))
    made = anthropic_makes_of(out)
    assert [block["text"] for block in made["content"]] == ["Let me look.", "Refused.", "Refused."]
    assert made["stop_reason"] == "end_turn"


def test_where_one_call_is_refused_the_other_stays() -> None:
    out, _ = relay(anthropic_stream(), [rec.A_TOOLS], refuse("toolu_a"))
    made = anthropic_makes_of(out)
    assert [block["type"] for block in made["content"]] == ["text", "text", "tool_use"]
    assert made["content"][2]["input"] == {"to": "bob"}
    assert made["stop_reason"] == "tool_use"


def test_a_tool_call_can_have_other_arguments() -> None:
    out, _ = relay(
        anthropic_stream(), [rec.A_TOOLS], lambda s, c: s.call(c, '{"to":"[x]"}') if c.kind == "call" else None
    )
    assert [block["input"] for block in anthropic_makes_of(out)["content"][1:]] == [{"to": "[x]"}] * 2


def test_text_can_be_put_in_place_of_text_and_before_its_end() -> None:
    def late(stream: Stream, chunk: Chunk) -> bytes | None:
        if chunk.kind == "end":
            return stream.text(chunk.slot, "all of it") + chunk.raw
        return b"" if chunk.kind == "text" else None

    out, _ = relay(anthropic_stream(), [rec.A_TEXT], late)
    assert anthropic_makes_of(out)["content"][0]["text"] == "all of it"


def test_text_in_the_start_of_a_block_is_text() -> None:
    start = rec.START + rec.block(0, {"type": "text", "text": "early "}, *rec.texts("late")) + rec.finish("end_turn")
    out, chunks = relay(anthropic_stream(), [start + rec.STOP])
    assert said(chunks) == {0: "early late"}
    assert anthropic_makes_of(out)["content"][0]["text"] == "early late"


@pytest.mark.parametrize("name", ANTHROPIC)
def test_a_stream_can_be_cut_anywhere_and_the_sdk_ends_without_an_exception(name: str) -> None:
    count = len(list(anthropic_stream().feed(ANTHROPIC[name])))
    for number in range(count + 1):
        made = anthropic_makes_of(cut_at(anthropic_stream(), ANTHROPIC[name], number))
        assert made["stop_reason"]


@pytest.mark.parametrize("name", ANTHROPIC)
def test_a_cut_stops_exactly_the_blocks_the_client_saw_begin(name: str) -> None:
    count = len(list(anthropic_stream().feed(ANTHROPIC[name])))
    for number in range(count + 1):
        out = cut_at(anthropic_stream(), ANTHROPIC[name], number)
        assert out.count(b'"content_block_start"') == out.count(b'"content_block_stop"')
        assert out.count(b'"message_stop"') == 1


@pytest.mark.parametrize(
    "odd",
    [
        rec.named("content_block_delta", index=4, delta={"type": "text_delta", "text": "x"}),
        rec.named("content_block_stop", index=4),
        rec.named("content_block_start", index=0, content_block=rec.use("f", "a")) + rec.block(1, rec.EMPTY),
        rec.block(0, rec.use("f", "a"))
        + rec.named("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "{}"}),
        b"event: content_block_delta\ndata: {broken\n\n",
    ],
)
def test_what_could_smuggle_a_tool_call_past_is_unreadable(odd: bytes) -> None:
    with pytest.raises(Unreadable):
        relay(anthropic_stream(), [rec.START + odd])


def test_an_error_event_passes_on_and_the_stream_is_not_finished() -> None:
    failed = rec.START + rec.named("error", error={"type": "overloaded_error", "message": "Overloaded"})
    stream = anthropic_stream()
    assert relay(stream, [failed])[0] == failed
    assert not stream.finished


def test_half_a_tool_call_does_not_pass() -> None:
    half = rec.A_TOOLS[: rec.A_TOOLS.index(b"bob")]
    stream = anthropic_stream()
    out, chunks = relay(stream, [half])
    assert b"send_money" not in out
    assert [chunk.call.name for chunk in chunks if chunk.call] == ["pull_credit"]
    assert not stream.finished


def test_unknown_events_and_blocks_pass_untouched() -> None:
    odd = (
        rec.START + rec.named("brand_new", x=1) + rec.block(0, {"type": "hologram", "z": 1}, {"type": "hologram_delta"})
    )
    assert relay(anthropic_stream(), [odd])[0] == odd


def test_a_line_end_that_comes_in_two_halves_is_kept() -> None:
    assert relay(anthropic_stream(), [rec.A_CRLF[:-1], rec.A_CRLF[-1:]])[0] == rec.A_CRLF
