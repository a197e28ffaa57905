"""A model provider that says what a script tells it, on loopback: for tests, demos and benchmarks.

`with Upstream("hello") as up:` serves OpenAI's chat completions, responses and embeddings under `up.url + "/v1"`, and
Anthropic's messages and Gemini's contents under `up.url`, in a thread. `python -m comptroller.testing.upstream --port
4100 --script replies.yaml` does so in a process of its own.
"""

import argparse
import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from comptroller.core.errors import SettingsError
from comptroller.testing import anthropic_wire, gemini_wire, openai_wire, responses_wire
from comptroller.testing.connection import Connection
from comptroller.testing.script import Received, Say, Script, Teller, Use, load_script

__all__ = ["Received", "Say", "Upstream", "Use", "load_script"]


class Wire(Protocol):
    """How a provider writes a reply."""

    def whole(self, say: Say, asked: Received) -> bytes: ...
    def events(self, say: Say, asked: Received) -> Iterator[bytes]: ...
    def error(self, status: int, message: str) -> bytes: ...


class EmbeddingsWire:
    """Embeddings come whole, and fail as everything of OpenAI's does."""

    whole = staticmethod(responses_wire.embeddings)
    events = staticmethod(responses_wire.events)
    error = staticmethod(responses_wire.error)


class Upstream:
    """A scripted provider in a thread; `requests` tells what arrived, the newest `keep` of it."""

    def __init__(self, script: Script = "Hello.", port: int = 0, keep: int = 10_000) -> None:
        self.requests: list[Received] = []
        self.port = port
        self._keep = keep
        self._teller = Teller(script)
        self._count = 0
        self._ready = threading.Event()
        self._failed: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._connections: set[Connection] = set()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens; OpenAI clients want `/v1` after it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Upstream":
        """Listen; returns once connections are accepted."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="upstream", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise SettingsError(f"Port {self.port} cannot be had: {self._failed.strerror}. Name another, or 0 for any.")
        return self

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._loop is not None and self._stop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._loop = None

    def __enter__(self) -> "Upstream":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await self._loop.create_server(
                lambda: Connection(self._answer, self._connections), "127.0.0.1", self.port
            )
        except OSError as error:
            self._failed = error
            self._ready.set()
            return
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in list(self._connections):
            connection.abort()

    def _answer(self, connection: Connection, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        self._count += 1
        path, _, query = target.partition("?")
        asked = Received(self._count, method, path, headers, body, query)
        self.requests.append(asked)
        if len(self.requests) > 2 * self._keep:
            del self.requests[: self._keep]
        _answer(connection, asked, self._teller.reply_to)


def _answer(connection: Connection, asked: Received, reply_to: Callable[[Received], Say]) -> None:
    path = asked.path.rstrip("/")
    if path.endswith("/chat/completions"):
        _tell(connection, asked, reply_to(asked), openai_wire)
    elif path.endswith("/messages"):
        _tell(connection, asked, reply_to(asked), anthropic_wire)
    elif path.endswith("/responses"):
        _tell(connection, asked, reply_to(asked), responses_wire)
    elif path.endswith("/embeddings"):
        _tell(connection, asked, reply_to(asked), EmbeddingsWire())
    elif path.endswith((":generateContent", ":streamGenerateContent")):
        _tell(connection, asked, reply_to(asked), gemini_wire)
    elif path.endswith("/messages/count_tokens"):
        connection.whole(200, {}, msgspec.json.encode({"input_tokens": max(len(asked.body) // 4, 1)}))
    elif path.endswith(":countTokens"):
        connection.whole(200, {}, msgspec.json.encode({"totalTokens": max(len(asked.body) // 4, 1)}))
    elif path.endswith("/models"):
        models = [{"id": "scripted", "object": "model", "created": openai_wire.CREATED, "owned_by": "script"}]
        connection.whole(200, {}, msgspec.json.encode({"object": "list", "data": models}))
    else:  # any other service: it says what it heard
        heard = {"method": asked.method, "path": asked.path, "bytes": len(asked.body)}
        connection.whole(200, {}, msgspec.json.encode(heard))


def _tell(connection: Connection, asked: Received, say: Say, wire: Wire) -> None:
    if say.wait_s:
        connection.later(say.wait_s, lambda: _tell_now(connection, asked, say, wire))
    else:
        _tell_now(connection, asked, say, wire)


def _tell_now(connection: Connection, asked: Received, say: Say, wire: Wire) -> None:
    headers = {"x-request-id": f"req_{asked.number:06d}", "request-id": f"req_{asked.number:06d}", **say.headers}
    if say.retry_after:
        headers["retry-after"] = say.retry_after
    if say.fault == "hang":
        return
    if say.status >= 400:
        text = say.text or f"The script fails this request with {say.status}."
        connection.whole(say.status, headers, wire.error(say.status, text))
    elif say.fault == "garbage":
        connection.whole(200, headers, b"<html>\xff\x00 this is neither JSON nor a stream of events")
    elif asked.stream and not (wire is gemini_wire and "alt=sse" not in asked.query):
        _stream(connection, headers, say, wire.events(say, asked))
    else:
        body = wire.whole(say, asked)
        connection.whole(200, headers, body, cut=_cut_at(body, say) if say.fault.startswith("cut") else None)


def _stream(connection: Connection, headers: dict[str, str], say: Say, events: Iterator[bytes]) -> None:
    if not say.fault:
        return connection.stream(headers, events, say.pause_s)
    data = b"".join(events)
    half = iter((data[: _cut_at(data, say)],))
    return connection.stream(headers, half, say.pause_s, then="hang" if say.fault == "hang_midway" else "cut")


def _cut_at(data: bytes, say: Say) -> int:
    """Half of it; or inside the first character of more than one byte."""
    if say.fault == "cut_character":
        return next((at + 1 for at, byte in enumerate(data) if byte >= 0xC0), len(data) // 2)
    return len(data) // 2


def main() -> None:
    """Serve a script until interrupted."""
    parser = argparse.ArgumentParser(description="A scripted model provider on loopback.")
    parser.add_argument("--port", type=int, default=0, help="where to listen; any free port where not given")
    parser.add_argument("--script", type=Path, help="a YAML or JSON file with replies")
    args = parser.parse_args()
    try:
        script: Script = load_script(args.script) if args.script else "Hello."
        up = Upstream(script, args.port, keep=100).start()
    except SettingsError as error:
        parser.exit(2, f"{error}\n")
    print(up.url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        up.close()


if __name__ == "__main__":
    main()
