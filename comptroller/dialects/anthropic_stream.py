"""A streamed Anthropic message: text as it comes, tool calls whole, signed thinking untouched."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from comptroller.core.call import Chunk, Part, Reply, ToolCall
from comptroller.dialects import sse, tree
from comptroller.dialects.anthropic_usage import merged, read_usage
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.mould import MOULDS, Mould, mould_of
from comptroller.dialects.tree import count_of, dict_of, dump, text_of


class _Text(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: Literal["text_delta"]
    text: str


class _Delta(msgspec.Struct, gc=False):
    """The common event, a delta of text; whatever does not fit is read with more care."""

    type: Literal["content_block_delta"]
    index: int
    delta: _Text


_decode = msgspec.json.Decoder(_Delta).decode


@dataclass(slots=True)
class _Block:
    """A content block under way."""

    kind: str
    start: dict[str, Any]
    texts: list[str] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)  # of a tool call, until it is whole
    over: bool = False


class AnthropicStream:
    """Reads the events of a message; a text slot is the index of its block."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.finished = False
        self._events = sse.Splitter()
        self._blocks: dict[int, _Block] = {}
        self._shown: dict[int, None] = {}  # blocks the client sees open
        self._held: int | None = None
        self._refused = 0
        self._usage: dict[str, Any] = {}
        self._mould: Mould | None = None  # of the commonest event
        self._moulded = 0  # whose text that is
        self._tries = 0
        self._stage = 0  # what the client has seen: 1 message_start, 2 the stop reason, 3 message_stop

    # -- in

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """Chunks of the events completed by `data`."""
        for raw in self._events.split(data):
            _, text = sse.parse(raw)
            chunk = self._plain(raw, text)
            if chunk is not None:
                if self._tries < MOULDS:
                    self._take_mould(raw, chunk)
                yield chunk
            elif text:
                yield from self._with_care(raw, dict_of(tree.load(text)))
            else:
                yield Chunk("other", raw)

    def delta(self, data: bytes) -> Chunk | None:
        """The one delta of text that `data` is, or None."""
        text = self._mould.read(data) if self._mould is not None else None
        if text is None or not self._events.take(data):
            return None
        return self._text(data, self._moulded, text)

    def end(self) -> Iterator[Chunk]:
        """The upstream closed: a last event without its blank line, texts still open. Half a tool call is dropped."""
        rest = self._events.rest()
        data = sse.parse(rest)[1]
        if data and tree.is_object(data):
            yield from self.feed(rest.rstrip(b"\r\n") + b"\n\n")
        elif rest and not rest.strip(b"\r\n"):
            yield Chunk("other", rest)  # a line end that came apart
        for index, block in self._blocks.items():
            if block.kind == "text" and not block.over:
                yield Chunk("end", b"", index)
        self.so_far()

    def so_far(self) -> Reply:
        """The reply with the texts seen until now, also of blocks still open."""
        self.reply.parts = [
            Part("text" if block.kind == "text" else "reasoning", "".join(block.texts), index, _role(block))
            for index, block in self._blocks.items()
            if block.kind in ("text", "thinking")
        ]
        return self.reply

    def _plain(self, raw: bytes, data: bytes) -> Chunk | None:
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self._text(raw, event.index, event.delta.text)

    def _text(self, raw: bytes, index: int, text: str) -> Chunk | None:
        block = self._blocks.get(index)
        if block is None or block.kind != "text":
            return None
        block.texts.append(text)
        self.reply.emitted += len(text)
        return Chunk("text", raw, index, text)

    def _take_mould(self, raw: bytes, chunk: Chunk) -> None:
        """Events like this one are from now on told by the bytes around their text."""
        assert isinstance(chunk.slot, int)
        self._tries += 1
        index = self._moulded = chunk.slot
        self._mould = mould_of(raw, chunk.text, lambda event: _text_in(event, index)) or self._mould

    def _with_care(self, raw: bytes, node: dict[str, Any]) -> Iterator[Chunk]:
        kind = node.get("type")
        if kind == "content_block_start":
            yield from self._start(raw, node)
        elif kind == "content_block_delta":
            yield from self._delta(raw, count_of(node.get("index")), dict_of(node.get("delta")))
        elif kind == "content_block_stop":
            yield from self._stop(raw, count_of(node.get("index")))
        elif kind == "message_start":
            self._begin(dict_of(node.get("message")))
            yield Chunk("other", raw)
            self._stage = 1
        elif kind == "message_delta":
            yield from self._finish(raw, node)
        elif kind == "message_stop":
            self.finished = True
            yield Chunk("other", raw)
            self._stage = 3
        else:
            yield Chunk("other", raw)

    def _begin(self, message: dict[str, Any]) -> None:
        self.reply.id, self.reply.model = text_of(message.get("id")), text_of(message.get("model"))
        self._usage = merged(self._usage, message.get("usage"))

    def _start(self, raw: bytes, node: dict[str, Any]) -> Iterator[Chunk]:
        if self._held is not None:
            raise Unreadable("Content blocks of the stream overlap.")
        index, start = count_of(node.get("index")), dict_of(node.get("content_block"))
        block = self._blocks[index] = _Block(text_of(start.get("type")), start)
        if block.kind == "tool_use":
            self._held = index
            block.raws.append(raw)
            return
        text = text_of(start.get("text")) if block.kind == "text" else ""
        if text:
            raw = _line("content_block_start", index=index, content_block={**start, "text": ""})
        elif block.kind == "thinking":
            block.texts.append(text_of(start.get("thinking")))
        yield Chunk("other", raw, index)
        self._shown[index] = None
        if text:
            self.reply.emitted += len(text)
            block.texts.append(text)
            yield Chunk("text", self.text(index, text), index, text)

    def _delta(self, raw: bytes, index: int, delta: dict[str, Any]) -> Iterator[Chunk]:
        block = self._blocks.get(index)
        if block is None:
            raise Unreadable("The stream goes on with a content block it never began.")
        text = text_of(delta.get("text")) or text_of(delta.get("thinking")) or text_of(delta.get("partial_json"))
        self.reply.emitted += len(text)
        if delta.get("type") == "input_json_delta" and block.kind == "tool_use":
            if block.over:
                raise Unreadable("A tool call goes on after its block stopped.")
            block.texts.append(text)
        elif delta.get("type") in ("text_delta", "thinking_delta"):
            block.texts.append(text)
        elif delta.get("type") == "signature_delta":
            block.start["signature"] = "seen"
        if index == self._held:
            block.raws.append(raw)
        elif delta.get("type") == "text_delta" and text:
            yield Chunk("text", raw, index, text)
        else:
            yield Chunk("other", raw, index)

    def _stop(self, raw: bytes, index: int) -> Iterator[Chunk]:
        block = self._blocks.get(index)
        if block is None:
            raise Unreadable("The stream stops a content block it never began.")
        block.over = True
        if index == self._held:
            self._held = None
            call = _call(block, index)
            self.reply.calls.append(call)
            yield Chunk("call", b"".join((*block.raws, raw)), index, call=call)
            return
        if block.kind == "text":
            self.so_far()
        yield Chunk("end" if block.kind == "text" else "other", raw, index)
        self._shown.pop(index, None)

    def _finish(self, raw: bytes, node: dict[str, Any]) -> Iterator[Chunk]:
        self._usage = merged(self._usage, node.get("usage"))
        if dict_of(node.get("usage")):  # that of message_start alone would count output never told of as none
            self.reply.usage = read_usage(self._usage)
        delta = dict_of(node.get("delta"))
        reason = text_of(delta.get("stop_reason"))
        if not reason:
            yield Chunk("other", raw)
            return
        self.reply.finish = reason
        self.so_far()
        if reason == "tool_use" and self._refused and self._refused == len(self.reply.calls):
            raw = _line("message_delta", **{**node, "delta": {**delta, "stop_reason": "end_turn"}})
        yield Chunk("finish", raw)
        self._stage = 2

    # -- out

    def text(self, slot: Hashable, text: str) -> bytes:
        """A delta of text for the block the slot names."""
        delta = {"type": "text_delta", "text": tree.clean(text)}
        return _line("content_block_delta", index=slot, delta=delta)

    def refuse(self, chunk: Chunk, text: str) -> bytes:
        """A block of text in the place of the tool call."""
        self._refused += 1
        start = {"type": "text", "text": ""}
        return _block(chunk.slot, start, {"type": "text_delta", "text": tree.clean(text)})

    def call(self, chunk: Chunk, args: str) -> bytes:
        """The block of the tool call, with other input."""
        assert isinstance(chunk.slot, int)
        start = {**self._blocks[chunk.slot].start, "input": {}}
        return _block(chunk.slot, start, {"type": "input_json_delta", "partial_json": tree.clean(args)})

    def cut(self, code: str, message: str) -> bytes:
        """Stop open blocks, give a stop reason with our code beside it, and stop the message."""
        out = []
        if self._stage < 1:
            out.append(_line("message_start", message=self._empty()))
        if self._stage < 2:
            out += [_line("content_block_stop", index=index) for index in self._shown]
            reason = "max_tokens" if code == "over_budget" else "refusal"
            delta = {"stop_reason": reason, "stop_sequence": None}
            usage = {"output_tokens": count_of(self._usage.get("output_tokens"))}
            ours = {"code": code, "message": message}
            out.append(_line("message_delta", delta=delta, usage=usage, comptroller=ours))
        if self._stage < 3:
            out.append(_line("message_stop"))
        self._stage = 3
        self._shown.clear()
        return b"".join(out)

    def _empty(self) -> dict[str, Any]:
        return {
            "id": self.reply.id or "msg_comptroller",
            "type": "message",
            "role": "assistant",
            "model": self.reply.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": count_of(self._usage.get("input_tokens")), "output_tokens": 0},
        }


def _text_in(event: bytes, index: int) -> object:
    """The text of a block in an event made of a plain one; None where there is none."""
    try:
        found = _decode(sse.parse(event)[1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found.delta.text if found.index == index else None


def _role(block: _Block) -> str:
    return "signed" if block.start.get("signature") else "assistant"


def _call(block: _Block, index: int) -> ToolCall:
    text = "".join(block.texts) or dump(block.start.get("input") or {}).decode()
    return ToolCall(
        text_of(block.start.get("id")), text_of(block.start.get("name")), text, tree.object_or_none(text), index
    )


def _block(index: Hashable, start: dict[str, Any], delta: dict[str, Any]) -> bytes:
    return b"".join(
        (
            _line("content_block_start", index=index, content_block=start),
            _line("content_block_delta", index=index, delta=delta),
            _line("content_block_stop", index=index),
        )
    )


def _line(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + dump({"type": kind, **fields}) + b"\n\n"
