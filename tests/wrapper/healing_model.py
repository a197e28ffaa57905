"""A model that answers in order and an agent that asks it, for the tests of calls that heal themselves."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from comptroller.core.call import Identity
from comptroller.core.facts import CALL_CLOSED
from comptroller.dialects.dialect import Dialect
from comptroller.dialects.routes import dialect_for
from comptroller.testing import TestDesk, desk
from comptroller.wrapper.boundary import Boundary
from comptroller.wrapper.context import RunState
from comptroller.wrapper.effects import Answer, Ask, Effect, Emit, Head, Next, Order, Read, Reserve, Send, Stay, Use
from comptroller.wrapper.flow import model_call
from comptroller.wrapper.shared import Job
from tests.wrapper.bodies import DONE, ask, event

ROUTES = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
}
NO_PROMISES = """
policy: p
rules:
  - id: no-promises
    on: reply
    when: 'reply.text.contains("promise")'
    then: deny
    because: We promise nothing.
    retry: {times: 2, hint: Say what we will try.}
"""


class Model:
    """A model that answers in order, and the run of the agent that asks it."""

    def __init__(self, made: TestDesk) -> None:
        self.desk, self.run = made, RunState("r" * 32, "r" * 32, Boundary())
        self.sent: list[Send] = []
        self.pieces: list[bytes] = []
        self.replies: list[tuple[int, bytes]] = []
        self.headers: Mapping[str, str] = {}

    def call(
        self, *replies: bytes | tuple[int, bytes], body: bytes | None = None, agent: str = "clerk",
        dialect: str = "openai_chat",
    ) -> Answer:  # fmt: skip
        """One request of the agent's; what it gets in the end."""
        self.replies = [one if isinstance(one, tuple) else (200, one) for one in replies]
        self.sent, self.pieces = [], []
        found = dialect_for("POST", ROUTES[dialect])
        assert found is not None
        return self.drive(found, body or ask(max_tokens=20), agent, ROUTES[dialect])

    def drive(self, dialect: Dialect, body: bytes, agent: str, path: str) -> Answer:
        identity = Identity(run=self.run.id, agent=agent)
        flow = model_call(Job(self.desk, identity, self.run, dialect, body, path=path))
        value: Any = None
        try:
            while True:
                value = self.do(flow.send(value))
        except StopIteration as done:
            answer: Answer = done.value
            return answer

    def do(self, effect: Effect) -> Any:
        ledger = self.desk.ledger
        match effect:
            case Reserve():
                return ledger.reserve(effect.opened)
            case Send():
                self.sent.append(effect)
                status, self.coming = self.replies.pop(0)
                kind = "text/event-stream" if self.coming.startswith((b"data:", b"event:")) else "application/json"
                return Head(status, {"content-type": kind})
            case Read():
                return self.coming
            case Next() | Emit():
                if isinstance(effect, Emit):
                    self.headers = effect.headers or self.headers
                    self.pieces.append(effect.data)
                data, self.coming = self.coming, b""
                return data or None
            case Ask():
                return ledger.ask(effect.fact)
            case Use():
                return ledger.use(effect.fact)
            case Order():
                return ledger.sync(effect.fact)
            case Stay():
                return None
        raise AssertionError(effect)

    @property
    def records(self) -> list[Mapping[str, Any]]:
        return [data for data in self.desk.facts(CALL_CLOSED) if data["kind"] == "model"]

    def asked(self, number: int = -1) -> str:
        """The last message of a request as it went out."""
        body = self.sent[number].body
        assert body is not None
        return str(json.loads(body)["messages"][-1]["content"])


@contextmanager
def model(policy: str, **more: Any) -> Iterator[Model]:
    with desk(policy, **more) as made:
        yield Model(made)


def text_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["choices"][0]["message"]["content"])


def stream(*texts: str, finish: str = "stop") -> bytes:
    usage = {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}
    opening = event({"role": "assistant", "content": ""})
    body = b"".join(event({"content": text}) for text in texts)
    return opening + body + event({}, finish) + event(None, **usage) + DONE


def told(pieces: list[bytes]) -> str:
    lines = b"".join(pieces).decode().splitlines()
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))
