"""The access log: one line of JSON for each request, with what it was and became, never what was said in it."""

import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

import msgspec

from comptroller.core.clock import Clock
from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.core.money import decimal_text

_line: "ContextVar[dict[str, object] | None]" = ContextVar("comptroller_access", default=None)
_encode = msgspec.json.Encoder().encode


class Access:
    """Writes a line once a request is over. What is known of its call comes from the facts recorded meanwhile.

    Headers, queries and bodies never come near it, nor does a path: it may hold a name somebody chose. The route says
    enough.
    """

    def __init__(self, clock: Clock, write: Callable[[bytes], object] | None = None) -> None:
        self._clock, self._write = clock, write or _to_stderr

    def begin(self) -> dict[str, object]:
        """The line of the request that this task answers from now on."""
        line: dict[str, object] = {}
        _line.set(line)
        return line

    def sent_to(self, upstream: str) -> None:
        """An attempt went to this upstream."""
        line = _line.get()
        if line is not None:
            line["upstream"] = upstream

    def watch(self, fact: Fact) -> None:
        """Take over what a call's record says, where it is this request's."""
        if fact.kind != CALL_CLOSED or fact.data["kind"] == "tool":
            return
        line, data = _line.get(), fact.data
        # Of two attempts at a time the one that was cancelled never takes the place of the one that was told.
        if line is not None and not (data["status"] == "cancelled" and "call" in line):
            line.update(run=fact.run, call=fact.call, model=data["name"], said=data["status"])
            if data.get("key"):
                line["key"] = data["key"]
            if isinstance(data["cost"], int):
                line["cost"] = f"{decimal_text(data['cost'])} {data['currency']}"

    def end(self, line: dict[str, object], method: str, route: str, status: int, took_ms: int) -> None:
        """The request was answered."""
        _line.set(None)
        at = datetime.fromtimestamp(self._clock.now_ns() // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds")
        head: dict[str, object] = {"at": at, "worker": os.getpid(), "method": method, "route": route, "status": status}
        self._write(_encode({**head, "ms": took_ms, **line}) + b"\n")


def _to_stderr(line: bytes) -> None:
    # One write() for the line: workers share standard error, and lines must not mix.
    sys.stderr.flush()
    os.write(2, line)
