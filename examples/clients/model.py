"""The model all clients talk to: it asks for the tool it is offered, and answers with what the tool said."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from comptroller.testing import Say, Use
from comptroller.testing.upstream import Received
from examples.clients.manifest import Client

# What each wire calls the tokens of a reply.
_INPUT_OUTPUT = {
    "completions": ("prompt_tokens", "completion_tokens"),
    "messages": ("input_tokens", "output_tokens"),
    "responses": ("input_tokens", "output_tokens"),
    "contents": ("promptTokenCount", "candidatesTokenCount"),
}
_PROVIDERS = {"completions": "openai", "responses": "openai", "messages": "anthropic", "contents": "google"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that reached the provider, and the usage it was told."""

    provider: str  # whose prices the model has
    model: str
    input: int
    output: int
    credential: str


class Model:
    """Answers each request by what its conversation holds, never by how many came before."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._work = ""
        self._lock = threading.Lock()
        self._sent: list[Sent] = []

    def serve(self, client: Client, work: str) -> None:
        """From here on, requests are this client's."""
        self._client, self._work, self._sent = client, work, []

    def sent(self) -> list[Sent]:
        """What has arrived since."""
        return list(self._sent)

    def reply_to(self, asked: Received) -> Say:
        """The next tool that is offered and was not asked for yet; else the answer."""
        wire = _wire(asked)
        with self._lock:
            number = len(self._sent)
            tokens = (1_000 + 37 * number, 20 + number)
            self._sent.append(
                Sent(_PROVIDERS[wire], asked.model, *tokens, asked.headers.get("authorization") or _key(asked))
            )
        usage = dict(zip(_INPUT_OUTPUT[wire], tokens, strict=True))
        wanted = None if _refused(asked) else self._wanted(asked)
        if wanted is not None:
            return Say(calls=[wanted], usage=usage)
        said = [text for text in _results(asked) if text]
        return Say(f"The tool said: {said[-1]}" if said else "There is nothing to say.", usage=usage)

    def _wanted(self, asked: Received) -> Use | None:
        offered, used = set(_offered(asked.json)), list(_used(asked))
        left = [tool for tool in self._client.tools if tool.name in offered] if self._client else []
        left = [tool for tool in left if tool.name not in used]
        # Where the provider keeps the conversation, a request brings results without the calls they belong to.
        left = left[max(len(list(_results(asked))) - len(used), 0) :]
        return (
            Use(left[0].name, {key: _filled(value, self._work) for key, value in left[0].args.items()})
            if left
            else None
        )


def _wire(asked: Received) -> str:
    wires = {"/completions": "completions", "/messages": "messages", "/responses": "responses"}
    return next((wire for end, wire in wires.items() if asked.path.endswith(end)), "contents")


def _key(asked: Received) -> str:
    return asked.headers.get("x-api-key") or asked.headers.get("x-goog-api-key", "")


def _filled(value: Any, work: str) -> Any:
    return value.replace("{work}", work) if isinstance(value, str) else value


def _refused(asked: Received) -> bool:
    """The gateway refused the tool: the model has read so, and asks no more."""
    return b" was refused. " in asked.body


def _offered(body: dict[str, Any]) -> Iterator[str]:
    """The names of the tools in a request, in whichever wire's words."""
    for tool in _list(body.get("tools")):
        for one in (*_list(tool.get("functionDeclarations")), tool.get("function"), tool):
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                yield one["name"]


def _used(asked: Received) -> Iterator[str]:
    """The names of the tools the conversation has calls of."""
    for message in asked.messages:
        for call in (message, *_list(message.get("tool_calls")), *_list(message.get("content"))):
            named = call.get("function") or call.get("functionCall") or call
            if isinstance(named, dict) and isinstance(named.get("name"), str):
                yield named["name"]


def _results(asked: Received) -> Iterator[str]:
    """What tools said, in order."""
    for message in asked.messages:
        if message.get("role") == "tool":
            yield _text(message.get("content"))
        elif message.get("type") == "function_call_output":
            yield _text(message.get("output"))
        for block in _list(message.get("content")):
            if block.get("type") == "tool_result":
                yield _text(block.get("content"))
            elif "functionResponse" in block:
                yield str(block["functionResponse"].get("response"))


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    return " ".join(str(block.get("text", "")) for block in _list(content))


def _list(found: object) -> Sequence[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
