"""Replies as a WebSocket tells them: each event a frame of its own, each refusal an `error` event."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import msgspec

from comptroller.dialects import tree
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.sse import Splitter, parse
from comptroller.dialects.tree import dict_of, text_of

TOLD = ("x-should-retry", "retry-after", "retry-after-ms", "x-request-id", "comptroller-run", "comptroller-call")
# Copilot CLI reads neither status nor header of an error event: any code it does not know is one to try again.
READS_CODES_ONLY = b"x-initiator"  # a header that it alone sends
GIVE_UP = "bad_request"
LASTS = (b"response.completed", b"response.incomplete", b"response.failed", b"error")


class Frames:
    """Turns the messages of one HTTP reply into events."""

    def __init__(self, lane: str, by_code: bool = False) -> None:
        self.complete = False  # the client was told how it ended
        self._lane, self._by_code = lane, by_code
        self._status = 0
        self._headers: dict[str, str] = {}
        self._events: Splitter | None = None
        self._whole: list[bytes] = []
        self._begun = False

    def of(self, message: MutableMapping[str, Any]) -> Iterator[bytes]:
        """The events that a message of the reply completes."""
        if message["type"] == "http.response.start":
            self._start(message["status"], message["headers"])
            return
        last = not message.get("more_body", False)
        if self._events is None:
            self._whole.append(message["body"])
            if last:
                yield self._from_whole(b"".join(self._whole))
            return
        for event in self._events.split(message["body"]):
            yield from self._streamed(event)
        if last and (rest := self._events.rest()):
            yield from self._streamed(rest)

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._status = status
        self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        if status < 300 and self._headers.get("content-type", "").lower().startswith("text/event-stream"):
            self._events = Splitter()

    def _streamed(self, event: bytes) -> Iterator[bytes]:
        name, data = parse(event)
        if not data.startswith(b"{"):  # comments, and the [DONE] of some
            return
        self.complete = self.complete or name in LASTS or (not name and _kind_of(data) in LASTS)
        yield self._marked(data)

    def _from_whole(self, body: bytes) -> bytes:
        """A refusal; or a reply of an upstream that does not stream, which is told as its last event."""
        self.complete = True
        try:
            node = dict_of(tree.load(body))
        except Unreadable:
            node = {}
        if self._status < 300 and "output" in node:
            kind = f"response.{text_of(node.get('status')) or 'completed'}"
            return self._marked(msgspec.json.encode({"type": kind, "sequence_number": 0, "response": node}))
        status = self._status if self._status >= 300 else 502
        error = dict_of(node.get("error")) or {"type": "upstream", "code": "upstream_error"}
        error.setdefault("message", f"The upstream answered {self._status} and nothing that can be understood.")
        told = {name: self._headers[name] for name in TOLD if name in self._headers}
        return error_event(status, error, told, self._lane, self._by_code)

    def _marked(self, data: bytes) -> bytes:
        """The event with its lane; the first also says which call on record it belongs to."""
        more: dict[str, object] = {"stream_id": self._lane} if self._lane else {}
        if not self._begun:
            self._begun = True
            more["comptroller"] = {name: self._headers.get(f"comptroller-{name}", "") for name in ("run", "call")}
        rest = data[1:].lstrip()
        if not more or rest.startswith(b"}"):
            return data
        return msgspec.json.encode(more)[:-1] + b"," + rest


def error_event(
    status: int, error: Mapping[str, object], headers: Mapping[str, str], lane: str = "", by_code: bool = False
) -> bytes:
    """What went wrong, as the API says it on a socket; for a client that goes `by_code`, in a code it gives up at."""
    if by_code and headers.get("x-should-retry") == "false":
        error = {**error, "code": GIVE_UP, "comptroller_code": error.get("code")}
    told: dict[str, object] = {"type": "error", "status": status, "error": {**error, "headers": headers}}
    if lane:
        told["stream_id"] = lane
    return msgspec.json.encode(told)


def steer_failed(response: object, given: object) -> bytes:
    """The answer to input for a reply under way: it would pass no guard, so it is given back."""
    why = "Steering is not served: what it adds to a reply under way could not be governed. Send it as the next turn."
    return msgspec.json.encode(
        {
            "type": "response.steer.failed",
            "sequence_number": 0,
            "error": {"type": "invalid_request_error", "code": "steering_not_supported", "message": why},
            "steer": {"previous_response_id": response, "input": given},
        }
    )


class _Kind(msgspec.Struct):
    type: str = ""


def _kind_of(data: bytes) -> bytes:
    try:
        return msgspec.json.decode(data, type=_Kind).type.encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return b""
