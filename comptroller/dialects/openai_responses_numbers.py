"""Writing events of the Responses API: numbered without a gap, also where some were left out or put in."""

import re
from collections.abc import Iterable

from comptroller.core.call import Reply
from comptroller.dialects.openai_responses_state import Item, Node, Told, emptied, item_event
from comptroller.dialects.tree import clean, count_or_none, dump, text_of

_NUMBER = re.compile(rb'"sequence_number"\s*:\s*\d+')


class Numbers:
    """Counts the events the client has seen; servers that do not number theirs are left alone."""

    __slots__ = ("next",)

    def __init__(self) -> None:
        self.next: int | None = None  # the number of the event the client expects

    def fit(self, raw: bytes, number: int | None) -> bytes:
        """The event with the number that is due; nearly always it has that already."""
        if number is None or self.next is None or number == self.next:
            return raw
        return _NUMBER.sub(b'"sequence_number":%d' % self.next, raw, count=1)

    def count(self, number: int | None) -> None:
        """An event that came with this number was handed on."""
        if number is not None:
            self.next = (number if self.next is None else self.next) + 1

    def join(self, raws: Iterable[tuple[bytes, int | None]]) -> tuple[bytes, int | None]:
        """Events that were held, and the number after them should they be handed on."""
        before, out = self.next, []
        for raw, number in raws:
            out.append(self.fit(raw, number))
            self.count(number)
        after, self.next = self.next, before
        return b"".join(out), after

    def own(self, event: Node) -> Node:
        """An event of ours with the number that is due."""
        return event if self.next is None else {**event, "sequence_number": self.next}

    def write(self, events: Iterable[Node]) -> bytes:
        """Events of ours, handed on at once."""
        out = []
        for event in events:
            out.append(line(self.own(event)))
            self.next = None if self.next is None else self.next + 1
        return b"".join(out)


def number_of(node: Node) -> int | None:
    """The number an event came with."""
    return count_or_none(node.get("sequence_number"))


def line(event: Node) -> bytes:
    """An event as bytes."""
    return b"event: " + text_of(event.get("type")).encode("utf-8", "replace") + b"\ndata: " + dump(event) + b"\n\n"


def quoteless(piece: Node) -> Node:
    """The fields of a piece that quote its text or spell it out, emptied."""
    return {name: [] for name in ("annotations", "logprobs") if name in piece}


def stopped(item: Item, texts: list[Told], undecided: Told | None) -> list[Node]:
    """The events that close an item where it stands; `item.done` is what it came to."""
    events: list[Node] = []
    pieces: dict[str, list[Node]] = {}
    for told in texts:
        text = clean(told.text(undecided=undecided is told))
        if told.is_shown:
            events += [told.done_event(text)] * (not told.over) + [told.part_event("done", text)]
            told.is_shown = False
        pieces.setdefault(told.slot[1], []).append(told.as_piece(text))
    item.done, item.is_shown = {**emptied(item.node), **pieces, "status": "incomplete"}, False
    return [*({**event, "item_id": item.id} for event in events), item_event("done", item.index, item.done)]


def empty_response(reply: Reply) -> Node:
    """The response of a stream that was cut before it began."""
    made: Node = {"id": reply.id or "resp_comptroller", "object": "response", "created_at": 0}
    made |= {"model": reply.model, "status": "in_progress", "output": [], "tools": [], "tool_choice": "auto"}
    return {**made, "parallel_tool_calls": True, "error": None, "incomplete_details": None, "usage": None}
