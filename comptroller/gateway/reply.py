"""What the client gets: whole replies, streams as they come, and others passed through."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from comptroller.core.errors import OverBudget, UpstreamError
from comptroller.gateway.asked import Send
from comptroller.gateway.hands import Hands, incoming
from comptroller.gateway.repeats import MOST_OF_ONE, Told
from comptroller.wrapper.drive import Awaiting
from comptroller.wrapper.effects import Answer

Headers = list[tuple[bytes, bytes]]
BROKEN_OFF = 502


async def tell(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole reply."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def tell_answer(send: Send, hands: Hands, answer: Answer, over_budget: int) -> int:
    """The flow's answer: the provider's head around a decided body, or a refusal."""
    if answer.passed:
        return await pass_on(send, hands)
    status = over_budget if isinstance(answer.refused, OverBudget) else answer.status
    headers = [] if answer.refused is not None or hands.response is None else incoming(hands.response)
    await tell(send, status, headers + as_bytes(answer.headers), answer.body)
    return status


async def tell_stream(send: Send, hands: Hands, drive: Awaiting) -> int:
    """A reply that streams. Where the upstream breaks off there is nothing better than to break off, too."""
    told = hands.response  # none where the reply comes out of the cache
    status = 200 if told is None else told.status
    headers = [*(() if told is None else incoming(told)), *as_bytes(drive.headers)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    try:
        async with aclosing(drive.stream()) as pieces:  # type: ignore[type-var]
            async for data in pieces:
                await send({"type": "http.response.body", "body": data, "more_body": True})
    except UpstreamError:
        return BROKEN_OFF
    await send({"type": "http.response.body", "body": b""})
    return status


async def pass_on(send: Send, hands: Hands) -> int:
    """The upstream's own reply, untouched."""
    assert hands.response is not None
    status = hands.response.status
    await send({"type": "http.response.start", "status": status, "headers": incoming(hands.response)})
    try:
        while (data := await hands.next()) is not None:
            await send({"type": "http.response.body", "body": data, "more_body": True})
    except UpstreamError:
        return BROKEN_OFF
    await send({"type": "http.response.body", "body": b""})
    return status


def as_bytes(headers: Mapping[str, str]) -> Headers:
    """Headers as ASGI wants them."""
    return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]


class Listening:
    """Hands a reply on and remembers it, as long as it is not too large to be worth it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status, self._headers = 0, Headers()
        self._pieces: list[bytes] = []
        self._size = 0
        self._complete = False

    async def send(self, message: Any) -> None:
        """What ASGI calls `send`."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], message["headers"]
        elif self._size <= MOST_OF_ONE:
            self._pieces.append(message["body"])
            self._size += len(message["body"])
            self._complete = not message.get("more_body", False)
        await self._send(message)

    def told(self) -> Told | None:
        """The reply, once complete; None for one that is not worth keeping or should be asked for again."""
        if not self._complete or self._size > MOST_OF_ONE or self._status >= 300:
            return None
        kept = [(name, value) for name, value in self._headers if name != b"content-length"]
        return Told(self._status, kept, b"".join(self._pieces))
