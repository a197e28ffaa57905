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


class _Delta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The common event, a delta of text; whatever does not fit is read with more care."""

    type: Literal["content_block_delta"]
    index: int
    delta: _Text


_decode = msgspec.json.Decoder(_Delta).decode

MOST_BLOCKS = 10_000
CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
CALL_FIELDS = frozenset({"type", "id", "name", "input", "caller"})
# Strings that no person wrote.
NO_TEXT = frozenset(
    {"type", "id", "tool_use_id", "model", "role", "stop_reason", "usage", "signature", "data"}
    | {"encrypted_content", "encrypted_index", "encrypted_stdout", "media_type", "page_age", "file_id"}
)
# The field of a delta that clients add to a block, and to which kinds of block they add it.
FIELDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "text_delta": ("text", ("text",)),
    "input_json_delta": ("partial_json", CALLS),
    "thinking_delta": ("thinking", ("thinking",)),
    "signature_delta": ("signature", ("thinking",)),
    "citations_delta": ("citation", ("text",)),
}


@dataclass(slots=True)
class _Block:
    """A content block under way."""

    kind: str
    start: dict[str, Any]
    texts: list[str] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)  # of a tool call, until it is whole
    over: bool = False
    plain: bool = True  # its events hold nothing but what is judged; else it is written anew


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
            name, text = sse.parse(raw)
            raw = sse.plainly(raw, name, text)
            chunk = self._plain(raw, text) if name == b"content_block_delta" else None
            if chunk is not None:
                if self._tries < MOULDS:
                    self._take_mould(raw, chunk)
                yield chunk
            elif text:
                node = dict_of(tree.load(text))
                kind = text_of(node.get("type"))
                if name != kind.encode("utf-8", "replace"):  # by which some clients go, and some do not
                    raw = sse.written(kind.encode("utf-8", "replace"), text)
                yield from self._with_care(raw, node)
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
        if block is None or block.kind != "text" or block.over:
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
            yield from self._delta(raw, node, _index(node), dict_of(node.get("delta")))
        elif kind == "content_block_stop":
            yield from self._stop(raw, _index(node))
        elif kind == "message_start":
            self._begin(dict_of(node.get("message")))
            yield self._other(raw, node)
            self._stage = 1
        elif kind == "message_delta":
            yield from self._finish(raw, node)
        elif kind == "message_stop":
            self.finished = True
            yield self._other(raw, node)
            self._stage = 3
        else:
            yield self._other(raw, node)

    def _other(self, raw: bytes, node: Any, slot: Hashable = None, skip: frozenset[str] = NO_TEXT) -> Chunk:
        """An event that is handed on as it came, with every string in it for guards to look at."""
        said = "".join(text + "\n" for _, text in tree.strings(node, (), skip))
        return Chunk("other", raw, slot if slot is None else ("beside", slot), said)

    def _begin(self, message: dict[str, Any]) -> None:
        if self._stage or message.get("content"):
            raise Unreadable("The stream begins with content, or twice.")
        self.reply.id, self.reply.model = text_of(message.get("id")), text_of(message.get("model"))
        self._usage = merged(self._usage, message.get("usage"))

    def _start(self, raw: bytes, node: dict[str, Any]) -> Iterator[Chunk]:
        if self._held is not None or self._stage > 1:
            raise Unreadable("Content blocks of the stream overlap, or follow its end.")
        index, start = _index(node), dict_of(node.get("content_block"))
        if index != len(self._blocks) or index >= MOST_BLOCKS:  # clients file blocks in the order they begin in
            raise Unreadable("Content blocks of the stream are out of order, or too many.")
        block = self._blocks[index] = _Block(text_of(start.get("type")), start)
        if block.kind == "tool_use":
            self._held = index
            block.raws.append(raw)
            block.plain = node.keys() == {"type", "index", "content_block"} and start.keys() <= CALL_FIELDS
            return
        text = text_of(start.get("text")) if block.kind == "text" else ""
        if text:
            raw = _line("content_block_start", index=index, content_block={**start, "text": ""})
        elif block.kind == "thinking":
            block.texts.append(text_of(start.get("thinking")))
        rest = {"block": {**start, "text": ""}, "node": {**node, "content_block": None}}
        yield self._other(raw, rest, index)
        self._shown[index] = None
        if text:
            self.reply.emitted += len(text)
            block.texts.append(text)
            yield Chunk("text", self.text(index, text), index, text)

    def _delta(self, raw: bytes, node: dict[str, Any], index: int, delta: dict[str, Any]) -> Iterator[Chunk]:
        block = self._blocks.get(index)
        if block is None or block.over:
            raise Unreadable("The stream goes on with a content block that is not open.")
        kind = text_of(delta.get("type"))
        name, kinds = FIELDS.get(kind, ("", ()))
        if (kinds and block.kind not in kinds) or (not kinds and index == self._held):
            raise Unreadable("A delta of the stream is of another kind than its content block.")
        text = text_of(delta.get(name))
        rest = {
            **node,
            "delta": {key: value for key, value in delta.items() if key != name or kind == "citations_delta"},
        }
        self.reply.emitted += 0 if kind == "signature_delta" else len(text)
        if kind in ("text_delta", "thinking_delta") or index == self._held:
            block.texts.append(text)
        elif kind == "signature_delta":
            block.start["signature"] = "seen"
        if index == self._held:
            block.raws.append(raw)
            block.plain = block.plain and rest.keys() == {"type", "index", "delta"} and rest["delta"].keys() == {"type"}
            return
        beside = self._other(b"", rest, index)
        if beside.text:
            yield beside
        if kind == "text_delta" and text:
            yield Chunk("text", raw, index, text)
        else:
            yield Chunk("other", raw, index, "" if kind == "signature_delta" else text)

    def _stop(self, raw: bytes, index: int) -> Iterator[Chunk]:
        block = self._blocks.get(index)
        if block is None or block.over:
            raise Unreadable("The stream stops a content block that is not open.")
        block.over = True
        if index == self._held:
            self._held = None
            call = _call(block, index)
            self.reply.calls.append(call)
            chunk = Chunk("call", b"".join((*block.raws, raw)), index, call=call)
            if not block.plain or (block.start.get("input") and any(block.texts)):
                chunk.raw = self.call(chunk, call.text)
            yield chunk
            return
        yield Chunk("end" if block.kind == "text" else "other", raw, index)
        self._shown.pop(index, None)

    def _finish(self, raw: bytes, node: dict[str, Any]) -> Iterator[Chunk]:
        self._usage = merged(self._usage, node.get("usage"))
        if dict_of(node.get("usage")):  # that of message_start alone would count output never told of as none
            self.reply.usage = read_usage(self._usage)
        delta = dict_of(node.get("delta"))
        reason = text_of(delta.get("stop_reason"))
        beside = self._other(raw if not reason else b"", node)
        if beside.text or not reason:
            yield beside
        if not reason:
            return
        self.reply.finish = reason
        if self._stage < 2:
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


def _index(node: dict[str, Any]) -> int:
    index = node.get("index")
    if type(index) is not int:
        raise Unreadable("A content block of the stream has no number.")
    return index


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
