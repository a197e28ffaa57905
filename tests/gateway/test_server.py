"""The server around the application: bounds on clients, and a stop that lets calls finish."""

import asyncio
import contextlib
import socket
import threading

import httpx
import pytest

from comptroller.core.errors import SettingsError
from comptroller.core.facts import RUN_CLOSED
from comptroller.gateway.gate import Gate
from comptroller.gateway.server import bind
from comptroller.testing.script import Say
from tests.gateway.house import HI, house


@pytest.mark.parametrize("said", [b"", b"POST /v1/chat/completions HTTP/1.1\r\nx-slow: "])
def test_a_client_that_dawdles_over_its_head_is_dropped(said: bytes) -> None:
    with house(gateway={"header_s": 1}) as at, socket.create_connection(_address(at.url), timeout=10) as line:
        line.sendall(said)
        assert line.recv(100) == b""
        assert at.get("/healthz").is_success


def test_idle_connections_by_the_thousand_hold_nobody_up() -> None:
    with house() as at:

        async def work() -> int:
            host, port = _address(at.url)
            lines = await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(400)))
            async with httpx.AsyncClient(trust_env=False) as client:
                body = {"model": "gpt-4o-mini", "messages": HI}
                reply = await client.post(f"{at.url}/v1/chat/completions", json=body)
            for _, writer in lines:
                writer.close()
            return reply.status_code

        assert asyncio.run(work()) == 200


def test_stopping_lets_a_stream_finish_and_closes_its_run() -> None:
    with house(Say("word " * 20, pause_s=0.02)) as at:
        listener = Listener(at.url)
    listener.join(10)
    assert "data: [DONE]" in listener.got
    assert at.last["status"] == "ok"
    assert len(at.desk.facts(RUN_CLOSED)) == 1


def test_stopping_cancels_what_takes_too_long_and_settles_it() -> None:
    with house(Say("word " * 5_000, pause_s=0.02), gateway={"stop_s": 0}) as at:
        listener = Listener(at.url)
    listener.join(10)
    assert "data: [DONE]" not in listener.got
    assert (at.last["status"], at.last["estimated"]) == ("cancelled", True)
    assert at.live_holds == 0


class Listener(threading.Thread):
    """Reads a stream for as long as it goes on; made, it has read the first line."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self.got, self._begun = url, list[str](), threading.Event()
        self.start()
        assert self._begun.wait(10)

    def run(self) -> None:
        body = {"model": "gpt-4o-mini", "messages": HI, "stream": True}
        address = f"{self.url}/v1/chat/completions"
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.stream("POST", address, json=body, trust_env=False, timeout=60) as reply,
        ):
            for line in reply.iter_lines():
                self.got.append(line)
                self._begun.set()


def test_a_port_that_is_taken_says_what_to_do() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(SettingsError, match="--port") as refused:
        bind("127.0.0.1", taken.getsockname()[1])
    assert "while attempting" not in str(refused.value)


@pytest.mark.parametrize("host", ["no..host", "192.0.2.1"])  # the second is nobody's, by RFC 5737
def test_an_address_that_is_not_this_machines_says_which_option_to_change(host: str) -> None:
    with pytest.raises(SettingsError, match="--host"):
        bind(host, 0)


def test_a_gate_that_stops_is_not_ready() -> None:
    with house() as at:
        gate: Gate = at.gate
        gate.stopping = True
        reply = at.get("/readyz")
        assert (reply.status_code, reply.json()["ready"]) == (503, False)


def _address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)
