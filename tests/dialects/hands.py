"""Hands that drive a stream as the flow does: chunk by chunk, each replaced or handed on before the next."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from comptroller.core.call import Chunk, Request
from comptroller.dialects.anthropic import AnthropicMessages
from comptroller.dialects.dialect import Stream
from comptroller.dialects.gemini import Gemini
from comptroller.dialects.openai_chat import OpenAIChat
from comptroller.dialects.openai_responses import OpenAIResponses

Act = Callable[[Stream, Chunk], bytes | None]


def openai_stream(wants_usage: bool = True) -> Stream:
    return OpenAIChat().stream(_request(wants_usage))


def anthropic_stream() -> Stream:
    return AnthropicMessages().stream(_request(True))


def responses_stream() -> Stream:
    return OpenAIResponses().stream(_request(True))


def gemini_stream(choices: int = 1) -> Stream:
    return Gemini().stream(replace(_request(True), choices=choices))


def relay(stream: Stream, pieces: Iterable[bytes], act: Act = lambda _, __: None) -> tuple[bytes, list[Chunk]]:
    """What the client gets, and the chunks it was made of; `act` returns bytes to put in place of a chunk."""
    out, seen = [], []
    for chunks in (*map(stream.feed, pieces), stream.end()):
        for chunk in chunks:
            put = act(stream, chunk)
            chunk.withheld = chunk.withheld or put is not None
            out.append(chunk.raw if put is None else put)
            seen.append(chunk)
    return b"".join(out), seen


def cut_at(stream: Stream, data: bytes, number: int) -> bytes:
    """What the client gets when chunk `number` may not pass and the stream is cut in its place."""
    out = []
    for count, chunk in enumerate(stream.feed(data)):
        if count == number:
            return b"".join((*out, stream.cut("denied", "No.")))
        out.append(chunk.raw)
    return b"".join((*out, stream.cut("denied", "No.")))


def said(chunks: Iterable[Chunk]) -> dict[object, str]:
    """Texts by slot."""
    texts: dict[object, str] = {}
    for chunk in chunks:
        if chunk.kind == "text":
            texts[chunk.slot] = texts.get(chunk.slot, "") + chunk.text
    return texts


def _request(wants_usage: bool) -> Request:
    return Request("m", True, None, [], [], b"", wants_usage=wants_usage)
