"""Conversations with a model, each as its provider's own client speaks: OpenAI's and Anthropic's SDK, Gemini's HTTP."""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from comptroller.cli.demo_world.script import Tool
from comptroller.core.errors import ComptrollerError
from comptroller.wrapper.wrap import wrap

GEMINI = "/v1beta/models/{model}:generateContent"


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool call that a model asks for."""

    id: str
    name: str
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a model said."""

    text: str
    calls: Sequence[Asked] = ()


class Talk(Protocol):
    """A conversation that goes on."""

    def send(self) -> Turn: ...
    def answer(self, results: Sequence[tuple[Asked, str]]) -> None: ...
    def ask(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Opening:
    """How a conversation begins."""

    model: str
    system: str
    text: str
    max_tokens: int
    tools: Mapping[str, Tool]
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of the providers: wrapped in this process, or plain ones that are led to a gateway."""

    openai: Any
    anthropic: Any
    http: Any
    gemini: str  # where Gemini is
    headers: Mapping[str, str]

    def begin(self, opening: Opening, headers: Mapping[str, str]) -> Talk:
        """A conversation in the provider's own format."""
        if opening.model.startswith("claude"):
            return Messages(self.anthropic, opening, headers)
        if opening.model.startswith("gemini"):
            url = self.gemini + GEMINI.format(model=opening.model)
            return Contents(self.http, url, opening, {**self.headers, **headers})
        return Completions(self.openai, opening, headers)


@contextmanager
def clients(url: str, key: str = "none", governed: bool = True) -> Iterator[Clients]:
    """The real clients of all providers; a proxy of the environment is none of the demo's business."""
    openai, anthropic, http = sdk("openai"), sdk("anthropic"), sdk("httpx2")
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key=key, http_client=direct(openai)) as first,
        anthropic.Anthropic(base_url=url, api_key=key, http_client=direct(anthropic)) as second,
        http.Client(trust_env=False, verify=False) as third,
    ):
        if governed:
            first, second, third = wrap(first), wrap(second), wrap(third)
        yield Clients(first, second, third, url, {"x-goog-api-key": key})


def sdk(name: str) -> Any:
    """A library that only the demo needs."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ComptrollerError(
            f"The demo's agents use the real {name} client, which is not installed. "
            "Run `make run`, or `pip install 'comptroller[server,demo]'`."
        ) from None


def direct(library: Any) -> Any:
    """An SDK's own HTTP client, without what the environment says of proxies."""
    return library.DefaultHttpxClient(trust_env=False, verify=False)  # loopback: no TLS, no time spent on its roots


class Completions:
    """OpenAI's chat completions."""

    def __init__(self, client: Any, opening: Opening, headers: Mapping[str, str]) -> None:
        self._client, self._opening, self._headers = client, opening, dict(headers)
        self._messages: list[Any] = [{"role": "system", "content": opening.system}] if opening.system else []
        self._messages.append({"role": "user", "content": opening.text})

    def send(self) -> Turn:
        said = self._opening
        more: dict[str, Any] = {"tools": [_function(*tool) for tool in said.tools.items()]} if said.tools else {}
        if said.stream:
            more |= {"stream": True, "stream_options": {"include_usage": True}}
        reply = self._client.chat.completions.create(
            model=said.model,
            max_tokens=said.max_tokens,
            messages=self._messages,
            extra_headers=self._headers,
            **more,
        )
        if said.stream:
            return Turn("".join(chunk.choices[0].delta.content or "" for chunk in reply if chunk.choices))
        message = reply.choices[0].message
        self._messages.append(message.model_dump(exclude_none=True))
        calls = [Asked(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or ()]
        return Turn(message.content or "", calls)

    def answer(self, results: Sequence[tuple[Asked, str]]) -> None:
        self._messages += [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in results]

    def ask(self, text: str) -> None:
        self._messages.append({"role": "user", "content": text})


class Messages:
    """Anthropic's messages."""

    def __init__(self, client: Any, opening: Opening, headers: Mapping[str, str]) -> None:
        self._client, self._opening, self._headers = client, opening, dict(headers)
        self._messages: list[Any] = [{"role": "user", "content": opening.text}]

    def send(self) -> Turn:
        said = self._opening
        more: dict[str, Any] = {"system": said.system} if said.system else {}
        if said.tools:
            more["tools"] = [
                {"name": name, "description": name.replace("_", " "), "input_schema": _schema(tool)}
                for name, tool in said.tools.items()
            ]
        if said.stream:
            more["stream"] = True
        reply = self._client.messages.create(
            model=said.model,
            max_tokens=said.max_tokens,
            messages=self._messages,
            extra_headers=self._headers,
            **more,
        )
        if said.stream:
            deltas = (event.delta for event in reply if event.type == "content_block_delta")
            return Turn("".join(delta.text for delta in deltas if delta.type == "text_delta"))
        self._messages.append({"role": "assistant", "content": [part.model_dump() for part in reply.content]})
        text = "".join(part.text for part in reply.content if part.type == "text")
        calls = [Asked(part.id, part.name, dict(part.input)) for part in reply.content if part.type == "tool_use"]
        return Turn(text, calls)

    def answer(self, results: Sequence[tuple[Asked, str]]) -> None:
        parts = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in results]
        self._messages.append({"role": "user", "content": parts})

    def ask(self, text: str) -> None:
        self._messages.append({"role": "user", "content": text})


class Contents:
    """Gemini's contents, over HTTP as anybody may speak it."""

    def __init__(self, client: Any, url: str, opening: Opening, headers: Mapping[str, str]) -> None:
        self._client, self._url, self._headers = client, url, dict(headers)
        self._body: dict[str, Any] = {
            "contents": [{"role": "user", "parts": [{"text": opening.text}]}],
            "generationConfig": {"maxOutputTokens": opening.max_tokens},
        }
        if opening.system:
            self._body["systemInstruction"] = {"parts": [{"text": opening.system}]}
        if opening.tools:
            offered = [{"name": name, "parameters": _schema(tool)} for name, tool in opening.tools.items()]
            self._body["tools"] = [{"functionDeclarations": offered}]

    def send(self) -> Turn:
        reply = self._client.post(self._url, json=self._body, headers=self._headers)
        reply.raise_for_status()
        content = reply.json()["candidates"][0]["content"]
        self._body["contents"].append(content)
        parts = content.get("parts", ())
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        return Turn(
            "".join(part.get("text", "") for part in parts),
            [Asked(call.get("id", ""), call["name"], dict(call.get("args") or {})) for call in calls],
        )

    def answer(self, results: Sequence[tuple[Asked, str]]) -> None:
        parts = [{"functionResponse": {"name": call.name, "response": {"result": text}}} for call, text in results]
        self._body["contents"].append({"role": "user", "parts": parts})

    def ask(self, text: str) -> None:
        self._body["contents"].append({"role": "user", "parts": [{"text": text}]})


def _function(name: str, tool: Tool) -> dict[str, Any]:
    """A tool as the OpenAI format describes it to the model."""
    described = {"name": name, "description": name.replace("_", " "), "parameters": _schema(tool)}
    return {"type": "function", "function": described}


def _schema(tool: Tool) -> dict[str, Any]:
    properties = {name: {"type": kind} for name, kind in tool.args.items()}
    return {"type": "object", "properties": properties, "required": list(tool.args)}
