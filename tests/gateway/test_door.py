"""The door: what clients send, odd and illegal, and what they get; with an application that repeats what it heard."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from comptroller.core.settings import Gateway
from comptroller.gateway.wire.door import KEEP_ALIVE_S, LINGER_S, STALL_S, Door
from tests.gateway.certificates import authority

Application = Callable[[Any, Any, Any], Awaitable[None]]
POST = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Says which method, path and body it heard."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        body += message["body"]
        more = message["more_body"]
    said = b"%b %b %b" % (scope["method"].encode(), scope["raw_path"], body)
    length = (b"content-length", str(len(said)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": said})


class House:
    """Doors under a loop's own server, without uvicorn's."""

    def __init__(self, app: Application, limits: Gateway) -> None:
        self.state = SimpleNamespace(connections=set(), tasks=set(), default_headers=[(b"date", b"now")])
        self.state.total_requests = 0
        self.config = SimpleNamespace(loaded_app=app, ws_protocol_class=None)
        self.kind = type("Bounded", (Door,), {"limits": limits})
        self.port = 0

    def door(self) -> Door:
        made: Door = self.kind(self.config, self.state, {})
        return made

    async def ask(self, *pieces: bytes) -> bytes:
        """All that comes back for these pieces, each sent by itself, until the connection is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                for _ in range(3):
                    await asyncio.sleep(0)
        heard = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5):
                heard = await reader.read()
        writer.close()
        return heard


@asynccontextmanager
async def house(app: Application = echo, limits: Gateway | None = None) -> AsyncIterator[House]:
    made = House(app, limits or Gateway())
    server = await asyncio.get_running_loop().create_server(made.door, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for door in list(made.state.connections):
            door.drop()
        await asyncio.sleep(0)
        assert not made.state.tasks


def asking(*pieces: bytes, app: Application = echo, limits: Gateway | None = None) -> bytes:
    async def work() -> bytes:
        async with house(app, limits) as at:
            return await at.ask(*pieces)

    return asyncio.run(work())


def last(request: bytes) -> bytes:
    """The same, and nothing after it."""
    return request.replace(b"host: a", b"host: a\r\nconnection: close", 1)


def test_a_reply_has_the_standing_headers_and_its_length() -> None:
    assert asking(last(POST)) == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 10\r\nconnection: close\r\n\r\nPOST /x hi"
    )


@pytest.mark.parametrize(
    ("request_", "heard"),
    [
        (b"GET /a%20b?c=d HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /a%20b "),
        (b"GET http://evil.example/p HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /p "),
        (
            b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;e=f\r\nh\r\n1\r\ni\r\n0\r\nt: u\r\n\r\n",
            b"POST /x hi",
        ),
        (b"\r\n\r\n" + POST, b"POST /x hi"),
        (POST.replace(b"host: a", b"upgrade: h2c\r\nhttp2-settings: x\r\nconnection: Upgrade"), b"POST /x hi"),
    ],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_odd_requests_are_understood_however_they_are_split(request_: bytes, heard: bytes, size: int) -> None:
    whole = request_ + last(POST)
    said = asking(*(whole[at : at + size] for at in range(0, len(whole), size)))
    assert heard in said
    assert said.endswith(b"POST /x hi")
    assert said.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
        b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\nhi",
        b"GET /x HTTP/1.1\r\nhost : a\r\n\r\n",
        b"GET /x HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
        b"GET /x HTTP/1.1\nhost: a\n\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"CONNECT evil.example:80 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_no_request_is_400_and_ends_the_connection(request_: bytes) -> None:
    said = asking(request_ + POST)
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert said.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET /x HTTP/1.1\r\nx: " + b"y" * 5_000,
        b"GET /x HTTP/1.1\r\n" + b"a: b\r\n" * 300 + b"\r\n",
        b"GET /" + b"x" * 5_000,
        b"\r\n" * 3_000,
        b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"e" * 50_000,
    ],
)
@pytest.mark.parametrize("size", [500, 10_000])
def test_a_head_that_is_too_large_is_431(head: bytes, size: int) -> None:
    said = asking(*(head[at : at + size] for at in range(0, len(head), size)), limits=Gateway(header_kb=4))
    assert said.startswith(b"HTTP/1.1 431 ")


def test_requests_one_after_the_other_without_waiting_are_answered_in_order() -> None:
    said = asking(POST.replace(b"/x", b"/1") + POST.replace(b"/x", b"/2") + last(POST.replace(b"/x", b"/3")))
    assert [part[:2] for part in said.split(b"POST ")[1:]] == [b"/1", b"/2", b"/3"]


def test_nonsense_behind_a_request_does_not_spoil_its_reply() -> None:
    said = asking(POST + b"nonsense")
    assert said.endswith(b"POST /x hi")
    assert said.count(b"HTTP/1.1") == 1


def test_http_1_0_gets_no_chunks_and_is_hung_up_on() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    assert asking(b"GET / HTTP/1.0\r\n\r\n", app=app).endswith(b"connection: close\r\n\r\nab")
    chunks = asking(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n", app=app)
    assert chunks.endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


@pytest.mark.parametrize("status", [200, 204])
def test_head_and_no_content_have_no_body(status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"2")] if status == 200 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"hi" if status == 200 else b""})

    said = asking(b"HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n", app=app)
    assert said.endswith(b"\r\n\r\n")
    assert (b"content-length: 2" in said) == (status == 200)


def test_a_body_is_asked_for_only_when_somebody_wants_it() -> None:
    expecting = b"POST /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    assert asking(expecting, b"hi").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")

    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    assert asking(expecting, app=refusing).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_is_refused_while_it_still_sends_can_read_why() -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"3")]})
        await send({"type": "http.response.body", "body": b"no."})

    head = b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n"
    said = asking(head, *[b"x" * 100_000] * 20, app=refusing)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert said.endswith(b"connection: close\r\n\r\nno.")


def test_a_body_arrives_in_pieces_when_it_is_large_and_waits_for_its_reader() -> None:
    seen: list[int] = []

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            seen.append(len(message["body"]))
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    size = 5_000_000
    head = b"POST /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size
    assert asking(head, b"x" * size, app=counting).startswith(b"HTTP/1.1 200 ")
    assert sum(seen) == size
    assert max(seen) < 1_000_000


def test_an_application_that_fails_is_500_and_its_connection_ends() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("secret")

    said = asking(POST, app=failing)
    assert said.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in said


def test_a_reply_that_breaks_off_does_not_look_whole() -> None:
    async def breaking(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    said = asking(POST, app=breaking)
    assert said.endswith(b"4\r\nhalf\r\n")


def test_no_header_with_a_line_break_reaches_a_client() -> None:
    async def splitting(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: b")]})

    said = asking(POST, app=splitting)
    assert said.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in said


def test_an_application_hears_that_its_client_left() -> None:
    async def work() -> dict[str, Any]:
        heard: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        async def waiting(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            heard.set_result(await receive())

        async with house(waiting) as at:
            _, writer = await asyncio.open_connection("127.0.0.1", at.port)
            writer.write(POST)
            await writer.drain()
            writer.transport.abort()
            return await asyncio.wait_for(heard, 5)

    assert asyncio.run(work()) == {"type": "http.disconnect"}


def test_an_application_waits_for_a_client_that_reads_slowly() -> None:
    async def work() -> tuple[bool, int]:
        told = 0

        async def talking(scope: Any, receive: Any, send: Any) -> None:
            nonlocal told
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(400):
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": number < 399})
                told += 1

        async with house(talking) as at:
            reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
            writer.write(last(POST))
            (door,) = await _until(lambda: at.state.connections)
            await _until(lambda: door.chatty)
            held = told < 400
            size = len(await reader.read())
            writer.close()
            return held, size

    held, size = asyncio.run(work())
    assert held
    assert size > 40_000_000


async def _until(found: Callable[[], Any]) -> Any:
    async with asyncio.timeout(5):
        while not found():
            await asyncio.sleep(0)
        return found()


def test_shutting_down_ends_idle_connections_at_once_and_others_after_their_reply() -> None:
    async def work() -> tuple[bytes, bytes]:
        go_on = asyncio.Event()

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            await go_on.wait()
            await echo(scope, receive, send)

        async with house(slow) as at:
            idle, busy = [await asyncio.open_connection("127.0.0.1", at.port) for _ in range(2)]
            busy[1].write(POST)
            await _until(lambda: at.state.tasks and len(at.state.connections) == 2)
            for door in list(at.state.connections):
                door.shutdown()
            at_once = await idle[0].read()
            go_on.set()
            after = await busy[0].read()
            for _, writer in (idle, busy):
                writer.close()
            return at_once, after

    at_once, after = asyncio.run(work())
    assert at_once == b""
    assert after.endswith(b"connection: close\r\n\r\nPOST /x hi")


def test_a_door_with_a_certificate_speaks_tls_and_says_so(tmp_path: Path) -> None:
    context, ca = authority(tmp_path, "localhost")
    schemes = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        schemes.append(scope["scheme"])
        await echo(scope, receive, send)

    async def work() -> bytes:
        at = House(noting, Gateway())
        server = await asyncio.get_running_loop().create_server(at.door, "127.0.0.1", 0, ssl=context)
        port, trusting = server.sockets[0].getsockname()[1], ssl.create_default_context(cafile=str(ca))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="localhost")
        writer.write(POST + last(POST))
        said = await reader.read()
        writer.close()
        server.close()
        return said

    assert asyncio.run(work()).count(b"POST /x hi") == 2
    assert schemes == ["https", "https"]


class Clock:
    """A loop's time that a test moves, and tasks that nobody runs."""

    now = 100.0

    def time(self) -> float:
        return self.now

    def create_task(self, work: Any) -> Any:
        work.close()
        return object()


class Paper:
    """A transport that goes nowhere."""

    written = b""

    def get_extra_info(self, name: str) -> None: ...
    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return lambda: None


def waiting_after(*pieces: bytes) -> tuple[Door, float]:
    """A door that heard these, and how long it now waits for its client."""
    at, clock = House(echo, Gateway(header_s=20)), Clock()
    door: Door = at.kind(at.config, at.state, {}, clock)
    door.connection_made(Paper())  # type: ignore[arg-type]
    for piece in pieces:
        door.data_received(piece)
    return door, door.patience - clock.now


@pytest.mark.parametrize("said", [(), (b"PO",), (b"POST / HTTP/1.1\r\nx: y\r\n",), (POST[:-1],)])
def test_a_client_has_so_long_for_a_head_and_for_each_piece_of_a_body(said: tuple[bytes, ...]) -> None:
    door, patience = waiting_after(*said)
    assert patience == 20
    assert [door.dawdles(120), door.dawdles(120.1)] == [False, True]


def test_nobody_hurries_a_client_that_waits_for_us() -> None:
    door, _ = waiting_after(POST, b"GET / HT")
    assert not door.dawdles(1e9)


def test_after_a_reply_a_connection_may_be_silent_for_a_while() -> None:
    door, _ = waiting_after(POST)
    assert door.exchange is not None
    door.answered(door.exchange)
    assert door.patience - 100 == KEEP_ALIVE_S
    door.data_received(b"GET / HT")
    assert door.patience - 100 == 20


def test_a_client_that_reads_nothing_is_given_up_after_a_while() -> None:
    door, _ = waiting_after(POST)
    door.pause_writing()
    assert door.patience - 100 == STALL_S
    door.resume_writing()
    assert not door.dawdles(1e9)


def test_a_client_that_goes_on_sending_after_its_refusal_is_given_up_soon() -> None:
    door, _ = waiting_after(POST[:-1])
    assert door.exchange is not None
    door.exchange.keeps = False
    door.answered(door.exchange)
    assert door.patience - 100 == LINGER_S
