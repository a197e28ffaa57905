"""A streamed response: text as it comes, tool calls whole, and later events that agree with what was handed on.

Each text is told up to five times: in its deltas, when it is done, with its part, with its item and in the final
response. So the reader remembers what the client saw of each and tells that again, never what came.
"""

from collections.abc import Generator, Hashable, Iterator
from typing import Literal

import msgspec

from comptroller.core.call import Chunk, ChunkKind, Reply
from comptroller.dialects import openai_responses_items as items
from comptroller.dialects import sse, tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.openai_responses_numbers import (
    Numbers,
    empty_response,
    line,
    number_of,
    quoteless,
    stopped,
)
from comptroller.dialects.openai_responses_state import (
    ARGUMENTS,
    DELTAS,
    DONES,
    PARTS,
    Item,
    Node,
    Texts,
    Told,
    call_events,
    emptied,
    item_event,
    known,
    message_events,
)
from comptroller.dialects.tree import count_of, dict_of, list_of, text_of

ENDS = ("response.completed", "response.incomplete", "response.failed")
BEGINS = ("response.created", "response.queued", "response.in_progress")


class _Delta(msgspec.Struct, gc=False):
    """The common event, a delta of a message's text; whatever does not fit is read with more care."""

    type: Literal["response.output_text.delta"]
    output_index: int
    content_index: int
    delta: str
    sequence_number: int | None = None


_decode = msgspec.json.Decoder(_Delta).decode


class OpenAIResponsesStream:
    """Reads the events of a response; a text slot is its item's index, its list and its place there."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.finished = False
        self._events = sse.Splitter()
        self._items: dict[int, Item] = {}
        self._texts = Texts()
        self._pending: Told | None = None  # the text whose last delta is being decided on
        self._undecided: Item | None = None  # likewise for a tool call
        self._numbers = Numbers()
        self._response: Node = {}
        self._begun = False  # the client has seen response.created
        self._over = False  # the client has seen the end

    # -- in

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """Chunks of the events completed by `data`."""
        for raw in self._events.split(data):
            _, text = sse.parse(raw)
            plain = self._plain(text)
            if plain is not None:
                yield from self._delta(raw, plain[1].sequence_number, plain[0], plain[1].delta)
            elif text and not text.startswith(b"[DONE]"):
                yield from self._with_care(raw, dict_of(tree.load(text)))
            else:
                yield Chunk("other", raw)

    def end(self) -> Iterator[Chunk]:
        """The upstream closed: a last event without its blank line, texts still open. Half a tool call is dropped."""
        rest = self._events.rest()
        data = sse.parse(rest)[1].strip()
        if data == b"[DONE]" or (data and tree.is_object(data)):
            yield from self.feed(rest.rstrip(b"\r\n") + b"\n\n")
        elif rest and not rest.strip(b"\r\n"):
            yield Chunk("other", rest)  # a line end that came apart
        yield from self._end_texts()
        self.so_far()

    def so_far(self) -> Reply:
        """The reply with the texts seen until now, also of those still open."""
        self.reply.parts = [told.part() for told in self._texts.all.values() if told.came]
        return self.reply

    def _plain(self, data: bytes) -> tuple[Told, _Delta] | None:
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        told = self._texts.all.get((event.output_index, "content", event.content_index))
        if told is None or told.over or told.piece != "output_text" or not event.delta:
            return None
        return told, event

    def _delta(self, raw: bytes, number: int | None, told: Told, text: str) -> Iterator[Chunk]:
        """A piece of text, and whether the client gets to see it as it came."""
        told.came.append(text)
        self.reply.emitted += len(text)
        self._pending = told
        chunk = Chunk("text", self._numbers.fit(raw, number), told.slot, text)
        yield chunk
        self._pending = None
        if chunk.withheld:
            told.seen = told.came[:-1] if told.seen is None else told.seen
            return
        if told.seen is not None:
            told.seen.append(text)
        told.is_shown = True
        self._numbers.count(number)

    def _with_care(self, raw: bytes, node: Node) -> Iterator[Chunk]:
        kind = text_of(node.get("type"))
        held = self._items.get(count_of(node.get("output_index"))) if "output_index" in node else None
        if kind == "response.output_item.added":
            yield from self._added(raw, node)
        elif kind == "response.output_item.done":
            yield from self._done(raw, node)
        elif held is not None and held.is_call:
            self._hold(held, raw, node)
        elif kind in DELTAS:
            yield from self._text(raw, node, kind)
        elif kind in DONES:
            yield from self._text_done(raw, node, kind)
        elif kind in PARTS:
            yield from self._part(raw, node, kind)
        elif kind in BEGINS:
            yield from self._begin(raw, node)
        elif kind in ENDS:
            yield from self._finish(raw, node)
        elif kind.rpartition(".")[0] in ARGUMENTS:
            raise Unreadable("The stream goes on with a tool call it never began.")
        else:
            self.reply.emitted += len(text_of(node.get("delta")))
            yield from self._pass(raw, node)

    def _begin(self, raw: bytes, node: Node) -> Iterator[Chunk]:
        response = dict_of(node.get("response"))
        self.reply.id = text_of(response.get("id")) or self.reply.id
        self.reply.model = text_of(response.get("model")) or self.reply.model
        if response.get("output"):  # items are told of in events of their own, where they can be decided on
            response = {**response, "output": []}
            node = {**node, "response": response}
            raw = line(node)
        self._response = response
        yield from self._pass(raw, node)
        self._begun = True

    # items

    def _added(self, raw: bytes, node: Node) -> Iterator[Chunk]:
        index, start = count_of(node.get("output_index")), dict_of(node.get("item"))
        if index in self._items:
            raise Unreadable("Two items of the stream have the same index.")
        item = self._items[index] = Item(index, start, items.is_client_call(start))
        if item.is_call:
            self._hold(item, raw, node)
            return
        if any(text.text for text in items.texts_in(start)):  # its texts come again, at the latest when it is done
            node = {**node, "item": emptied(start)}
            raw = line(node)
        yield from self._pass(raw, node)
        item.is_shown = True

    def _done(self, raw: bytes, node: Node) -> Iterator[Chunk]:
        index, whole = count_of(node.get("output_index")), dict_of(node.get("item"))
        is_call = items.is_client_call(whole)
        item = self._items.setdefault(index, Item(index, whole, is_call))
        if item.done is not None or item.is_call != is_call:
            raise Unreadable("An item of the stream is done twice, or as another one than it began.")
        if is_call:
            self._hold(item, raw, node)
            yield from self._call(item, whole)
            return
        if not item.is_shown and any(text.text for text in items.texts_in(whole)):
            yield from self._tell(item_event("added", index, emptied(whole)))  # its text comes as a delta now
            item.is_shown = True
        yield from self._catch_up_all(item, whole)
        item.node, item.done = whole, self._texts.as_seen(item.index, whole)
        if item.done is not whole:
            node = {**node, "item": item.done}
            raw = line(node)
        yield from self._pass(raw, node)
        item.is_shown = False

    def _hold(self, item: Item, raw: bytes, node: Node) -> None:
        if item.done is not None:
            raise Unreadable("A tool call goes on after it was done.")
        self.reply.emitted += len(text_of(node.get("delta")))
        item.hold(raw, number_of(node), node)

    def _call(self, item: Item, whole: Node) -> Iterator[Chunk]:
        """A whole tool call, with all the events it came in."""
        call = item.decide(whole)
        self.reply.calls.append(call)
        self.reply.emitted += max(len(call.text) - sum(map(len, item.args)), 0)
        raw, after = self._numbers.join(item.raws)
        item.raws.clear()
        chunk, self._undecided = Chunk("call", raw, item.index, call=call), item
        yield chunk
        self._undecided = None
        if not chunk.withheld:
            self._numbers.next = after

    # texts

    def _text(self, raw: bytes, node: Node, kind: str) -> Iterator[Chunk]:
        told, text = self._texts.at(node, *DELTAS[kind]), text_of(node.get("delta"))
        if told.over:
            raise Unreadable("A text goes on after it was done.")
        if text:
            yield from self._delta(raw, number_of(node), told, text)
        else:
            yield from self._pass(raw, node)

    def _text_done(self, raw: bytes, node: Node, kind: str) -> Iterator[Chunk]:
        told = self._texts.at(node, *DONES[kind])
        yield from self._catch_up(told, text_of(node.get(told.field)))
        yield from self._close(told)
        if told.differs(node.get(told.field)):
            node = {**node, **quoteless(node), told.field: tree.clean(told.text())}
            raw = line(node)
        yield from self._pass(raw, node)

    def _part(self, raw: bytes, node: Node, kind: str) -> Iterator[Chunk]:
        """A piece of content begins or is done."""
        piece = dict_of(node.get("part"))
        name, place, _ = PARTS[kind]
        found = items.text_in(name, 0, piece, text_of(piece.get("type")))
        if found is None:
            yield from self._pass(raw, node)
            return
        told = self._texts.at(node, name, place, text_of(piece.get("type")))
        text = text_of(piece.get(told.field))
        if kind.endswith(".done"):
            yield from self._catch_up(told, text)
            yield from self._close(told)
            kept = tree.clean(told.text())
        else:
            kept = ""
        if text != kept or (kind.endswith(".done") and told.differs(text)):
            node = {**node, "part": {**piece, **quoteless(piece), told.field: kept}}
            raw = line(node)
        yield from self._pass(raw, node)
        told.is_shown = kind.endswith(".added")
        if told.is_shown:
            yield from self._catch_up(told, text)

    def _catch_up(self, told: Told, text: str) -> Iterator[Chunk]:
        """Where a text is told whole, what its deltas left out is a delta of its own."""
        came = "".join(told.came)
        if told.over or len(text) <= len(came) or not text.startswith(came):
            return
        if not told.is_shown:
            yield from self._tell(told.part_event("added", ""), told)
            told.is_shown = True
        event = self._numbers.own(self._with_id(told.delta_event(text[len(came) :]), told.slot[0]))
        yield from self._delta(line(event), number_of(event), told, text[len(came) :])

    def _catch_up_all(self, item: Item, whole: Node) -> Iterator[Chunk]:
        for text in items.texts_in(whole):
            told = self._texts.of_text(item.index, text)
            yield from self._catch_up(told, text.text)
        for told in self._texts.of_item(item.index):
            yield from self._close(told)

    def _close(self, told: Told) -> Iterator[Chunk]:
        if not told.over:
            yield Chunk("end", b"", told.slot)
            told.over = True
            self.so_far()

    def _end_texts(self) -> Iterator[Chunk]:
        for told in list(self._texts.all.values()):
            yield from self._close(told)

    # the end

    def _finish(self, raw: bytes, node: Node) -> Iterator[Chunk]:
        response, kind = dict_of(node.get("response")), text_of(node.get("type"))
        output = [dict_of(item) for item in list_of(response.get("output"))]
        reply = self.reply
        reply.id, reply.model = reply.id or text_of(response.get("id")), text_of(response.get("model")) or reply.model
        reply.usage, reply.finish = items.read_usage(response), items.finish_of(response) or kind.rpartition(".")[2]
        told = []
        for place, final in enumerate(output):
            told.append(((yield from self._settled(place, final)), final))
        yield from self._end_texts()
        seen = [item.final(final) if item.is_call else self._texts.as_seen(item.index, final) for item, final in told]
        if any(a is not b for a, b in zip(seen, output, strict=True)) or response.get("output_text"):
            whole = {name: value for name, value in response.items() if name != "output_text"}
            node = {**node, "response": {**whole, "output": seen}}
            raw = line(node)
        self.so_far()
        self.finished = True
        yield from self._pass(raw, node, "finish")
        self._over = True

    def _settled(self, place: int, final: Node) -> Generator[Chunk, None, Item]:
        """The item that the final response tells of; whatever it tells for the first time is decided on now."""
        item = known(self._items, place, final)
        if item is None:
            place = max(self._items, default=-1) + 1
            item = self._items[place] = Item(place, final, items.is_client_call(final))
            if not item.is_call:
                yield from self._tell(item_event("added", place, emptied(final)))
                item.is_shown = True
        if item.done is not None:
            return item
        if item.is_call:
            events = [self._numbers.own(event) for event in call_events(item.index, final)]
            item.raws = [(line(event), number_of(event)) for event in events]
            yield from self._call(item, final)
            return item
        yield from self._catch_up_all(item, final)
        item.node, item.done = final, self._texts.as_seen(item.index, final)
        yield from self._tell(item_event("done", item.index, item.done))
        item.is_shown = False
        return item

    # -- handing on

    def _pass(self, raw: bytes, node: Node, kind: ChunkKind = "other") -> Iterator[Chunk]:
        number = number_of(node)
        chunk = Chunk(kind, self._numbers.fit(raw, number))
        yield chunk
        if not chunk.withheld:
            self._numbers.count(number)

    def _tell(self, event: Node, told: Told | None = None) -> Iterator[Chunk]:
        """An event of our own."""
        event = self._numbers.own(self._with_id(event, told.slot[0]) if told else event)
        yield from self._pass(line(event), event)

    def _with_id(self, event: Node, index: int) -> Node:
        item = self._items.get(index)
        return {**event, "item_id": item.id if item else ""}

    # -- out

    def text(self, slot: Hashable, text: str) -> bytes:
        """A delta of text for the place the slot names."""
        told = self._texts.all[slot]  # type: ignore[index]
        if told.seen is None:
            told.seen = told.came[:-1] if self._pending is told else list(told.came)
        told.seen.append(text)
        told.is_shown = True
        return self._numbers.write([self._with_id(told.delta_event(tree.clean(text)), told.slot[0])])

    def refuse(self, chunk: Chunk, text: str) -> bytes:
        """A message in the place of the tool call."""
        item = self._items[chunk.slot]  # type: ignore[index]
        chunk.withheld = item.changed = True
        item.done = items.refused(item.node, text)
        return self._numbers.write(message_events(item.index, item.done))

    def call(self, chunk: Chunk, args: str) -> bytes:
        """The tool call with other arguments."""
        item = self._items[chunk.slot]  # type: ignore[index]
        chunk.withheld = item.changed = True
        item.done = items.with_args(item.node, args)
        return self._numbers.write(call_events(item.index, item.done))

    def cut(self, code: str, message: str) -> bytes:
        """Close what the client saw open, and end with a response that is incomplete, our code beside it."""
        if self._over:
            return b""
        out = []
        if not self._begun:
            self._response, self._numbers.next = empty_response(self.reply), self._numbers.next or 0
            out.append(self._numbers.write([{"type": "response.created", "response": self._response}]))
        for item in sorted(self._items.values(), key=lambda item: item.index):
            if item.is_shown:
                out.append(self._numbers.write(stopped(item, self._texts.of_item(item.index), self._pending)))
        reason = "max_output_tokens" if code == "over_budget" else "content_filter"
        done = (item for _, item in sorted(self._items.items()) if item is not self._undecided)
        shown = [item.done for item in done if item.done is not None]
        ended = {"status": "incomplete", "incomplete_details": {"reason": reason}, "output": shown, "error": None}
        end = {"type": "response.incomplete", "response": {**self._response, **ended}}
        out.append(self._numbers.write([{**end, "comptroller": {"code": code, "message": message}}]))
        self._over = True
        return b"".join(out)
