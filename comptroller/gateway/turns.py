"""The turns of one socket: a reply that no provider keeps is kept here, so that the next frame can go on with it."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from comptroller.core.clock import Clock
from comptroller.dialects import tree
from comptroller.dialects.tree import dict_of, dump, list_of, text_of

KEPT = 32  # replies kept at once: one for each lane, as the API has it
ENVELOPE = ("type", "stream_id", "generate", "background")  # of the frame, not of the request
ENDS = ("response.completed", "response.incomplete")
NAMED_BY_US = ("message", "reasoning", "function_call", "custom_tool_call")  # a provider that kept nothing knows no ids


@dataclass(frozen=True, slots=True)
class Past:
    """What a conversation consists of up to a reply: a reply some provider keeps, and the items since."""

    base: str
    items: list[Raw]
    size: int


class Turns:
    """The conversations of one socket that exist nowhere else."""

    def __init__(self, most_bytes: int, clock: Clock) -> None:
        self.clock, self._most = clock, most_bytes
        self._past: OrderedDict[str, Past] = OrderedDict()
        self._size = 0

    def turn(self, frame: dict[str, Raw]) -> "Turn":
        """The request a frame stands for, with what went before it where only we have that."""
        top = {name: value for name, value in frame.items() if name not in ENVELOPE}
        earlier = text_of(tree.value(top, "previous_response_id"))
        past = self._past.get(earlier) or Past(earlier, [], 0)
        items = [*past.items, *_items(top)]
        if past.items or past.base != earlier:
            top["input"] = Raw(dump(items))
            top["previous_response_id"] = Raw(dump(past.base or None))
        top["stream"] = Raw(b"true")
        is_kept = tree.value(top, "store") is not False
        return Turn(self, top, earlier, Past(past.base, items, 0), is_kept, tree.value(frame, "generate") is False)

    def keep(self, response: str, past: Past) -> None:
        """Remember a reply; the oldest make room."""
        size = sum(len(bytes(item)) for item in past.items)
        self._forget(response)
        self._past[response] = Past(past.base, past.items, size)
        self._size += size
        while self._past and (len(self._past) > KEPT or self._size > self._most):
            self._forget(next(iter(self._past)))

    def _forget(self, response: str) -> None:
        gone = self._past.pop(response, None)
        self._size -= gone.size if gone is not None else 0


@dataclass(slots=True)
class Turn:
    """One frame's request, and what its reply adds."""

    turns: Turns
    top: dict[str, Raw]
    goes_on: str  # the reply before it
    past: Past
    is_kept: bool  # by the provider
    is_for_later: bool  # nothing is generated: it only gets things ready

    @property
    def body(self) -> bytes:
        """The request as it goes on."""
        return dump(self.top)

    def heard(self, event: bytes) -> None:
        """Remember the reply when this event ends it, as the client got it."""
        if self.is_kept or not any(b'"%s"' % end.encode() in event for end in ENDS):  # most events tell of one word
            return
        node = dict_of(tree.load(event))
        if text_of(node.get("type")) not in ENDS:
            return
        response = dict_of(node.get("response"))
        output = [Raw(dump(_again(item))) for item in map(dict_of, list_of(response.get("output"))) if _is_whole(item)]
        self.turns.keep(text_of(response.get("id")), Past(self.past.base, [*self.past.items, *output], 0))

    def prepared(self) -> Iterator[bytes]:
        """The events of a turn that generates nothing: it costs nothing, and is governed when it is gone on with."""
        response = self._empty()
        self.turns.keep(response["id"], self.past)
        for number, (kind, status) in enumerate((("created", "in_progress"), ("completed", "completed"))):
            said = {**response, "status": status}
            yield msgspec.json.encode({"type": f"response.{kind}", "sequence_number": number, "response": said})

    def _empty(self) -> dict[str, Any]:
        none = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        return {
            "id": f"resp_{self.turns.clock.new_id()}",
            "object": "response",
            "created_at": self.turns.clock.now_ns() // 1_000_000_000,
            "model": tree.value(self.top, "model"),
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "usage": {**none, **details},
        }


def _items(top: dict[str, Raw]) -> list[Raw]:
    given = tree.value(top, "input")
    if isinstance(given, list):
        return list(tree.items(top["input"]))
    return [Raw(dump({"type": "message", "role": "user", "content": given}))] if given else []


def _is_whole(item: dict[str, Any]) -> bool:
    """Reasoning that came without its content is known to its provider only, and that kept nothing."""
    return text_of(item.get("type")) != "reasoning" or bool(item.get("encrypted_content") or item.get("content"))


def _again(item: dict[str, Any]) -> dict[str, Any]:
    """An item of a reply as it is sent again."""
    if text_of(item.get("type")) not in NAMED_BY_US:
        return item
    return {name: value for name, value in item.items() if name not in ("id", "status")}
