"""Cutting a byte stream into events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.dialects import sse
from comptroller.dialects.dialect import Unreadable

WILD = (
    b"\xef\xbb\xbfdata: a\r\n\r\nevent: x\rdata: b\rdata:c\r\r: note\n\ndata: \xc3\xa9\n\nid: 1\nretry: 5\n\ndata\n\n"
)


def split(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = sse.Splitter()
    events = [event for piece in pieces for event in splitter.split(piece)]
    return events, splitter.rest()


def cut(data: bytes, at: list[int]) -> list[bytes]:
    return [data[a:b] for a, b in pairwise([0, *sorted(at), len(data)])]


def meaning(events: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [pair for event in events if (pair := sse.parse(event)) != (b"", b"")]


@given(st.lists(st.integers(0, len(WILD)), max_size=20))
def test_any_split_gives_the_same_events_and_loses_no_byte(at: list[int]) -> None:
    events, rest = split(cut(WILD, at))
    assert b"".join(events) + rest == WILD
    assert meaning(events) == meaning(split([WILD])[0])


def test_a_stream_is_read_as_the_specification_says() -> None:
    events, rest = split([WILD])
    assert meaning(events) == [(b"", b"a"), (b"x", b"b\nc"), (b"", "é".encode())]
    assert rest == b""


def test_one_line_end_does_not_end_an_event() -> None:
    assert split([b"data: a\r\n", b"data: b\r\n"]) == ([], b"data: a\r\ndata: b\r\n")


def test_what_has_no_blank_line_after_it_is_the_rest() -> None:
    assert split([b"data: a\n\ndata: b"]) == ([b"data: a\n\n"], b"data: b")


def test_an_endless_event_is_given_up_before_it_fills_the_memory() -> None:
    splitter = sse.Splitter()
    assert splitter.split(b"x" * (16 << 20)) == []
    with pytest.raises(Unreadable, match="longer than 16 MB"):
        splitter.split(b"x")


def test_an_endless_stream_is_given_up_too() -> None:
    splitter, megabyte = sse.Splitter(), b"data: " + b"x" * (1 << 20) + b"\n\n"
    whole = [len(splitter.split(megabyte)) for _ in range(255)]
    assert sum(whole) == 255
    with pytest.raises(Unreadable, match="longer than 256 MB"):
        splitter.split(megabyte)
