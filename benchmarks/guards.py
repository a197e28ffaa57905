"""What guardrails cost a call in which they have nothing to do: each beside the same call without it.

Judges that are not asked, tries that are not made, forms that fit, agents that do not fail, tokens for values that are
not there; and, with tokens, values that are. Both sides of a case take turns, so that the load is the same for both.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.table import conditions, median, table
from comptroller.core.call import Identity
from comptroller.dialects.routes import dialect_for
from comptroller.testing import TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.drive import Blocking
from comptroller.wrapper.effects import Head, Send
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.shared import Job

CHAT = dialect_for("POST", "/v1/chat/completions")
ANSWER = '{"amount": 1, "items": ["x", "y"]}'
FORM = {
    "type": "object",
    "properties": {"amount": {"type": "integer"}, "items": {"type": "array", "items": {"type": "string"}}},
    "required": ["amount"],
}
WANTED = {"type": "json_schema", "json_schema": {"name": "order", "schema": FORM}}
TOOL = {"type": "function", "function": {"name": "order", "parameters": FORM, "strict": True}}
PLAIN = "policy: p\nrules: [{id: r, on: reply, when: 'reply.text.contains(\"promise\")', then: deny%s}]\n"
JUDGES = "judges: {careful: {model: gpt-4o}}\n"
REDACT = "policy: p\nguards: {privacy: {in: redact}}\n"
TOKENS = REDACT + "tokens: {back: {send_mail: [to]}}\n"
SENTENCES = "The quick brown fox jumps over the lazy dog near the river bank. " * 12
CHUNKS = 50


@dataclass
class Side:
    """The call with or without something, on a desk of its own."""

    desk: TestDesk
    hands: "Scripted"
    took: list[float] = field(default_factory=list)  # microseconds a call, a figure for each round


class Scripted:
    """An upstream that answers at once."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        self._kind = "text/event-stream" if len(pieces) > 1 else "application/json"
        self._left: Iterator[bytes] = iter(())

    def send(self, effect: Send) -> Head:
        """The head of the reply."""
        self._left = iter(self.pieces)
        return Head(200, {"content-type": self._kind})

    def read(self, limit: int) -> bytes | None:
        """The whole reply."""
        return self.pieces[0]

    def next(self) -> bytes | None:
        """The next piece of a stream."""
        return next(self._left, None)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Case:
    """Two policies that differ in one thing, and the call both are put to."""

    title: str
    without: str
    within: str
    body: Callable[[int], bytes]  # by the number of the call
    reply: list[bytes]


def main() -> None:
    """Print microseconds of a call without and with each, and how much that is more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--calls", type=int, default=40, help="a round and side; of long conversations a twentieth")
    args = parser.parse_args()
    small = [measured(case, args.rounds, args.calls) for case in small_cases()]
    long = [measured(case, args.rounds, max(args.calls // 20, 1)) for case in long_cases()]
    heads = ["", "without", "with", "added", "ratio"]
    table(f"Guardrails with nothing to do ({conditions()}, us of CPU a call, medians)", heads, small)
    table("Tokens beside the same guard alone", heads, long)


def small_cases() -> list[Case]:
    """One message, a short reply."""
    plain, rule = body(), PLAIN % ""
    form, tool = body(response_format=WANTED), body(tools=[TOOL])
    judged = ", judge: {says: It promises something.}"
    retry = PLAIN % ", retry: {times: 1, hint: Say what we will try.}"
    streamed = body(stream=True, stream_options={"include_usage": True})
    return [
        Case("a judged rule whose condition does not hold", rule, PLAIN % judged + JUDGES, plain, whole()),
        Case("retry, never used", rule, retry, plain, whole()),
        Case(f"... in a stream of {CHUNKS} chunks", rule, retry, streamed, events()),
        Case("structured, no form demanded", rule, rule + "structured: {retry: {times: 1}}\n", plain, whole()),
        Case("structured, a reply that fits its form", rule, rule + "structured: {retry: {times: 1}}\n", form, whole()),
        Case("structured, arguments that fit", rule, rule + "structured: {retry: {times: 1}}\n", tool, calling()),
        Case("fallback, nothing fails", rule, rule + "fallback: {to: gpt-4o, after: 3}\n", plain, whole()),
        Case("tokens, a value seen first", REDACT, TOKENS, fresh, whole()),
    ]


def long_cases() -> list[Case]:
    """Conversations that come whole with each call."""
    return [
        Case("10 messages, 1 with an address", REDACT, TOKENS, conversation(10, 1), whole()),
        Case("200 messages, none with one", REDACT, TOKENS, conversation(200, 0), whole()),
        Case("200 messages, 20 with one", REDACT, TOKENS, conversation(200, 20), whole()),
    ]


# -- bodies


def body(**more: Any) -> Callable[[int], bytes]:
    """The same request each time."""
    data = _asked([{"role": "user", "content": "Hi"}], **more)
    return lambda _: data


def fresh(number: int) -> bytes:
    """A request with an address that nobody has seen."""
    return _asked([{"role": "user", "content": f"Write to person{number}@first.example"}])


def conversation(messages: int, addresses: int) -> Callable[[int], bytes]:
    """So many messages, some of them with an address."""
    said = [
        {
            "role": "assistant" if number % 2 else "user",
            "content": f"{number} {SENTENCES}" + (f" Write to user{number}@host.example" if number < addresses else ""),
        }
        for number in range(messages)
    ]
    data = _asked(said)
    return lambda _: data


def _asked(messages: list[dict[str, str]], **more: Any) -> bytes:
    return json.dumps({"model": "gpt-4o-mini", "max_tokens": 50, "messages": messages, **more}).encode()


def whole() -> list[bytes]:
    """A reply of one piece."""
    return _answer({"role": "assistant", "content": ANSWER}, "stop")


def calling() -> list[bytes]:
    """A reply with a tool call."""
    function = {"name": "order", "arguments": ANSWER}
    call = {"id": "c1", "type": "function", "function": function}
    return _answer({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")


def events() -> list[bytes]:
    """A reply in events."""
    told = [_event({"role": "assistant", "content": ""})]
    told += [_event({"content": "We will look. "}) for _ in range(CHUNKS)]
    return [*told, _event({}, "stop"), _event(None), b"data: [DONE]\n\n"]


def _answer(message: dict[str, Any], finish: str) -> list[bytes]:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return [json.dumps({**_frame("chat.completion"), "choices": [choice], "usage": _usage()}).encode()]


def _event(delta: dict[str, Any] | None, finish: str | None = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    more = {"usage": _usage()} if delta is None else {}
    return b"data: " + json.dumps({**_frame("chat.completion.chunk"), "choices": choices, **more}).encode() + b"\n\n"


def _frame(kind: str) -> dict[str, Any]:
    return {"id": "r1", "object": kind, "created": 1, "model": "gpt-4o-mini"}


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


# -- measuring


def measured(case: Case, rounds: int, calls: int) -> list[object]:
    """One row: both sides taking turns, the first one changing."""
    with ExitStack() as stack:
        sides = [
            Side(stack.enter_context(desk(policy, capture="none")), Scripted(case.reply))
            for policy in (case.without, case.within)
        ]
        gc.disable()
        try:
            for number in range(-3, rounds):  # the first few warm up
                for side in sides if number % 2 else sides[::-1]:
                    took = once(side, case.body, calls, number)
                    if number >= 0:
                        side.took.append(took)
                gc.collect()
        finally:
            gc.enable()
    without, within = (side.took for side in sides)
    ratio = median([one / other for one, other in zip(within, without, strict=True)])
    added = median([one - other for one, other in zip(within, without, strict=True)])
    return [case.title, f"{median(without):,.0f}", f"{median(within):,.0f}", f"{added:+,.0f}", f"{ratio:.2f}"]


def once(side: Side, body: Callable[[int], bytes], calls: int, number: int) -> float:
    """Microseconds of CPU a call."""
    run = RunState("r" * 32, "r" * 32, Boundary())
    bodies = [body(number * calls + each) for each in range(calls)]
    begun = time.thread_time_ns()
    for data in bodies:
        call(side, run, data)
    took = time.thread_time_ns() - begun
    side.desk.ledger.facts.clear()
    return took / calls / 1_000


def call(side: Side, run: RunState, data: bytes) -> None:
    """One governed call, to the last byte of its reply."""
    assert CHAT is not None
    identity = Identity(run=run.id, workflow="bench", customer="acme", agent="clerk")
    drive = Blocking(side.desk, model_call(Job(side.desk, identity, run, CHAT, data)), side.hands)
    answer = drive.start()
    if answer is None:
        for _ in drive.stream():
            pass
    elif answer.refused is not None:
        raise answer.refused


if __name__ == "__main__":
    main()
