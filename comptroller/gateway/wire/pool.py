"""Our own HTTP client: a pool of lines, and no more of HTTP than calls to model providers need.

A bare proxy takes 46 us of CPU for a request with this and the door, 130 with aiohttp and uvicorn (`python -m
benchmarks gateway`). Both clients behave alike for whoever sends, tests/gateway/test_wire.py holds them to it, and
aiohttp stays for what is not here: proxies.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohappyeyeballs import start_connection

from comptroller.core.settings import Gateway
from comptroller.gateway.wire.faults import ConnectError, ConnectTimeout, Unanswered, unreachable
from comptroller.gateway.wire.line import Incoming, Line
from comptroller.gateway.wire.packing import Unpacking
from comptroller.gateway.wire.port import Letter, Origin, Reply

IDLE_S = 15  # an idle connection is kept this long; most servers keep theirs longer
IDLE_MOST = 1_000  # of one origin
STAGGER_S = 0.25  # where a host has several addresses, the next is tried beside the one before it after this long
# A request is sent again on a fresh line when an idle one turns out to be closed; one that costs money never is.
HARMLESS = ("GET", "HEAD", "OPTIONS")
SIZED = ("POST", "PUT", "PATCH")  # they say how long their body is, also where there is none
NO_LENGTH = (b"", b"identity")


class Pool:
    """Lines to any number of origins, opened as needed and kept for a while."""

    def __init__(self, settings: Gateway) -> None:
        self._settings = settings
        self._idle: dict[Origin, list[Line]] = {}
        self._lines: set[Line] = set()
        self._tls: ssl.SSLContext | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def send(self, letter: Letter) -> Reply:
        """Send a letter; returns once the head of the reply is here."""
        head = written(letter)
        while True:
            line = self._take(letter.origin)
            reused = line is not None
            if line is None:
                line = await self._open(letter.origin, letter.name)
            reply = line.ask(letter, head)
            try:
                await reply.begun()
            except Unanswered:
                if reused and letter.method in HARMLESS:
                    continue
                raise
            except BaseException:
                reply.close()
                raise
            return self._unpacked(reply, letter)

    async def close(self) -> None:
        """Hang up everywhere."""
        if self._timer is not None:
            self._timer.cancel()
        for line in list(self._lines):
            line.drop()
        self._idle.clear()
        await asyncio.sleep(0)  # for the transports to notice

    def _unpacked(self, reply: Incoming, letter: Letter) -> Reply:
        return reply if reply.packed in NO_LENGTH else Unpacking(reply, letter.name)

    def _take(self, origin: Origin) -> Line | None:
        """The line that was used last; the others grow old and go."""
        idle = self._idle.get(origin)
        while idle:
            line = idle.pop()
            if line.open:
                return line
        return None

    async def _open(self, origin: Origin, name: str) -> Line:
        loop = asyncio.get_running_loop()

        def free(line: Line) -> None:
            self._keep(origin, line)

        tls = self._context() if origin.tls else None
        async with _connecting(name, self._settings.connect_s):
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
            connected = await start_connection(found, happy_eyeballs_delay=STAGGER_S)
            _, line = await loop.create_connection(
                lambda: Line(self._settings.read_s, free, self._lines.discard),
                sock=connected,
                ssl=tls,
                server_hostname=origin.host if tls else None,
            )
        if not line.open:
            raise ConnectError(f"Upstream {name} hung up as soon as it was reached.")
        self._lines.add(line)
        return line

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()  # checks certificate and host name
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    def _keep(self, origin: Origin, line: Line) -> None:
        idle = self._idle.setdefault(origin, [])
        if len(idle) >= IDLE_MOST:
            return line.drop()
        idle.append(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE_S / 3, self._sweep)

    def _sweep(self) -> None:
        """Hang up on lines nobody used for a while."""
        loop, self._timer = asyncio.get_running_loop(), None
        oldest = loop.time() - IDLE_S
        for origin, idle in list(self._idle.items()):
            for line in idle:
                if line.idle_since <= oldest:
                    line.drop()
            self._idle[origin] = [line for line in idle if line.idle_since > oldest and line.open]
            if not self._idle[origin]:
                del self._idle[origin]
        if self._idle:
            self._timer = loop.call_later(IDLE_S / 3, self._sweep)


@asynccontextmanager
async def _connecting(name: str, patience_s: float) -> AsyncIterator[None]:
    """What can go wrong before a connection stands; nothing was sent then."""
    try:
        async with asyncio.timeout(patience_s):
            yield
    except ssl.SSLCertVerificationError as error:
        raise ConnectError(f"Upstream {name} is not who it should be: {error.verify_message}") from error
    except TimeoutError as error:
        raise ConnectTimeout(f"Upstream {name} did not accept a connection in time.") from error
    except (OSError, RuntimeError, UnicodeError) as error:  # the loop's way of saying that it cannot, and odd names
        raise unreachable(name, error) from error


def written(letter: Letter) -> bytes:
    """The head of a request as it goes over the line."""
    parts = [b"%b %b HTTP/1.1" % (letter.method.encode(), letter.path), b"host: " + letter.origin.header]
    parts += [b"%b: %b" % field for field in letter.headers]
    if letter.body or letter.method in SIZED:
        parts.append(b"content-length: %d" % len(letter.body))
    head = b"\r\n".join(parts) + b"\r\n\r\n"
    # Nothing a client sends holds a line break by now; should it ever, no request leaves with a header it smuggled.
    breaks = len(parts) + 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise ConnectError(f"A header for upstream {letter.name} holds a line break, so nothing was sent.")
    return head
