"""Moulds: events that differ in one string only."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.call import Chunk
from comptroller.dialects.dialect import Stream
from comptroller.dialects.mould import Mould, mould_of
from tests.dialects.hands import anthropic_stream, openai_stream
from tests.dialects.recordings import ANTHROPIC, OPENAI

EVENT = b'data: {"role":"a","text":"Hello"}\n\n'
TEXTS = st.text(max_size=20) | st.sampled_from(['"', "\\", "\n", "\u2028", "é", "\U0001f600"])


def text_of(event: bytes) -> object:
    try:
        found = json.loads(event[6:])
    except ValueError:
        return None
    return found["text"] if set(found) == {"role", "text"} else None


def mould() -> Mould:
    made = mould_of(EVENT, "Hello", text_of)
    assert made is not None
    return made


@given(TEXTS, st.booleans())
def test_what_fits_a_mould_is_read_as_json_reads_it(text: str, ascii_only: bool) -> None:
    body = json.dumps(text, ensure_ascii=ascii_only)
    assert mould().read(EVENT.replace(b'"Hello"', body.encode())) == text


@given(TEXTS)
def test_what_a_mould_writes_it_reads_again(text: str) -> None:
    assert mould().read(mould().write(text)) == text


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b'data: {"role":"a","text":"}\n\n',
        b'data: {"role":"a","text":"Hello","more":"x"}\n\n',
        b'data: {"role":"a","text":"one"}\n\ndata: {"role":"a","text":"two"}\n\n',
        b'data: {"role":"a","text":"a\nb"}\n\n',
        b'data: {"role":"a","text":"a\rb"}\n\n',
        b'data: {"role":"a","text":"\xff"}\n\n',
        b'data: {"role":"a","text":"\\ud800"}\n\n',
        b'data: {"role":"b","text":"Hello"}\n\n',
        EVENT[:-1],
    ],
)
def test_anything_else_than_one_event_with_another_string_does_not_fit(event: bytes) -> None:
    assert mould().read(event) is None


def test_a_text_that_stands_there_twice_makes_no_mould() -> None:
    assert mould_of(b'data: {"role":"Hello","text":"Hello"}\n\n', "Hello", text_of) is None


def test_a_text_that_stands_somewhere_else_makes_no_mould() -> None:
    assert mould_of(b'data: {"role":"Hello","text":"\\u0048ello"}\n\n', "Hello", text_of) is None


def events(recording: bytes) -> list[bytes]:
    return [event + b"\n\n" for event in recording.split(b"\n\n") if event]


def told(chunks: list[Chunk]) -> list[tuple[object, ...]]:
    return [(c.kind, c.raw, c.slot, c.text, c.call) for c in chunks]


def by_events(stream: Stream, recording: bytes, quick: bool) -> list[tuple[object, ...]]:
    seen = []
    for event in events(recording):
        chunk = stream.delta(event) if quick else None  # type: ignore[attr-defined]
        seen += told([chunk] if chunk is not None else list(stream.feed(event)))
    return seen


@pytest.mark.parametrize("name", OPENAI)
def test_the_short_way_tells_the_same_chunks_of_a_completion(name: str) -> None:
    slow, quick = openai_stream(), openai_stream()
    assert by_events(quick, OPENAI[name], quick=True) == by_events(slow, OPENAI[name], quick=False)
    assert quick.so_far() == slow.so_far()


@pytest.mark.parametrize("name", ANTHROPIC)
def test_the_short_way_tells_the_same_chunks_of_a_message(name: str) -> None:
    slow, quick = anthropic_stream(), anthropic_stream()
    assert by_events(quick, ANTHROPIC[name], quick=True) == by_events(slow, ANTHROPIC[name], quick=False)
    assert quick.so_far() == slow.so_far()


def test_the_short_way_waits_for_half_an_event_to_be_whole() -> None:
    stream = openai_stream()
    first = next(event for event in events(OPENAI["text"]) if b'"content":"' in event.replace(b": ", b":"))
    list(stream.feed(b"".join(events(OPENAI["text"])[:3]) + first[:20]))
    assert stream.delta(first) is None  # type: ignore[attr-defined]
