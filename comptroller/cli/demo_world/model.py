"""The scripted model: what it answers follows from what it was sent, and from nothing else."""

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from comptroller.cli.demo_world.script import Reply, filled
from comptroller.testing.script import Received, Say, Use, plain_text

Pace = Callable[[float], float]  # seconds a model takes -> seconds to wait before it answers
USAGE = {  # where each provider says how long a reply was: field, and the sum it is part of
    "/chat/completions": ("completion_tokens",),
    "/responses": ("output_tokens",),
    "/messages": ("output_tokens",),
    ":generateContent": ("candidatesTokenCount",),
    ":streamGenerateContent": ("candidatesTokenCount",),
}
_VALUE = re.compile(r"\\\{(\w+)\\\}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Answer:
    """A reply and what it answers to."""

    reply: Reply
    pattern: re.Pattern[str]


class Model:
    """All models of all providers: they have one script."""

    def __init__(self, replies: Iterable[Reply], pace: Pace) -> None:
        self._answers = [Answer(reply, _pattern(reply.to)) for reply in replies]
        self._pace = pace
        self.hung = threading.Event()  # a request came that is never answered

    def __call__(self, asked: Received) -> Say:
        """The reply to a request."""
        system, last = _system(asked), asked.last
        attempt = int(asked.headers.get("x-stainless-retry-count", "0"))
        for answer in self._answers:
            reply = answer.reply
            if reply.system and reply.system not in system:
                continue
            if reply.turn not in (None, asked.turn) or reply.attempt not in (None, attempt):
                continue
            found = answer.pattern.search(last)
            if found is not None:
                return self._say(reply, found.groupdict(), asked)
        return Say(status=400, text=f"The script has no reply to {last[:80]!r}.")

    def _say(self, reply: Reply, said: dict[str, str], asked: Received) -> Say:
        if reply.fault == "hang":
            self.hung.set()
        values: dict[str, Any] = {name: _typed(text) for name, text in said.items()}
        calls = [Use(call["name"], filled(call.get("args", {}), values)) for call in reply.calls]
        return Say(
            text=filled(reply.say, values),
            calls=calls,
            usage=_usage(reply, asked),
            status=reply.status,
            fault=reply.fault,  # type: ignore[arg-type]
            wait_s=self._pace(reply.takes),
            headers={"retry-after-ms": "1"} if reply.status >= 500 else {},
        )


def _pattern(to: str) -> re.Pattern[str]:
    return re.compile(_VALUE.sub(r"(?P<\1>[^\\s,;:]+)", re.escape(to)))


def _typed(text: str) -> Any:
    text = text.rstrip(".")
    number = _NUMBER.fullmatch(text)
    return text if number is None else float(text) if number[1] else int(text)


def _system(asked: Received) -> str:
    said = asked.json
    for name in ("system", "instructions"):
        if isinstance(said.get(name), str):
            return str(said[name])
    instruction = said.get("systemInstruction")
    if isinstance(instruction, dict):
        return plain_text(instruction.get("parts"))
    first = asked.messages[0] if asked.messages else {}
    return plain_text(first.get("content")) if first.get("role") == "system" else ""


def _usage(reply: Reply, asked: Received) -> dict[str, int] | None:
    """How long the reply was in tokens; a little more or less for each request, and always the same for the same."""
    if not reply.tokens:
        return None
    spread = sum(asked.body[-400:]) % 21 - 10
    tokens = max(reply.tokens * (100 + spread) // 100, 1)
    fields = next((fields for end, fields in USAGE.items() if asked.path.rstrip("/").endswith(end)), ())
    return dict.fromkeys(fields, tokens)
