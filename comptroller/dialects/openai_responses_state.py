"""What the reader of a streamed response remembers: of each item what came, of each text what the client saw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from comptroller.core.call import Part, ToolCall
from comptroller.dialects import openai_responses_items as items
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.tree import count_of, text_of

Slot = tuple[int, str, int]  # index of the item, its list, the place there
Place = tuple[str, str, str]  # list, name of the place in events, type of the piece
Node = dict[str, Any]

_TEXTS: dict[str, Place] = {
    "response.output_text": ("content", "content_index", "output_text"),
    "response.refusal": ("content", "content_index", "refusal"),
    "response.reasoning_text": ("content", "content_index", "reasoning_text"),
    "response.reasoning_summary_text": ("summary", "summary_index", "summary_text"),
}
DELTAS = {f"{name}.delta": place for name, place in _TEXTS.items()}
DONES = {f"{name}.done": place for name, place in _TEXTS.items()}
PARTS: dict[str, Place] = {
    f"response.{name}_part.{when}": place
    for name, place in (
        ("content", ("content", "content_index", "")),
        ("reasoning_summary", ("summary", "summary_index", "")),
    )
    for when in ("added", "done")
}
PIECES = {place[2]: name for name, place in _TEXTS.items()}
_KINDS: dict[str, Any] = {"refusal": "refusal", "reasoning_text": "reasoning", "summary_text": "reasoning"}
ARGUMENTS = {"response.function_call_arguments": "arguments", "response.custom_tool_call_input": "input"}


@dataclass(slots=True, eq=False)
class Told:
    """One text of an item."""

    slot: Slot
    piece: str  # the type of the piece of content it is
    came: list[str] = field(default_factory=list)
    seen: list[str] | None = None  # None while it is just what came
    is_shown: bool = False  # the client saw it begin, and not yet end
    over: bool = False

    @property
    def kind(self) -> Any:
        return _KINDS.get(self.piece, "text")

    @property
    def field(self) -> str:
        return "refusal" if self.piece == "refusal" else "text"

    def text(self, undecided: bool = False) -> str:
        """What the client saw; the last delta is left out while it is undecided."""
        if self.seen is not None:
            return "".join(self.seen)
        return "".join(self.came[:-1] if undecided else self.came)

    def differs(self, text: object) -> bool:
        """True where `text` is not, or not surely, what the client saw."""
        return self.seen is not None or "".join(self.came) != text

    def part(self) -> Part:
        return Part(self.kind, "".join(self.came), self.slot, "assistant")

    def place(self) -> Node:
        """Where events say it stands."""
        index, name, at = self.slot
        return {"output_index": index, f"{name}_index": at}

    def as_piece(self, text: str) -> Node:
        """The piece of content that holds it."""
        made: Node = {"type": self.piece, self.field: text}
        return {**made, "annotations": [], "logprobs": []} if self.piece == "output_text" else made

    def part_event(self, when: str, text: str) -> Node:
        """An event that says the piece began or is done."""
        name = "content" if self.slot[1] == "content" else "reasoning_summary"
        return {"type": f"response.{name}_part.{when}", **self.place(), "part": self.as_piece(text)}

    def delta_event(self, text: str) -> Node:
        more: Node = {"logprobs": []} if self.piece == "output_text" else {}
        return {"type": f"{PIECES[self.piece]}.delta", **self.place(), "delta": text, **more}

    def done_event(self, text: str) -> Node:
        more: Node = {"logprobs": []} if self.piece == "output_text" else {}
        return {"type": f"{PIECES[self.piece]}.done", **self.place(), self.field: text, **more}


class Texts:
    """All texts of a response, by their places."""

    def __init__(self) -> None:
        self.all: dict[Slot, Told] = {}

    def at(self, node: Node, name: str, place: str, piece: str) -> Told:
        """The text that an event is about."""
        slot = (count_of(node.get("output_index")), name, count_of(node.get(place)))
        return self.all.setdefault(slot, Told(slot, piece if piece in PIECES else "output_text"))

    def of_text(self, index: int, text: items.Text) -> Told:
        """The text that an item tells whole."""
        slot = (index, text.name, text.at)
        piece = "refusal" if text.kind == "refusal" else "output_text"
        if text.kind == "reasoning":
            piece = "summary_text" if text.name == "summary" else "reasoning_text"
        return self.all.setdefault(slot, Told(slot, piece))

    def of_item(self, index: int) -> list[Told]:
        """The texts of an item, in order."""
        return [self.all[slot] for slot in sorted(self.all) if slot[0] == index]

    def as_seen(self, index: int, whole: Node) -> Node:
        """The item as the client saw it: the very node where that is what came."""
        texts = [(text, self.of_text(index, text)) for text in items.texts_in(whole)]
        wrong = {text.path: told.text() for text, told in texts if told.differs(text.text)}
        return items.retold(whole, wrong) if wrong else whole


@dataclass(slots=True, eq=False)
class Item:
    """One item of the output: `node` as it came, `done` as the client saw it."""

    index: int
    node: Node
    is_call: bool
    call: ToolCall | None = None
    done: Node | None = None
    is_shown: bool = False  # the client saw it begin, and not yet end
    changed: bool = False
    raws: list[tuple[bytes, int | None]] = field(default_factory=list)  # of a tool call, with their numbers
    args: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return text_of(self.node.get("id"))

    def hold(self, raw: bytes, number: int | None, node: Node) -> None:
        """Keep an event of a tool call until the call is whole."""
        self.raws.append((raw, number))
        name, _, when = text_of(node.get("type")).rpartition(".")
        if name in ARGUMENTS and when == "delta":
            self.args.append(text_of(node.get("delta")))
        elif name in ARGUMENTS and not self.args:
            self.args.append(text_of(node.get(ARGUMENTS[name])))
        elif name in ARGUMENTS and text_of(node.get(ARGUMENTS[name])) != "".join(self.args):
            raise Unreadable("A tool call is done with other arguments than were streamed.")

    def decide(self, node: Node) -> ToolCall:
        """The tool call as its last event tells it, which must be what the earlier ones told."""
        call = items.tool_call(node, ("output", self.index))
        streamed = "".join(self.args)
        began = text_of(self.node.get("name"))
        if (streamed and streamed != call.text) or (began and began != text_of(node.get("name"))):
            raise Unreadable("A tool call is done otherwise than it was streamed.")
        self.node, self.done, self.call = node, node, call
        return call

    def final(self, node: Node) -> Node:
        """The tool call as the final response may tell it."""
        assert self.call is not None
        if self.changed:
            assert self.done is not None
            return self.done
        call = items.tool_call(node, ()) if items.is_client_call(node) else None
        if call is None or (call.name, call.text) != (self.call.name, self.call.text):
            raise Unreadable("The final response has another tool call than was streamed.")
        return node

    def is_same(self, node: Node) -> bool:
        """True for the same item told of again."""
        if node.get("type") != self.node.get("type"):
            return False
        names = ("id", "call_id")
        return any(text_of(node.get(name)) and node[name] == self.node.get(name) for name in names)

    def has_id(self) -> bool:
        return bool(self.id or text_of(self.node.get("call_id")))


def known(told: Mapping[int, Item], place: int, final: Node) -> Item | None:
    """The item that a final response tells again: by its identity, or by its place where it has none."""
    for item in told.values():
        if item.is_same(final):
            return item
    there = told.get(place)
    if there is None or there.has_id() or there.node.get("type") != final.get("type"):
        return None
    return there


def message_events(index: int, node: Node) -> Iterator[Node]:
    """The events of a whole message of one text."""
    told = Told((index, "content", 0), "output_text")
    text = node["content"][0]["text"]
    yield item_event("added", index, {**node, "status": "in_progress", "content": []})
    for event in (
        told.part_event("added", ""),
        told.delta_event(text),
        told.done_event(text),
        told.part_event("done", text),
    ):
        yield {**event, "item_id": node["id"]}
    yield item_event("done", index, node)


def call_events(index: int, node: Node) -> Iterator[Node]:
    """The events of a whole tool call."""
    kind = {"function_call": "response.function_call_arguments", "custom_tool_call": "response.custom_tool_call_input"}
    name = kind.get(text_of(node.get("type")), "")
    start = {**node, "status": "in_progress"} if "status" in node else node
    if name:
        args = text_of(node.get(ARGUMENTS[name]))
        yield item_event("added", index, {**start, ARGUMENTS[name]: ""})
        where = {"output_index": index, "item_id": text_of(node.get("id"))}
        yield {"type": f"{name}.delta", **where, "delta": args}
        told = {"name": text_of(node.get("name"))} if name.endswith("arguments") else {}
        yield {"type": f"{name}.done", **where, ARGUMENTS[name]: args, **told}
    else:
        yield item_event("added", index, start)
    yield item_event("done", index, node)


def item_event(when: str, index: int, node: Node) -> Node:
    """An event that says an item began or is done."""
    return {"type": f"response.output_item.{when}", "output_index": index, "item": node}


def emptied(node: Node) -> Node:
    """The item without its content, as it is when it begins."""
    return {**node, **{name: [] for name in ("content", "summary") if isinstance(node.get(name), list)}}
