"""A provider that means harm: what is judged of its Anthropic streams is what a client puts together."""

from typing import Any

import pytest

from comptroller.dialects.dialect import Unreadable
from tests.dialects import recordings as rec
from tests.dialects.hands import anthropic_stream, relay

Node = dict[str, Any]
CALL = {"type": "tool_use", "id": "t1", "name": "pay", "input": {}}
TEXT = {"type": "text", "text": ""}


def start(block: Node, at: object = 0) -> bytes:
    return rec.named("content_block_start", index=at, content_block=block)


def delta(kind: str, at: object = 0, **fields: object) -> bytes:
    return rec.named("content_block_delta", index=at, delta={"type": kind, **fields})


def json_piece(text: str) -> bytes:
    return delta("input_json_delta", partial_json=text)


STOP = rec.named("content_block_stop", index=0)


@pytest.mark.parametrize(
    "events",
    [
        start(CALL) + json_piece('{"sum": 5') + delta("text_delta", text=".0"),
        start(TEXT) + json_piece('{"sum": 5000}'),
        start(CALL) + STOP + start(TEXT),
        start(CALL) + STOP + json_piece("{}"),
        start(TEXT, at=1),
        start(TEXT, at="0"),
        start(TEXT) + delta("thinking_delta", thinking="x"),
        start(TEXT) + STOP + delta("text_delta", text="x"),
        rec.START,
        rec.finish("end_turn") + start(TEXT),
    ],
)
def test_what_clients_read_in_another_way_is_refused(events: bytes) -> None:
    with pytest.raises(Unreadable):
        relay(anthropic_stream(), [rec.START + events])


def test_more_blocks_than_anybody_sends_are_refused() -> None:
    blocks = b"".join(start(TEXT, at) + rec.named("content_block_stop", index=at) for at in range(10_001))
    with pytest.raises(Unreadable):
        relay(anthropic_stream(), [rec.START + blocks])


def test_input_given_at_once_and_in_pieces_is_written_anew() -> None:
    stream = anthropic_stream()
    out, _ = relay(stream, [rec.START + start({**CALL, "input": {"sum": 5000}}) + json_piece('{"sum": 5}') + STOP])
    assert stream.reply.calls[0].text == '{"sum": 5}'
    assert b"5000" not in out


def test_the_name_of_an_event_is_that_in_its_data() -> None:
    named = b"event: ping\n" + start(TEXT).partition(b"\n")[2]
    out, _ = relay(anthropic_stream(), [rec.START + named])
    assert b"ping" not in out


@pytest.mark.parametrize(
    "event",
    [
        start({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": "secret words"}]}),
        start(TEXT) + delta("citations_delta", citation={"cited_text": "secret words"}),
        start(TEXT) + delta("text_delta", text="hi", note="secret words"),
        rec.named("odd", said="secret words"),
    ],
)
def test_strings_beside_the_text_are_told(event: bytes) -> None:
    _, chunks = relay(anthropic_stream(), [rec.START + event])
    assert "secret words\n" in [chunk.text for chunk in chunks if chunk.kind == "other"]


def test_thinking_is_told_with_the_events_that_must_go_out_as_they_came() -> None:
    raw = delta("thinking_delta", thinking="secret words")
    _, chunks = relay(anthropic_stream(), [rec.START + start({"type": "thinking", "thinking": ""}) + raw])
    assert (chunks[-1].raw, chunks[-1].slot, chunks[-1].text) == (raw, 0, "secret words")
