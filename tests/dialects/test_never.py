"""Whatever arrives, a dialect reads it or says that it is unreadable; nothing else ever comes out."""

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Change
from comptroller.dialects import tree
from comptroller.dialects.anthropic import AnthropicMessages
from comptroller.dialects.dialect import Dialect, Unreadable
from comptroller.dialects.openai_chat import OpenAIChat
from tests.dialects import test_anthropic, test_openai_chat
from tests.dialects.hands import relay
from tests.dialects.recordings import ANTHROPIC, OPENAI, OPENAI_MIXED

DIALECTS: list[Dialect] = [OpenAIChat(), AnthropicMessages()]
REQUESTS = [
    json.dumps(
        {"model": "m", "system": "s", "messages": test_anthropic.CONVERSATION, "tools": [{"name": "x"}]}
    ).encode(),
    json.dumps(
        {
            "model": "m",
            "messages": [
                {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            ],
            "stream_options": {},
            "metadata": {"a": "b"},
            "tools": [{"type": "function", "function": {"name": "f"}}],
        }
    ).encode(),
]
REPLIES = [test_openai_chat.BODY, test_anthropic.BODY]
STREAMS = [*OPENAI.values(), *OPENAI_MIXED.values(), *ANTHROPIC.values()]
JUNK = st.sampled_from([None, True, 0, -1, 1.5, "", "x", [], {}, [None], {"type": None}, {"x": []}])


def broken(data: bytes, seed: int) -> bytes:
    """The bytes with a few of them changed, dropped or doubled."""
    chance, out = random.Random(seed), bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out))
        out[at : at + chance.choice((0, 1, 1, 5))] = chance.choice(
            (b"", b'"', b"{", b"]", b"null", b"\xff", b"\n", b"0")
        )
    return bytes(out)


def twisted(node: Any, draw: Any) -> Any:
    """The same JSON with one of its values replaced by junk."""
    places: list[tuple[Any, Any]] = []

    def walk(inner: Any) -> None:
        for name in inner if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ():
            places.append((inner, name))
            walk(inner[name])

    walk(node)
    holder, name = draw(st.sampled_from(places))
    holder[name] = draw(JUNK)
    return node


def try_all(body: bytes) -> list[bytes]:
    """Read, change and write the body in every way: what came of it where it could be read."""
    out = []
    for dialect in DIALECTS:
        with contextlib.suppress(Unreadable):
            request = dialect.read(body)
            texts = {part.path: "[x]" for part in request.parts if part.kind != "media"}
            out.append(dialect.rewrite(request, Change(texts=texts, model="n", max_tokens=1, ask_usage=True)))
        with contextlib.suppress(Unreadable):
            reply = dialect.read_reply(body)
            texts = {part.path: "[x]" for part in reply.parts if part.kind != "media"}
            refused = {call.path: "No." for call in reply.calls}
            out.append(dialect.rewrite_reply(reply, Change(texts=texts, refused=refused)))
    return out


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(REQUESTS + REPLIES), st.integers())
def test_a_damaged_body_is_read_or_unreadable(body: bytes, seed: int) -> None:
    assert all(isinstance(tree.load(out), dict) for out in try_all(broken(body, seed)))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(REQUESTS + REPLIES), st.data())
def test_a_body_with_a_value_of_the_wrong_kind_is_read_or_unreadable(body: bytes, data: st.DataObject) -> None:
    odd = json.dumps(twisted(json.loads(body), data.draw)).encode()
    assert all(isinstance(tree.load(out), dict) for out in try_all(odd))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STREAMS), st.integers(), st.sampled_from(DIALECTS))
def test_a_damaged_stream_is_read_or_unreadable(stream: bytes, seed: int, dialect: Dialect) -> None:
    reader = dialect.stream(dialect.read(REQUESTS[0]))
    try:
        out, _ = relay(reader, [broken(stream, seed)])
    except Unreadable:
        out = b""
    assert isinstance(out + reader.cut("denied", "No."), bytes)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(STREAMS), st.data(), st.sampled_from(DIALECTS))
def test_a_stream_with_a_value_of_the_wrong_kind_is_read_or_unreadable(
    stream: bytes, data: st.DataObject, dialect: Dialect
) -> None:
    events = stream.replace(b"\r", b"").split(b"\n\n")
    at = data.draw(st.sampled_from([number for number, event in enumerate(events) if b"data: {" in event]))
    name, _, body = events[at].partition(b"data: ")
    events[at] = name + b"data: " + json.dumps(twisted(json.loads(body), data.draw)).encode()
    reader = dialect.stream(dialect.read(REQUESTS[0]))

    def change(stream: Any, chunk: Any) -> bytes | None:
        if chunk.kind == "call":
            return bytes(stream.refuse(chunk, "No."))
        return bytes(stream.text(chunk.slot, "x")) if chunk.kind == "text" else None

    with contextlib.suppress(Unreadable):
        relay(reader, [b"\n\n".join(events)], change)
    assert isinstance(reader.cut("denied", "No."), bytes)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_fifty_megabytes_are_read(dialect: Dialect) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * (50 << 20) + b'"}]}'
    assert len(dialect.read(body).parts[0].text) == 50 << 20
