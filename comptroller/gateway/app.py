"""The gateway as an ASGI application: no framework, one look-up from a path to what answers it."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from comptroller.core.errors import StoreError
from comptroller.dialects.dialect import Dialect
from comptroller.dialects.routes import dialect_for, is_model_route
from comptroller.gateway.api.passing import OPEN, pass_to_api
from comptroller.gateway.asked import Asked, Gone, Receive, Send, asked_of, read_body
from comptroller.gateway.caller import caller_of
from comptroller.gateway.gate import Gate
from comptroller.gateway.health import counted, ready
from comptroller.gateway.homes import at_home
from comptroller.gateway.memory import ROOT as MEMORY
from comptroller.gateway.memory import remember
from comptroller.gateway.models import list_models
from comptroller.gateway.passing import pass_through
from comptroller.gateway.relay import LEFT, relay
from comptroller.gateway.reply import tell
from comptroller.gateway.stop import JSON, Stop, body_of
from comptroller.gateway.stored import answer_stored, is_stored
from comptroller.gateway.websocket import serve

log = logging.getLogger("comptroller.gateway")
ROOTS = ("/v1/", "/v1beta/", "/openai/")
FREE = ("/v1/messages/count_tokens", "/v1/responses/input_tokens")
STRANGERS = 1 << 20  # bytes of a body where no key is asked for
LONGEST_PATH = 2_048  # no route is longer, and paths are remembered
Answering = Callable[[Gate, Asked, Receive, Send], Awaitable[int]]


class App:
    """Answers HTTP and WebSockets for one gate."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._most = gate.desk.settings.limits.body_mb << 20

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(at_home(scope), receive, send)
        elif scope["type"] == "websocket":
            await serve(self.gate, self._frame, at_home(scope), receive, send)

    async def _frame(self, asked: Asked, dialect: Dialect, receive: Receive, send: Send) -> int:
        """A frame of a WebSocket, answered as the HTTP request it would have been."""

        async def answer() -> int:
            return await relay(self.gate, asked, dialect, receive, send)

        return await self._counted("WEBSOCKET", dialect.name, answer, asked.path, send)

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        name, dialect, answering = route_of(scope["method"], scope["path"])

        async def answer() -> int:
            asked = asked_of(scope)
            if name == "missing":
                raise _missing(asked)
            asked.body = await read_body(asked, receive, self._most, self._allowed)
            if dialect is not None:
                return await relay(self.gate, asked, dialect, receive, send)
            return await answering(self.gate, asked, receive, send)

        await self._counted(scope["method"], name, answer, scope["path"], send)

    def _allowed(self, asked: Asked) -> int:
        """How large a body is read; raises for who has to be known and is not. Strangers must not fill memory."""
        if (asked.method, asked.path) in _OWN or OPEN.fullmatch(asked.path):
            return min(STRANGERS, self._most)
        caller_of(asked, self.gate.keys, self.gate.desk.settings.tenant)
        return self._most

    async def _counted(
        self, method: str, name: str, answer: Callable[[], Awaitable[int]], path: str, send: Send
    ) -> int:
        """Whatever becomes of a request is told to its client, and counted."""
        gate, clock = self.gate, self.gate.desk.clock
        began = clock.monotonic_ns()
        line = None if gate.access is None else gate.access.begin()
        gate.meters.under_way += 1
        status = LEFT
        try:
            status = await answer()
        except Stop as stop:
            status = await self._refuse(stop, path, send)
        except Gone:
            pass
        except StoreError as error:
            log.error("The ledger failed: %s", error)
            why = "The ledger cannot be used, so nothing passes; the log says why."
            status = await self._refuse(Stop(503, "ledger_unavailable", why), path, send)
        finally:
            gate.meters.under_way -= 1
            took_ms = (clock.monotonic_ns() - began) // 1_000_000
            gate.meters.answered(name, status, took_ms)
            if gate.access is not None and line is not None:
                gate.access.end(line, method, name, status, took_ms)
        return status

    async def _refuse(self, stop: Stop, path: str, send: Send) -> int:
        self.gate.meters.refused(stop.code)
        if stop.status >= 500 or stop.status in (401, 403):
            shown = path[:200] if path.isprintable() else ascii(path[:200])  # a line of the log is one line
            log.warning("%s %s: %s", stop.status, shown, stop.message)
        await tell(send, stop.status, [JSON, *stop.headers], body_of(stop, path))
        return stop.status


def route_of(method: str, path: str) -> tuple[str, Dialect | None, Answering]:
    """The name of a route, the dialect that reads it, else what answers it."""
    return _route_of(method, path) if len(path) <= LONGEST_PATH else ("missing", None, _never)


@lru_cache(maxsize=4096)
def _route_of(method: str, path: str) -> tuple[str, Dialect | None, Answering]:
    own = _OWN.get((method, path))
    if own is not None:
        return path, None, own
    if path.startswith("/api/"):
        return "api", None, pass_to_api
    if path.startswith(MEMORY):
        return "memory", None, _memory
    if not path.startswith(ROOTS) or ".." in path or "//" in path or "\\" in path or not path.isprintable():
        return "missing", None, _never
    dialect = dialect_for(method, path)
    if dialect is not None:
        return dialect.name, dialect, _never
    if method == "POST" and path in FREE:
        return path, None, _free
    if is_stored(method, path):
        return "stored", None, _stored
    if is_model_route(method, path):
        return "opaque", None, _opaque
    if method == "GET" and (path == "/v1/models" or path.startswith("/v1/models/")):
        return "models", None, _models
    return "missing", None, _never


def _missing(asked: Asked) -> Stop:
    return Stop(
        404,
        "not_found",
        f"There is no {asked.method} {asked.path[:200]} here. Served are /v1/chat/completions, /v1/responses, "
        "/v1/embeddings, /v1/messages, /v1/messages/count_tokens, /v1beta/models/MODEL:generateContent and /v1/models; "
        "what cannot be metered does not pass.",
    )


async def _free(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    return await pass_through(gate, asked, False, send)


async def _stored(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    return await answer_stored(gate, asked, send)


async def _opaque(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    return await pass_through(gate, asked, True, send)


async def _memory(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    return await remember(gate, asked, send)


async def _models(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    await tell(send, 200, [JSON], await list_models(gate, asked))
    return 200


async def _health(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    await tell(send, 200, [JSON], b'{"ok":true}')
    return 200


async def _ready(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    status, body = await ready(gate)
    await tell(send, status, [JSON], body)
    return status


async def _metrics(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    await tell(send, 200, [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")], await counted(gate))
    return 200


async def _never(gate: Gate, asked: Asked, receive: Receive, send: Send) -> int:
    raise AssertionError("a route without an answer is refused before")


_OWN: dict[tuple[str, str], Answering] = {
    ("GET", "/healthz"): _health,
    ("GET", "/readyz"): _ready,
    ("GET", "/metrics"): _metrics,
}
