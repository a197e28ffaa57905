"""A streamed reply of Gemini's: text as it comes, function calls once they are whole.

Gemini puts much into one event: text, several calls, the finish reason and the usage. Each is decided on by itself, and
where all may pass the event is handed on as it came, with the last of them; else each is written into its own.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from comptroller.core.call import Chunk, Part, Reply
from comptroller.dialects import gemini_parts as parts
from comptroller.dialects import sse, tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.tree import count_of, dict_of, dump, list_of, text_of

Node = dict[str, Any]
Slot = tuple[int, str, int]  # candidate, text or thought, and which of its runs of text
FRAME = ("modelVersion", "responseId", "createTime")


class _Text(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str
    thought: bool = False


class _Content(msgspec.Struct, gc=False):
    parts: tuple[_Text]


class _Candidate(msgspec.Struct, gc=False):
    content: _Content
    index: int = 0
    finishReason: None = None
    groundingMetadata: None = None
    citationMetadata: None = None
    logprobsResult: None = None


class _Event(msgspec.Struct, gc=False):
    """The common event, text of one candidate; whatever does not fit is read with more care."""

    candidates: tuple[_Candidate]
    usageMetadata: msgspec.Raw = msgspec.Raw(b"null")
    promptFeedback: None = None
    error: None = None


_decode = msgspec.json.Decoder(_Event).decode


@dataclass(slots=True, eq=False)
class _Piece:
    """One of the things an event carries."""

    kind: str  # text | thought | call | finish | other
    index: int
    candidate: Node
    part: Node | None = None
    replaced: bool = False


@dataclass(slots=True, eq=False)
class _Choice:
    """How far a candidate has come."""

    runs: int = 0
    open: dict[str, Slot] = field(default_factory=dict)  # texts under way, by kind
    pieces: parts.Pieces | None = None  # of a call under way
    changed: bool = False  # the client did not see its text as it came
    finished: bool = False


class GeminiStream:
    """Reads the events of a streamed reply; a text slot is its candidate, its kind and its number."""

    def __init__(self, choices: int) -> None:
        self.reply = Reply()
        self.finished = False
        self._events = sse.Splitter()
        self._expected = choices
        self._choices: dict[int, _Choice] = {}
        self._texts: dict[Slot, list[str]] = {}
        self._usage: bytes | Node = b""
        self._searches = 0
        self._frame: Node = {}
        self._waiting: list[_Piece] = []  # may pass, and go with the last of their event
        self._node: Node = {}  # the event they are of
        self._deciding: _Piece | None = None
        self._over = False  # the client has seen the end

    # -- in

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """Chunks of the events completed by `data`."""
        for raw in self._events.split(data):
            _, text = sse.parse(raw)
            chunk = self._plain(raw, text)
            if chunk is not None:
                yield chunk
                if chunk.withheld:
                    self._choices[chunk.slot[0]].changed = True  # type: ignore[index]
            elif text and not text.startswith(b"[DONE]"):
                yield from self._event(raw, dict_of(tree.load(text)))
            else:
                yield Chunk("other", raw)

    def end(self) -> Iterator[Chunk]:
        """The upstream closed: a last event without its blank line, texts still open. Half a call is dropped."""
        rest = self._events.rest()
        data = sse.parse(rest)[1]
        if data and tree.is_object(data):
            yield from self.feed(rest.rstrip(b"\r\n") + b"\r\n\r\n")
        elif rest and not rest.strip(b"\r\n"):
            yield Chunk("other", rest)  # a line end that came apart
        for index in list(self._choices):
            yield from self._close(index)
        done = [choice.finished for choice in self._choices.values()]
        self.finished = self.finished or (bool(done) and all(done))
        self.so_far()

    def so_far(self) -> Reply:
        """The reply with the texts seen until now, also of those still open, and the usage told last."""
        kinds: dict[str, Any] = {"text": "text", "thought": "reasoning"}
        self.reply.parts = [Part(kinds[s[1]], "".join(texts), s, "assistant") for s, texts in self._texts.items()]
        usage = self._usage if isinstance(self._usage, dict) else tree.load(self._usage or b"null")
        self.reply.usage = parts.read_usage(usage, self.reply.model, self._searches) or self.reply.usage
        return self.reply

    def _plain(self, raw: bytes, data: bytes) -> Chunk | None:
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        candidate = event.candidates[0]
        part, choice = candidate.content.parts[0], self._choices.get(candidate.index)
        slot = choice.open.get("thought" if part.thought else "text") if choice else None
        if slot is None or not part.text:
            return None
        if event.usageMetadata != b"null":
            self._usage = bytes(event.usageMetadata)
        return self._text(raw, slot, part.text)

    def _text(self, raw: bytes, slot: Slot, text: str) -> Chunk:
        self._texts[slot].append(text)
        self.reply.emitted += len(text)
        return Chunk("text", raw, slot, text)

    def _event(self, raw: bytes, node: Node) -> Iterator[Chunk]:
        """Each thing an event carries, one after the other; the last one brings the event along."""
        self._note(node)
        pieces = self._pieces(node)
        if not pieces:
            yield from self._bare(raw, node)
            return
        self._node, self._waiting = node, []
        as_it_came = not any(piece.replaced for piece in pieces)  # a call put together is no longer what came
        for number, piece in enumerate(pieces, 1):
            if piece.part is None and piece.replaced:  # a piece of a call under way
                as_it_came = False
                continue
            yield from self._before(piece)
            waiting = len(self._waiting) + 1 == number and as_it_came
            last = number == len(pieces)
            own = (raw if waiting and not self._is_quoting(pieces) else None) if last else b""
            chunk = self._chunk(piece, self._written([*self._waiting, piece]) if own is None else own)
            self._deciding = piece
            yield chunk
            self._deciding = None
            if chunk.withheld:
                as_it_came = False
                self._choices[piece.index].changed |= piece.kind in ("text", "thought")
            elif last:
                self._waiting = []
            else:
                self._waiting.append(piece)
            if piece.kind == "finish" and last:
                self._over = self.finished
        if self._waiting:
            yield Chunk("other", self._all_waiting())

    def _bare(self, raw: bytes, node: Node) -> Iterator[Chunk]:
        blocked = text_of(dict_of(node.get("promptFeedback")).get("blockReason"))
        if blocked:
            self.reply.finish = blocked
            self.finished = True
            self.so_far()
        yield Chunk("finish" if blocked else "other", raw)
        self._over = self._over or bool(blocked)

    def _note(self, node: Node) -> None:
        """What an event says of the reply as a whole; the last word on usage counts."""
        reply = self.reply
        self._frame = {name: node[name] for name in FRAME if name in node} or self._frame
        reply.id = text_of(node.get("responseId")) or reply.id
        reply.model = text_of(node.get("modelVersion")) or reply.model
        if dict_of(node.get("usageMetadata")):
            self._usage = dict_of(node["usageMetadata"])
        self._searches += parts.searches_in(node.get("candidates"))

    def _pieces(self, node: Node) -> list[_Piece]:
        found: list[_Piece] = []
        for candidate in map(dict_of, list_of(node.get("candidates"))):
            index = count_of(candidate.get("index"))
            choice = self._choices.setdefault(index, _Choice())
            for part in map(dict_of, list_of(dict_of(candidate.get("content")).get("parts"))):
                found += self._of_part(choice, index, candidate, part)
            if text_of(candidate.get("finishReason")):
                found.append(_Piece("finish", index, candidate))
            elif not any(piece.candidate is candidate for piece in found):
                found.append(_Piece("other", index, candidate))
        return found

    def _of_part(self, choice: _Choice, index: int, candidate: Node, part: Node) -> Iterator[_Piece]:
        kind = parts.kind_of(part)
        if choice.finished:
            raise Unreadable("A candidate goes on after it finished.")
        if kind == "call":
            function = dict_of(parts.field(part, "functionCall"))
            in_pieces = choice.pieces is not None
            if in_pieces or parts.field(function, "willContinue") or parts.field(function, "partialArgs"):
                choice.pieces = choice.pieces or parts.Pieces(part)
                self.reply.emitted += len(dump(function))
                if choice.pieces.add(part):
                    whole, choice.pieces = choice.pieces.whole(), None
                    yield _Piece("call", index, candidate, whole, replaced=True)
                else:
                    yield _Piece("other", index, candidate, replaced=True)
                return
        signature = parts.key(part, "thoughtSignature")
        if kind in ("text", "thought") and part["text"] and signature in part:
            # The signature must come back to Google, also where the text is another one.
            yield _Piece(kind, index, candidate, {name: value for name, value in part.items() if name != signature})
            yield _Piece("other", index, candidate, {**part, "text": ""})
        else:
            yield _Piece(kind if kind == "call" or part.get("text") else "other", index, candidate, part)

    def _before(self, piece: _Piece) -> Iterator[Chunk]:
        """A call, a text of another kind or the end of a candidate ends the text before it."""
        if piece.kind != "other":
            yield from self._close(piece.index, but=piece.kind)
        if piece.kind == "finish":
            choice = self._choices[piece.index]
            choice.finished, choice.pieces = True, None
            self.reply.finish = self.reply.finish or text_of(piece.candidate.get("finishReason"))
            done = sum(choice.finished for choice in self._choices.values())
            self.finished = done >= self._expected and bool(self._usage)
            self.so_far()

    def _close(self, index: int, but: str = "") -> Iterator[Chunk]:
        choice = self._choices[index]
        for kind, slot in [pair for pair in choice.open.items() if pair[0] != but]:
            self.so_far()
            yield Chunk("end", b"", slot)
            del choice.open[kind]

    def _chunk(self, piece: _Piece, raw: bytes) -> Chunk:
        if piece.kind in ("text", "thought"):
            assert piece.part is not None
            return self._text(raw, self._slot(piece), piece.part["text"])
        if piece.kind == "call":
            assert piece.part is not None
            number = len(self.reply.calls)
            call = parts.call_of(piece.part, (piece.index, "call", number))
            self.reply.calls.append(call)
            self.reply.emitted += 0 if piece.replaced else len(call.text)
            return Chunk("call", raw, piece.index, call=call)
        if piece.kind == "other":
            self.reply.emitted += sum(len(text) for _, text in tree.strings(piece.part, (), parts.NO_TEXT))
        return Chunk("finish" if piece.kind == "finish" else "other", raw, piece.index)

    def _slot(self, piece: _Piece) -> Slot:
        choice = self._choices[piece.index]
        if piece.kind not in choice.open:
            choice.open[piece.kind] = (piece.index, piece.kind, choice.runs)
            self._texts[choice.open[piece.kind]] = []
            choice.runs += 1
        return choice.open[piece.kind]

    # -- out

    def text(self, slot: Hashable, text: str) -> bytes:
        """An event with a piece of text for the candidate the slot names."""
        assert isinstance(slot, tuple)
        index, kind, _ = slot
        self._choices[index].changed = True
        part: Node = {"text": tree.clean(text)}
        return self._all_waiting() + self._own(index, {**part, "thought": True} if kind == "thought" else part)

    def refuse(self, chunk: Chunk, text: str) -> bytes:
        """A text in the place of the function call."""
        chunk.withheld = True
        return self._all_waiting() + self._own(chunk.slot, {"text": tree.clean(text)})

    def call(self, chunk: Chunk, args: str) -> bytes:
        """The function call with other arguments; its signature stays."""
        chunk.withheld = True
        assert self._deciding is not None
        assert self._deciding.part is not None
        return self._all_waiting() + self._own(chunk.slot, parts.with_args(self._deciding.part, args))

    def cut(self, code: str, message: str) -> bytes:
        """A finish reason for each candidate that has none yet, our code beside it."""
        if self._over:
            return b""
        self._over = True
        reason = "MAX_TOKENS" if code == "over_budget" else "SAFETY"
        left = [index for index in range(self._expected) if not self._is_finished(index)]
        end = {"content": {"role": "model", "parts": []}, "finishReason": reason, "finishMessage": message}
        ours = {"comptroller": {"code": code, "message": message}}
        return (
            _line({**self._frame, "candidates": [{**end, "index": index} for index in left], **ours}) if left else b""
        )

    def _is_finished(self, index: int) -> bool:
        """True where the client has seen it: a finish reason still under way has not passed."""
        choice = self._choices.get(index)
        under_way = (*self._waiting, self._deciding)
        return choice is not None and choice.finished and all(p is None or p.index != index for p in under_way)

    def _own(self, index: Hashable, part: Node) -> bytes:
        candidate = {"content": {"role": "model", "parts": [part]}, "index": index}
        return _line({**self._frame, "candidates": [candidate]})

    def _all_waiting(self) -> bytes:
        waiting, self._waiting = self._waiting, []
        return self._written(waiting) if waiting else b""

    def _is_quoting(self, pieces: list[_Piece]) -> bool:
        """True where the event quotes a text that the client saw otherwise."""
        return any(
            self._choices[piece.index].changed and any(name in piece.candidate for name in parts.QUOTING)
            for piece in pieces
        )

    def _written(self, pieces: list[_Piece]) -> bytes:
        """An event of these pieces alone; what stands beside them goes with the finish reason or the last of them."""
        candidates: dict[int, Node] = {}
        for piece in pieces:
            content = dict_of(piece.candidate.get("content"))
            bare = {name: value for name, value in piece.candidate.items() if name not in ("content", "finishReason")}
            changed = self._choices[piece.index].changed
            made = candidates.setdefault(piece.index, parts.unquoted(bare) if changed else bare)
            made.setdefault("content", {"role": "model", **content, "parts": []})
            if piece.part is not None:
                made["content"]["parts"].append(piece.part)
            if piece.kind == "finish":
                made["finishReason"] = piece.candidate["finishReason"]
        return _line({**self._node, "candidates": list(candidates.values())})


def _line(event: Node) -> bytes:
    return b"data: " + dump(event) + b"\r\n\r\n"
