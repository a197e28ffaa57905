"""The gateway as a server: uvicorn around the application, its upkeep, and a stop that lets calls finish."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from comptroller.core.errors import ComptrollerError, SettingsError
from comptroller.gateway.app import App
from comptroller.gateway.gate import Gate
from comptroller.gateway.wire.door import KEEP_ALIVE_S, Door

log = logging.getLogger("comptroller.gateway")
UPKEEP_S = 1.0
LINGER_S = 0.5  # for a client to read why it was hung up on
QUIET = logging.getLogger("comptroller.gateway.line")
QUIET.setLevel(logging.WARNING)  # below that it tells addresses with their queries, and headers with their keys
BACKLOG = 2048


class Line(WebSocketsSansIOProtocol):
    """A WebSocket as uvicorn speaks it. When the gateway stops the application ends it: calls may be under way."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.logger = self.conn.logger = QUIET
        self._deaf = False

    def data_received(self, data: bytes) -> None:
        if not self._deaf:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Say why before hanging up: closing over what was not read would take the reason back."""
        said = self.conn.close_sent
        assert said is not None, "the library has decided on it"
        self.queue.put_nowait({"type": "websocket.disconnect", "code": said.code, "reason": said.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._deaf = True
        if self.read_paused:
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)

    def shutdown(self) -> None:
        self.stop_keepalive()


class Server(uvicorn.Server):
    """Uvicorn's server without its logs, and with an exit code of its own making."""

    def __init__(self, gate: Gate, listener: socket.socket, certfile: str = "", keyfile: str = "") -> None:
        protocol = type("Door", (Door,), {"limits": gate.desk.settings.gateway})
        config = uvicorn.Config(
            App(gate),
            http=protocol,
            ws=Line,
            ws_max_size=gate.desk.settings.limits.body_mb << 20,
            ws_per_message_deflate=False,  # events are small; packing each costs more than it saves
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=gate.desk.settings.gateway.stop_s,
            ssl_certfile=certfile or None,
            ssl_keyfile=keyfile or None,
        )
        super().__init__(config)
        self.gate, self.listener = gate, listener
        self.url = address_of(listener, bool(certfile))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but without raising the signal again: a stop that was asked for is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    async def shutdown(self, sockets: "list[socket.socket] | None" = None) -> None:
        """Take no more, let calls under way finish, then close the runs."""
        self.gate.stopping = True
        for line in list(self.gate.sockets):
            line.wind_down()
        await super().shutdown(sockets)

    async def keep_up(self) -> None:
        """Once a second: changed policies and keys, silent runs, clients that dawdle."""
        beat = 0
        await self.gate.look_back()
        while True:
            await asyncio.sleep(UPKEEP_S)
            beat += 1
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Door) and connection.dawdles(now):
                    connection.drop()
            try:
                self.gate.runs.sweep()
                if beat % 10 == 0:
                    self.gate.upstreams.reload()
                    self.gate.shelves.reload()
                await asyncio.to_thread(self.gate.desk.refresh)
            except (ComptrollerError, OSError) as error:
                log.error("Upkeep failed, and will be tried again: %s", error)


def bind(host: str, port: int) -> socket.socket:
    """The socket to listen on."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (socket.gaierror, UnicodeError) as error:
        why = getattr(error, "strerror", error)
        raise SettingsError(f"{host} is no address that is known here ({why}). Name another with --host.") from None
    except OSError as error:
        # What the library adds in brackets says the address once more.
        why = (error.strerror or str(error)).partition(" (while")[0]
        foreign = error.errno == errno.EADDRNOTAVAIL
        remedy = "one of this machine's with --host" if foreign else "another with --port, or 0 for any"
        raise SettingsError(f"{host}:{port} cannot be had: {why}. Name {remedy}.") from None


def address_of(listener: socket.socket, tls: bool) -> str:
    """Where a socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"


async def serve(server: Server, started: Callable[[], None] | None = None) -> None:
    """Serve until told to stop; runs are closed on the way out, the desk is not."""
    await server.gate.desk.ledger.attach()
    upkeep = asyncio.create_task(server.keep_up())
    announcing = asyncio.create_task(_announce(server, started)) if started else None
    try:
        await server.serve(sockets=[server.listener])
    finally:
        upkeep.cancel()
        if announcing is not None:
            announcing.cancel()
        await server.gate.close()
        await server.gate.desk.ledger.detach()


async def _announce(server: Server, started: Callable[[], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    started()


def run(server: Server, started: Callable[[], None] | None = None) -> None:
    """Serve in this thread until told to stop."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(server, started))


@contextlib.contextmanager
def background(gate: Gate, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """A gateway in a thread, for as long as the block lasts; yields its address."""
    server, ready = Server(gate, bind(host, port)), threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            run(server, ready.set)
        except BaseException as error:  # noqa: BLE001 - whoever opened the block must hear of it
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work, name="gateway", daemon=True)
    thread.start()
    ready.wait()
    if failed:
        raise failed[0]
    try:
        yield server.url
    finally:
        server.should_exit = True
        thread.join()


def loop_factory() -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """The fastest event loop there is here; None for Python's own."""
    if sys.platform == "win32":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
