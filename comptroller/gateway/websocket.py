"""The Responses API over a WebSocket: one socket, many calls, each governed as if it had come by itself."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

import msgspec

from comptroller.dialects import tree
from comptroller.dialects.dialect import Dialect, Unreadable
from comptroller.dialects.routes import dialect_for
from comptroller.gateway.asked import Asked, Receive, Send, asked_of
from comptroller.gateway.caller import caller_of
from comptroller.gateway.frames import READS_CODES_ONLY, Frames, error_event, steer_failed
from comptroller.gateway.stop import JSON, Stop, body_of
from comptroller.gateway.turns import Turns

log = logging.getLogger("comptroller.gateway")
MOST_WAITING = 16  # frames on a socket that wait for their lane
MOST_LANES = 32
MOST_AT_WORK = 16
OF_THE_UPGRADE = frozenset(
    b"connection upgrade content-length content-type content-encoding transfer-encoding idempotency-key "
    b"x-stainless-retry-count".split()
)
BETA = b"responses_websockets"  # named in a header by those who ask for a socket
GOING_AWAY = 1001
Answering = Callable[[Asked, Dialect, Receive, Send], Awaitable[int]]
Frame = dict[str, msgspec.Raw]


class Office(Protocol):
    """What a socket needs of the gate."""

    @property
    def desk(self) -> Any: ...
    @property
    def keys(self) -> Any: ...
    @property
    def sockets(self) -> "set[Socket]": ...
    @property
    def stopping(self) -> bool: ...


async def serve(gate: Office, answer: Answering, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve one socket until its client leaves; every frame is answered by `answer`."""
    try:
        head = asked_of({**scope, "method": "GET"})
        dialect = dialect_for("POST", head.path)
        if dialect is None or dialect.name != "openai_responses":
            raise Stop(404, "not_found", "A WebSocket is served at /v1/responses only. Send other calls by HTTP.")
        caller_of(head, gate.keys, gate.desk.settings.tenant)
    except Stop as stop:
        await _turn_away(stop, scope, send)
        return
    if (await receive())["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    socket = Socket(gate, answer, head, dialect, send)
    gate.sockets.add(socket)
    try:
        await socket.listen(receive)
    finally:
        gate.sockets.discard(socket)


async def _turn_away(stop: Stop, scope: MutableMapping[str, Any], send: Send) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": stop.code})
        return
    body = body_of(stop, scope["path"])
    headers = [JSON, *stop.headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": stop.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


class Socket:
    """One open socket. Frames of one lane are answered one after the other, lanes beside each other."""

    def __init__(self, gate: Office, answer: Answering, head: Asked, dialect: Dialect, send: Send) -> None:
        self.gate, self.answer, self.dialect = gate, answer, dialect
        self.head = _plain(head)
        self.by_code = READS_CODES_ONLY in head.named
        self._most_bytes = gate.desk.settings.limits.body_mb << 20
        self.turns = Turns(self._most_bytes, gate.desk.clock)
        self.lanes: dict[str, Lane] = {}
        self.room = asyncio.Semaphore(MOST_AT_WORK)
        self._send, self._gone = send, False
        self._ending: asyncio.Task[None] | None = None

    async def listen(self, receive: Receive) -> None:
        """Take frames in until the client leaves; then let what is under way end as a stream nobody reads."""
        try:
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                await self.take(message.get("bytes") or b"" if text is None else text.encode())
        finally:
            self._gone = True
            for lane in self.lanes.values():
                lane.leave()
            await self._settle()

    async def take(self, data: bytes) -> None:
        """One frame of the client's."""
        try:
            frame = tree.fields(data)
            kind = tree.value(frame, "type")
        except Unreadable as error:
            await self.refuse("", 400, "bad_frame", f"The frame is not understood: {error} Send one JSON object.")
            return
        lane = str(tree.value(frame, "stream_id") or "")
        if kind == "response.create":
            await self._create(lane, frame, len(data))
        elif kind == "response.cancel":
            if lane in self.lanes:
                self.lanes[lane].cancel()
        elif kind == "response.steer":
            await self.say(steer_failed(tree.value(frame, "previous_response_id"), tree.value(frame, "input")))
        else:
            why = f"Frames of the type {str(kind)[:60]!r} are not served. Send response.create or response.cancel."
            await self.refuse(lane, 400, "unknown_frame", why)

    async def _create(self, name: str, frame: Frame, size: int) -> None:
        lane = self.lanes.get(name)
        waiting = [bytes for other in self.lanes.values() for _, bytes in other.waiting]
        full = len(waiting) >= MOST_WAITING or sum(waiting) > self._most_bytes
        if full or (lane is None and len(self.lanes) >= MOST_LANES):
            why = f"On a socket {MOST_WAITING} frames may wait, in {MOST_LANES} lanes. Await replies, or open another."
            await self.refuse(name, 429, "websocket_stream_limit_reached", why)
        elif self.gate.stopping:
            await self.refuse(name, 503, "stopping", "The gateway is stopping. Connect again.", retry=True)
        elif tree.value(frame, "background"):
            why = "A response in the background has no events to send here. Leave `background` out, or ask by HTTP."
            await self.refuse(name, 400, "unsupported_value", why)
        else:
            if lane is None:
                lane = self.lanes[name] = Lane(self, name)
            lane.add(frame, size)

    def wind_down(self) -> None:
        """Take no more, let calls under way end, then close: the gateway stops."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._wind_down())

    async def _wind_down(self) -> None:
        await self._settle()
        await self._tell({"type": "websocket.close", "code": GOING_AWAY, "reason": "The gateway stops."})

    async def _settle(self) -> None:
        """Until all lanes are done; whoever cancels this cancels them, and they settle what they hold."""
        tasks = [task for lane in self.lanes.values() for task in lane.tasks()]
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        except asyncio.CancelledError:
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def say(self, event: bytes) -> None:
        """One event to the client; nobody is told once it has left."""
        await self._tell({"type": "websocket.send", "text": event.decode("utf-8", "replace")})

    async def refuse(self, lane: str, status: int, code: str, message: str, retry: bool = False) -> None:
        """Tell the client that a frame came to nothing."""
        headers = {} if retry else {"x-should-retry": "false"}
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": None}
        await self.say(error_event(status, error, headers, lane, self.by_code))

    async def _tell(self, message: MutableMapping[str, Any]) -> None:
        if not self._gone:
            with contextlib.suppress(OSError, RuntimeError):  # it left in between: the reader will hear of it
                await self._send(message)

    def asked(self, body: bytes, goes_on: str) -> Asked:
        """A frame as the request it would have been by HTTP."""
        head = self.head
        return Asked("POST", head.path, head.target, head.query, head.headers, head.named, body, goes_on)


class Lane:
    """Frames that are answered in the order they came."""

    def __init__(self, socket: Socket, name: str) -> None:
        self.socket, self.name = socket, name
        self.waiting: deque[tuple[Frame, int]] = deque()
        self._work: asyncio.Task[None] | None = None
        self._call: Call | None = None
        self._calls: set[asyncio.Task[None]] = set()  # the one at work, and those cancelled that are not over yet

    def add(self, frame: Frame, size: int) -> None:
        """Answer a frame when those before it are done."""
        self.waiting.append((frame, size))
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._run())

    def cancel(self) -> None:
        """The client wants no more of the reply under way."""
        if self._call is not None:
            self._call.cancel()

    def leave(self) -> None:
        """The client is gone."""
        self.waiting.clear()
        if self._call is not None:
            self._call.leave()

    def tasks(self) -> "list[asyncio.Task[None]]":
        """Everything under way."""
        return [*self._calls, *([self._work] if self._work is not None else [])]

    async def _run(self) -> None:
        while self.waiting:
            frame, _ = self.waiting.popleft()
            async with self.socket.room:
                self._call = call = Call(self.socket, self.name, frame)
                task = asyncio.get_running_loop().create_task(call.run())
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
                try:
                    await call.over.wait()
                except asyncio.CancelledError:
                    task.cancel()
                    raise
                finally:
                    self._call = None


class Call:
    """One frame on its way: an HTTP request to those behind, events to the client."""

    def __init__(self, socket: Socket, lane: str, frame: Frame) -> None:
        self.socket, self.lane, self.frame = socket, lane, frame
        self.over = asyncio.Event()  # the lane may go on
        self._left = asyncio.Event()
        self._cancelled = False

    def leave(self) -> None:
        """Nobody reads on."""
        self._left.set()
        self.over.set()

    def cancel(self) -> None:
        """Nobody reads on, by the client's own wish."""
        self._cancelled = True
        self._left.set()

    async def run(self) -> None:
        """Answer the frame."""
        try:
            await self._answer()
        except Unreadable as error:
            await self._refuse(400, "bad_frame", f"The frame is not understood: {error}")
        except Exception:  # a mistake of our own ends this frame, and says so, not the socket
            log.exception("A frame of a WebSocket could not be answered")
            await self._refuse(500, "internal_error", "The gateway failed; its log says where.")
        finally:
            self.over.set()

    async def _answer(self) -> None:
        socket = self.socket
        turn = socket.turns.turn(self.frame)
        if turn.is_for_later:
            for event in turn.prepared():
                await socket.say(event)
            return
        frames = Frames(self.lane, socket.by_code)

        async def send(message: MutableMapping[str, Any]) -> None:
            for event in frames.of(message):
                if not self._left.is_set():
                    await socket.say(event)
                    turn.heard(event)

        told = asyncio.create_task(self._tell_of_cancel(frames))
        try:
            await socket.answer(socket.asked(turn.body, turn.goes_on), socket.dialect, self._receive, send)
        finally:
            told.cancel()
        if not frames.complete and not self._left.is_set():
            why = "The upstream broke off in the middle of its reply. What came until then was charged. Ask again."
            await self._refuse(502, "upstream_error", why, retry=True)

    async def _receive(self) -> MutableMapping[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _tell_of_cancel(self, frames: Frames) -> None:
        await self._left.wait()
        if self._cancelled and not frames.complete:
            await self._refuse(499, "response_cancelled", "The response was cancelled by its client.")
            self.over.set()

    async def _refuse(self, status: int, code: str, message: str, retry: bool = False) -> None:
        await self.socket.refuse(self.lane, status, code, message, retry)


def _plain(head: Asked) -> Asked:
    """The head of the upgrade without what concerned the upgrade only."""
    kept = [
        (name, value)
        for name, value in head.headers
        if name not in OF_THE_UPGRADE and not name.startswith(b"sec-") and not value.startswith(BETA)
    ]
    kept.append((b"content-type", b"application/json"))
    return Asked("POST", head.path, head.target, head.query, kept, dict(kept))
