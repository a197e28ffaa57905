"""Odd replies of upstreams, legal and illegal: our own client and aiohttp must make the same of them."""

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from comptroller.core.errors import UpstreamError
from comptroller.core.settings import Gateway
from comptroller.gateway.wire.borrowed import Borrowed
from comptroller.gateway.wire.clients import Clients
from comptroller.gateway.wire.faults import ConnectError, ReadError, ReadTimeout
from comptroller.gateway.wire.line import AHEAD, Line
from comptroller.gateway.wire.pool import Pool, written
from comptroller.gateway.wire.port import Client, Letter, origin_of
from tests.gateway.certificates import authority
from tests.gateway.house import house

OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = ReadError
MOST = 1 << 20
Outcome = tuple[int, bytes] | type[Exception]

GOOD: dict[str, tuple[bytes, int, bytes]] = {
    "a length": (OK + b"content-length: 2\r\n\r\nhi", 200, b"hi"),
    "a length of nothing": (OK + b"content-length: 0\r\n\r\n", 200, b""),
    "no length, ended by closing": (OK + b"\r\nhi", 200, b"hi"),
    "chunks": (OK + b"transfer-encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", 200, b"hi"),
    "chunks with extensions": (OK + b"transfer-encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0;c\r\n\r\n", 200, b"hi"),
    "chunks with a trailer": (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n", 200, b"hi"),
    "sizes of chunks in capitals and with zeros": (
        OK + b"Transfer-Encoding: Chunked\r\n\r\n0A\r\n0123456789\r\n00\r\n\r\n", 200, b"0123456789",
    ),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhi", 200, b"hi"),
    "HTTP/1.0 with a length": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi"),
    "no reason": (b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nhi", 200, b"hi"),
    "a status nobody knows": (b"HTTP/1.1 529 Overloaded\r\ncontent-length: 2\r\n\r\nhi", 529, b"hi"),
    "a continue before it": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi", 200, b"hi"),
    "hints before it": (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi", 200, b"hi"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "not modified, with the length it would have": (b"HTTP/1.1 304 N\r\ncontent-length: 9\r\n\r\n", 304, b""),
    "capitals and odd blanks": (OK + b"CONTENT-LENGTH:\t 2 \r\nX-A:\r\n\r\nhi", 200, b"hi"),
    "the connection ends with it": (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi"),
    "packed although nobody asked": (
        OK + b"content-encoding: gzip\r\ncontent-length: 22\r\n\r\n" + gzip.compress(b"hi", mtime=0), 200, b"hi",
    ),
    "deflated": (OK + b"content-encoding: deflate\r\n\r\n" + zlib.compress(b"hi"), 200, b"hi"),
    "an upgrade is offered, not made": (
        OK + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi",
    ),
    "a large header": (OK + b"x-a: " + b"a" * 20_000 + b"\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi"),
}  # fmt: skip

BAD: dict[str, bytes] = {
    "nothing at all": b"",
    "half a head": OK + b"content-le",
    "less than the length": OK + b"content-length: 9\r\n\r\nhi",
    "chunks without an end": OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
    "half a chunk": OK + b"transfer-encoding: chunked\r\n\r\n9\r\nhi",
    "a length and chunks": OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "chunks and a length": OK + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
    "a length with a sign": OK + b"content-length: +2\r\n\r\nhi",
    "a negative length": OK + b"content-length: -2\r\n\r\nhi",
    "a list of lengths": OK + b"content-length: 2, 2\r\n\r\nhi",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a version of two": b"HTTP/2 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    "a status that is none": b"HTTP/1.1 abc OK\r\ncontent-length: 2\r\n\r\nhi",
    "too many fields": OK + b"x: y\r\n" * 400 + b"content-length: 2\r\n\r\nhi",
    "a field without end": OK + b"x: " + b"y" * 100_000,
    "packed otherwise than it says": OK + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nhi",
}

# aiohttp takes these as they come, guesses, or waits until it has been silent for too long; we do not: with such a
# reply nobody knows where the next one begins.
STRICTER: dict[str, bytes] = {
    "a size of a chunk that is none": OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
    "a chunk longer than its size": OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhiX\r\n0\r\n\r\n",
    "the same length twice": OK + b"content-length: 2\r\ncontent-length: 2\r\n\r\nhi",
    "an encoding nobody asked for": OK + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "a blank before the colon": OK + b"x : y\r\ncontent-length: 2\r\n\r\nhi",
    "a folded header": OK + b"x: y\r\n z\r\ncontent-length: 2\r\n\r\nhi",
    "lines that end in a feed alone": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi",
    "another protocol is switched to": b"HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "a thousand continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000 + OK + b"content-length: 2\r\n\r\nhi",
    "packed half": OK + b"content-encoding: gzip\r\ncontent-length: 15\r\n\r\n" + gzip.compress(b"hi", mtime=0)[:15],
}


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CLIENTS: dict[str, Callable[[Gateway], Client]] = {"own": Pool, "own on uvloop": Pool, "aiohttp": Borrowed}
T = TypeVar("T")


def on(kind: str, work: Coroutine[Any, Any, T]) -> T:
    """Run it in the kind of loop that is asked for; the gateway takes uvloop where it can be had."""
    if "uvloop" not in kind:
        return asyncio.run(work)
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@asynccontextmanager
async def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that does as told on each connection."""
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await behaviour(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def saying(reply: bytes, size: int = 0) -> Behaviour:
    """Hears one request, says these bytes in pieces of this size, and closes."""

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for at in range(0, len(reply), size or len(reply) or 1):
            writer.write(reply[at : at + size] if size else reply)
            await writer.drain()
            for _ in range(2):
                await asyncio.sleep(0)  # so that the other side reads what is there
        if writer.can_write_eof():
            writer.write_eof()
        await reader.read()

    return behaviour


def letter(port: int, method: str = "POST", **more: Any) -> Letter:
    body = b"" if method in ("GET", "HEAD") else b"hello"
    return Letter("up", origin_of("127.0.0.1", port, False), method, b"/v1/x", [(b"x-a", b"b")], body, **more)


async def outcome(client: Client, asked: Letter, piecewise: bool = False) -> Outcome:
    try:
        reply = await client.send(asked)
        try:
            if not piecewise:
                return reply.status, await reply.read(MOST) or b""
            pieces = []
            while piece := await reply.next():
                pieces.append(piece)
            return reply.status, b"".join(pieces)
        finally:
            reply.close()
    except UpstreamError as error:
        return next(kind for kind in (ConnectError, ReadTimeout, ReadError) if isinstance(error, kind))


async def made_of(kind: str, reply: bytes, size: int = 0, piecewise: bool = False) -> Outcome:
    async with asyncio.timeout(5), serving(saying(reply, size)) as port:
        client = CLIENTS[kind](Gateway())
        try:
            return await outcome(client, letter(port), piecewise)
        finally:
            await client.close()


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("size", [0, 1, 7])
def test_odd_but_legal_replies_are_understood(kind: str, size: int) -> None:
    async def work() -> dict[str, Outcome]:
        made = {}
        for name, (reply, _, _) in GOOD.items():
            made[name] = await made_of(kind, reply, max(size, len(reply) // 300) if size else 0, piecewise=size == 7)
        return made

    assert on(kind, work()) == {name: (status, body) for name, (_, status, body) in GOOD.items()}


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("size", [0, 1])
def test_illegal_replies_are_errors_after_sending(kind: str, size: int) -> None:
    async def work() -> dict[str, Outcome]:
        return {n: await made_of(kind, reply, max(size, len(reply) // 300) if size else 0) for n, reply in BAD.items()}

    assert on(kind, work()) == dict.fromkeys(BAD, BROKEN)


@pytest.mark.parametrize("name", STRICTER)
@pytest.mark.parametrize("pieces", [1, 300])
def test_replies_that_others_guess_at_are_errors_here(name: str, pieces: int) -> None:
    reply = STRICTER[name]
    assert asyncio.run(made_of("own", reply, -(-len(reply) // pieces))) is BROKEN


@dataclass
class Paper:
    """A transport that goes nowhere."""

    closed: bool = False
    paused: bool = False

    def write(self, data: bytes) -> None: ...
    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


@pytest.mark.parametrize("name", [name for name in GOOD if len(GOOD[name][0]) < 300])
def test_where_a_reply_is_split_makes_no_difference(name: str) -> None:
    data, status, body = GOOD[name]

    async def split(at: int) -> tuple[int, bytes | None]:
        line = Line(60, lambda line: None, lambda line: None)
        line.connection_made(Paper())  # type: ignore[arg-type]
        reply = line.ask(letter(1), b"")
        for piece in filter(None, (data[:at], data[at:])):
            line.data_received(piece)
        line.connection_lost(None)
        packed = reply.packed
        return reply.status, body if packed else await reply.read(MOST)

    async def work() -> set[tuple[int, bytes | None]]:
        return {await split(at) for at in range(len(data))}

    assert asyncio.run(work()) == {(status, body)}


def repeating(*replies: bytes) -> tuple[Behaviour, list[int]]:
    """Says one of these to each request, on the same connection where it can; counts requests by connection."""
    counts: list[int] = []
    left = list(replies)

    async def behaviour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(counts)
        counts.append(0)
        while left:
            await reader.readuntil(b"\r\n\r\n")
            counts[number] += 1
            reply = left.pop(0)
            if not reply:
                return
            writer.write(reply)
            await writer.drain()
        await reader.read()

    return behaviour, counts


HI = OK + b"content-length: 2\r\n\r\nhi"


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("first", "connections"),
    [
        (HI, 1),
        (OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi", 2),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", 2),
        (HI + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nsmell", 2),
        (HI + b"more than was asked for", 2),
    ],
)
def test_a_connection_is_used_again_where_it_is_clean_and_else_not(kind: str, first: bytes, connections: int) -> None:
    async def work() -> tuple[list[Outcome], list[int]]:
        behaviour, counts = repeating(first, HI)
        async with serving(behaviour) as port:
            client = CLIENTS[kind](Gateway())
            made = [await outcome(client, letter(port, "GET")) for _ in range(2)]
            await client.close()
        return made, counts

    made, counts = on(kind, work())
    assert made[1] == (200, b"hi")
    assert len(counts) == connections


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(("method", "then"), [("GET", (200, b"hi")), ("POST", ReadError)])
def test_a_connection_that_dies_when_used_again_is_replaced_only_for_what_costs_nothing(
    kind: str, method: str, then: Outcome
) -> None:
    async def work() -> Outcome:
        behaviour, _ = repeating(HI, b"", HI)
        async with serving(behaviour) as port:
            client = CLIENTS[kind](Gateway())
            await outcome(client, letter(port, method))
            made = await outcome(client, letter(port, method))
            await client.close()
        return made

    assert on(kind, work()) == then


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_head_of_a_reply_to_head_is_all_there_is(kind: str) -> None:
    async def work() -> Outcome:
        async with serving(saying(OK + b"content-length: 2000\r\n\r\n")) as port:
            client = CLIENTS[kind](Gateway())
            made = await outcome(client, letter(port, "HEAD"))
            await client.close()
        return made

    assert on(kind, work()) == (200, b"")


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize("said", [b"", OK + b"content-length: 9\r\n\r\nhi"])
def test_an_upstream_that_falls_silent_is_given_up(kind: str, said: bytes) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await reader.read()

    async def work() -> Outcome:
        async with serving(silent) as port:
            client = CLIENTS[kind](Gateway(read_s=1))
            made = await outcome(client, letter(port))
            await client.close()
        return made

    assert on(kind, work()) is ReadTimeout


@pytest.mark.parametrize("kind", CLIENTS)
def test_the_first_bytes_are_there_before_the_rest_is_said(kind: str) -> None:
    async def work() -> list[bytes | None]:
        go_on = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            await go_on.wait()
            writer.write(b"4\r\nlast\r\n0\r\n\r\n")
            await reader.read()

        async with serving(slow) as port:
            client = CLIENTS[kind](Gateway())
            reply = await client.send(letter(port))
            heard = [await reply.next()]
            go_on.set()
            heard += [await reply.next(), await reply.next()]
            reply.close()
            await client.close()
        return heard

    assert on(kind, work()) == [b"first", b"last", None]


def test_an_upstream_is_held_up_while_nobody_reads_and_goes_on_after() -> None:
    async def work() -> tuple[bool, bool, int]:
        line, paper = Line(60, lambda line: None, lambda line: None), Paper()
        line.connection_made(paper)  # type: ignore[arg-type]
        reply = line.ask(letter(1), b"")
        line.data_received(OK + b"\r\n" + b"x" * (AHEAD + 1))
        held = paper.paused
        data = await reply.next()
        line.drop()
        return held, paper.paused, len(data or b"")

    assert asyncio.run(work()) == (True, False, AHEAD + 1)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_reply_larger_than_the_limit_is_not_read_to_its_end(kind: str) -> None:
    async def work() -> bytes | None:
        async with serving(saying(OK + b"content-length: 9\r\n\r\n123456789")) as port:
            client = CLIENTS[kind](Gateway())
            reply = await client.send(letter(port))
            data = await reply.read(8)
            reply.close()
            await client.close()
        return data

    assert on(kind, work()) is None


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_packed_bomb_is_defused(kind: str) -> None:
    bomb = gzip.compress(b"\0" * (8 << 20))

    async def work() -> bytes | None:
        async with serving(saying(OK + b"content-encoding: gzip\r\n\r\n" + bomb)) as port:
            client = CLIENTS[kind](Gateway())
            reply = await client.send(letter(port))
            data = await reply.read(MOST)
            reply.close()
            await client.close()
        return data

    assert on(kind, work()) is None


@pytest.mark.parametrize("kind", CLIENTS)
def test_both_send_the_same(kind: str) -> None:
    async def work() -> bytes:
        heard = bytearray()

        async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.extend(await reader.readuntil(b"hello"))
            writer.write(HI)
            await reader.read()

        async with serving(listening) as port:
            client = CLIENTS[kind](Gateway())
            await outcome(client, letter(port))
            await client.close()
        return bytes(heard).replace(b":%d" % port, b"")

    head, _, body = on(kind, work()).partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    assert (first, body) == (b"POST /v1/x HTTP/1.1", b"hello")
    said = {name.lower(): value for name, _, value in (field.partition(b": ") for field in fields)}
    del said[b"host"]
    ours = {b"x-a": b"b", b"content-length": b"5"}
    extra = {} if kind != "aiohttp" else {b"accept-encoding": said.get(b"accept-encoding", b"")}
    assert said == {**ours, **extra}


@pytest.mark.parametrize("field", [(b"x", b"a\r\nb: c"), (b"x", b"a\nb: c"), (b"x\r\ny", b"a"), (b"x", b"a\0")])
def test_no_header_with_a_line_break_leaves(field: tuple[bytes, bytes]) -> None:
    asked = letter(1)
    asked.headers.append(field)
    with pytest.raises(ConnectError, match="nothing was sent"):
        written(asked)


def test_bytes_that_nobody_asked_for_end_an_idle_connection() -> None:
    async def work() -> bool:
        line, paper = Line(60, lambda line: None, lambda line: None), Paper()
        line.connection_made(paper)  # type: ignore[arg-type]
        line.data_received(HI)
        return paper.closed

    assert asyncio.run(work())


def test_an_upstream_that_hangs_up_on_whoever_comes_was_sent_nothing() -> None:
    async def work() -> Outcome:
        pool = Pool(Gateway())

        async def slammed(*_: Any, sock: Any, **__: Any) -> tuple[Paper, Line]:
            sock.close()
            line = Line(60, lambda line: None, lambda line: None)
            line.connection_made(Paper(closed=True))  # type: ignore[arg-type]
            return Paper(), line

        async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...

        async with serving(nobody) as port:
            asyncio.get_running_loop().create_connection = slammed  # type: ignore[method-assign, assignment]
            return await outcome(pool, letter(port))

    assert asyncio.run(work()) is ConnectError


def test_a_line_idle_for_long_is_not_kept() -> None:
    async def work() -> tuple[bool, int]:
        behaviour, _ = repeating(HI, HI)
        async with serving(behaviour) as port:
            pool = Pool(Gateway())
            await outcome(pool, letter(port))
            (line,) = pool._lines
            line.idle_since -= 60
            pool._sweep()
            gone = not line.open
            await asyncio.sleep(0)
            await pool.close()
            return gone, len(pool._idle)

    assert asyncio.run(work()) == (True, 0)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("host", "trusted", "made"),
    [("localhost", True, (200, b"hi")), ("127.0.0.1", True, ConnectError), ("localhost", False, ConnectError)],
)
def test_a_certificate_must_be_of_that_host_and_of_somebody_trusted(
    kind: str, host: str, trusted: bool, made: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, ca = authority(tmp_path, "localhost")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        if kind == "aiohttp":
            _trust(monkeypatch, ca)

    async def work() -> Outcome:
        async with serving(saying(HI), context) as port:
            client = CLIENTS[kind](Gateway())
            asked = letter(port)
            asked.origin = origin_of(host, port, True)
            result = await outcome(client, asked)
            await client.close()
        return result

    assert on(kind, work()) == made


def _trust(monkeypatch: pytest.MonkeyPatch, ca: Path) -> None:
    """aiohttp makes its context when it is imported, so the environment comes too late for it here."""
    from aiohttp import connector

    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=str(ca)))


def test_what_goes_through_a_proxy_or_is_set_so_goes_by_aiohttp() -> None:
    async def work() -> list[Outcome]:
        async with serving(saying(HI)) as port:
            made = []
            for settings, proxy in ((Gateway(client="aiohttp"), None), (Gateway(), f"http://127.0.0.1:{port}")):
                clients = Clients(settings)
                made.append(await outcome(clients, letter(port, proxy=proxy)))
                assert isinstance(clients._borrowed, Borrowed)
                await clients.close()
            return made

    assert asyncio.run(work()) == [(200, b"hi")] * 2


@pytest.mark.parametrize("client", ["own", "aiohttp"])
def test_a_gateway_answers_whole_and_streamed_with_either_client(client: str) -> None:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
    with house("Hello there.", gateway={"client": client}) as at:
        assert at.post(body=body).json()["choices"][0]["message"]["content"] == "Hello there."
        assert "data: [DONE]" in at.post(body={**body, "stream": True}).text
        assert [call["status"] for call in at.calls] == ["ok", "ok"]
        assert at.get("/v1/models").json()["data"]
