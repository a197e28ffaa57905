"""Whatever arrives at the later dialects, they read it or say that it is unreadable; nothing else ever comes out."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.core.call import Change, Request
from comptroller.dialects import tree
from comptroller.dialects.dialect import Dialect, Unreadable
from comptroller.dialects.gemini import Gemini
from comptroller.dialects.openai_embeddings import OpenAIEmbeddings
from comptroller.dialects.openai_responses import OpenAIResponses
from tests.dialects import recordings_more as rec
from tests.dialects import test_gemini, test_gemini_stream, test_openai_responses
from tests.dialects.hands import relay
from tests.dialects.recordings import ANTHROPIC, OPENAI
from tests.dialects.test_never import broken, twisted

PATH = test_gemini.PATH
DIALECTS: list[Dialect] = [OpenAIResponses(), Gemini(), OpenAIEmbeddings()]
STREAMING: list[Dialect] = [OpenAIResponses(), Gemini()]
REQUESTS = [
    json.dumps(node).encode()
    for node in (
        {
            "model": "m",
            "input": test_openai_responses.CONVERSATION,
            "instructions": "s",
            "tools": [{"type": "function", "name": "f"}, {"type": "namespace", "tools": [{"name": "g"}]}],
            "prompt": {"id": "p", "variables": {"x": {"type": "input_text", "text": "t"}}},
            "metadata": {"a": "b"},
        },
        {
            "contents": test_gemini.CONVERSATION,
            "systemInstruction": {"parts": [{"text": "s"}]},
            "generationConfig": {"maxOutputTokens": 3, "candidateCount": 2},
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
            "labels": {"a": "b"},
        },
        {"model": "m", "input": ["a", "b"], "user": "u"},
    )
]
ARRAY = json.dumps([test_gemini.REPLY, test_gemini.REPLY]).encode()
REPLIES = [test_openai_responses.BODY, test_gemini.BODY, ARRAY, b'{"data":[],"usage":{"prompt_tokens":1}}']
STREAMS = [*rec.RESPONSES.values(), *rec.GEMINI.values(), test_gemini_stream.IN_PIECES, rec.G_TWO]


def try_all(body: bytes) -> list[bytes]:
    """Read, change and write the body in every way: what came of it where it could be read."""
    out = []
    for dialect in DIALECTS:
        with contextlib.suppress(Unreadable):
            request = dialect.read(body, PATH)
            texts = {part.path: "[x]" for part in request.parts if part.kind != "media"}
            out.append(dialect.rewrite(request, Change(texts=texts, model="n", max_tokens=1, ask_usage=True)))
        with contextlib.suppress(Unreadable):
            reply = dialect.read_reply(body)
            texts = {part.path: "[x]" for part in reply.parts if part.kind != "media"}
            refused = {call.path: "No." for call in reply.calls}
            out.append(dialect.rewrite_reply(reply, Change(texts=texts, refused=refused)))
            args = {call.path: '{"x":"[x]"}' for call in reply.calls}
            out.append(dialect.rewrite_reply(reply, Change(texts={**texts, **args})))
    return out


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(REQUESTS + REPLIES), st.integers())
def test_a_damaged_body_is_read_or_unreadable(body: bytes, seed: int) -> None:
    assert all(isinstance(tree.load(out), dict | list) for out in try_all(broken(body, seed)))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(REQUESTS + REPLIES), st.data())
def test_a_body_with_a_value_of_the_wrong_kind_is_read_or_unreadable(body: bytes, data: st.DataObject) -> None:
    odd = json.dumps(twisted(json.loads(body), data.draw)).encode()
    assert all(isinstance(tree.load(out), dict | list) for out in try_all(odd))


def reader(dialect: Dialect) -> Any:
    return dialect.stream(Request("m", True, None, [], [], b"", choices=2))


@settings(max_examples=250, deadline=None)
@given(st.sampled_from([*STREAMS, *OPENAI.values(), *ANTHROPIC.values()]), st.integers(), st.sampled_from(STREAMING))
def test_a_damaged_stream_is_read_or_unreadable(stream: bytes, seed: int, dialect: Dialect) -> None:
    made = reader(dialect)
    try:
        out, _ = relay(made, [broken(stream, seed)])
    except Unreadable:
        out = b""
    assert isinstance(out + made.cut("denied", "No."), bytes)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(STREAMS), st.data(), st.sampled_from(STREAMING), st.booleans())
def test_a_stream_with_a_value_of_the_wrong_kind_is_read_or_unreadable(
    stream: bytes, data: st.DataObject, dialect: Dialect, refusing: bool
) -> None:
    events = stream.replace(b"\r", b"").split(b"\n\n")
    at = data.draw(st.sampled_from([number for number, event in enumerate(events) if b"data: {" in event]))
    name, _, body = events[at].partition(b"data: ")
    events[at] = name + b"data: " + json.dumps(twisted(json.loads(body), data.draw)).encode()
    made = reader(dialect)

    def change(stream: Any, chunk: Any) -> bytes | None:
        if chunk.kind == "call":
            return bytes(stream.refuse(chunk, "No.") if refusing else stream.call(chunk, '{"x":1}'))
        return bytes(stream.text(chunk.slot, "x")) if chunk.kind == "text" else None

    with contextlib.suppress(Unreadable):
        relay(made, [b"\n\n".join(events)], change)
    assert isinstance(made.cut("denied", "No."), bytes)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (OpenAIResponses(), b'{"model":"m","input":[{"role":"user","content":"%b"}]}'),
        (Gemini(), b'{"contents":[{"parts":[{"text":"%b"}]}]}'),
        (OpenAIEmbeddings(), b'{"input":["%b"]}'),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_fifty_megabytes_are_read(dialect: Dialect, body: bytes) -> None:
    assert len(dialect.read(body % (b"x" * (50 << 20)), PATH).parts[0].text) == 50 << 20
