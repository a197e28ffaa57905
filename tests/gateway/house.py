"""A gateway in a thread, in front of the scripted upstream, on a desk that can be asked what is on record."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.facts import CALL_CLOSED
from comptroller.gateway.gate import Gate
from comptroller.gateway.server import background
from comptroller.office.keys import Key
from comptroller.testing import TestDesk, Upstream, desk
from comptroller.testing.script import Script

HI: list[Any] = [{"role": "user", "content": "Hi"}]


class FewKeys:
    """A ring with these secrets on it."""

    configured = True

    def __init__(self, **keys: Key) -> None:
        self._keys = {f"ck_{name}": key for name, key in keys.items()}

    def find(self, secret: str) -> Key | None:
        return self._keys.get(secret)

    def refresh(self) -> None:
        return None


@dataclass
class House:
    desk: TestDesk
    gate: Gate
    url: str
    up: Upstream

    @property
    def calls(self) -> list[Mapping[str, Any]]:
        """The closed calls, in order."""
        return self.desk.facts(CALL_CLOSED)

    @property
    def last(self) -> Mapping[str, Any]:
        return self.calls[-1]

    @property
    def live_holds(self) -> int:
        return len(self.desk.ledger.purse._live)

    def post(self, path: str = "/v1/chat/completions", body: Any = None, **more: Any) -> httpx.Response:
        if body is None:
            body = {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}
        if isinstance(body, bytes):
            return httpx.post(self.url + path, content=body, trust_env=False, **{"timeout": 60, **more})
        return httpx.post(self.url + path, json=body, trust_env=False, **{"timeout": 60, **more})

    @contextmanager
    def caller(self, path: str = "/v1/chat/completions", body: Any = None) -> Iterator[None]:
        """A client that has asked and leaves at the end of the block, whatever has come until then."""
        data = json.dumps(body or {"model": "gpt-4o-mini", "messages": HI, "max_tokens": 50}).encode()
        there = urlsplit(self.url)
        head = f"POST {path} HTTP/1.1\r\nhost: {there.netloc}\r\ncontent-type: application/json\r\n"
        with socket.create_connection((str(there.hostname), int(there.port or 80)), 30) as line:
            line.sendall(f"{head}content-length: {len(data)}\r\n\r\n".encode() + data)
            yield

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, **{"timeout": 60, **more})


@contextmanager
def house(
    script: Script = "Hello.",
    policy: str = "",
    keys: Any = None,
    clock: Clock = SYSTEM,
    upstreams: list[dict[str, Any]] | None = None,
    gateway: dict[str, Any] | None = None,
    **settings: Any,
) -> Iterator[House]:
    """The whole of it. `{up}` in an upstream's url is where the scripted one listens."""
    with ExitStack() as stack:
        up = stack.enter_context(Upstream(script))
        chosen = upstreams or [
            {"name": "openai", "format": "openai", "url": "{up}/v1"},
            {"name": "anthropic", "format": "anthropic", "url": "{up}"},
        ]
        chosen = [{**one, "url": one["url"].format(up=up.url)} for one in chosen]
        made = stack.enter_context(
            desk(policy, clock=clock, upstreams=chosen, gateway={"drain_s": 0, **(gateway or {})}, **settings)
        )
        gate = Gate.of(made, keys)
        yield House(made, gate, stack.enter_context(background(gate)), up)
