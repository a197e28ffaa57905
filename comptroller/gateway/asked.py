"""A request as it came in at the door: its head, and its body once it was read within bounds."""

import re
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import zstandard

from comptroller.gateway.stop import Stop

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# A key in an address ends up in every log on the way.
_KEY_IN_QUERY = re.compile(
    rb"(?:^|[&;])(?:[\w-]*key|access_token|token|auth\w*|password|secret)=|(?:ck_|sk-|AIza)", re.IGNORECASE
)
_KEY_IN_PATH = re.compile(r"/(?:ck_|sk-|AIza)[\w-]{16}", re.ASCII)

ZSTD_SLICE = 256  # bytes: it cannot be told to stop, and no more than 8 MB can come out of so few


class Gone(Exception):
    """The client left before its request was complete."""


@dataclass(slots=True, eq=False)
class Asked:
    """One HTTP request."""

    method: str
    path: str
    target: str  # the path as it was sent, escapes and all
    query: str
    headers: list[tuple[bytes, bytes]]  # names in lower case
    named: dict[bytes, bytes]  # the same by name; of several the last
    body: bytes = b""
    goes_on: str = ""  # the reply this goes on with, where the body no longer says so

    def header(self, name: bytes) -> str:
        """A header's value; empty where it was not sent."""
        value = self.named.get(name)
        return value.decode("latin-1").strip() if value else ""


def asked_of(scope: MutableMapping[str, Any]) -> Asked:
    """The head of a request; refuses one that shows a key in its address."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    query: bytes = scope["query_string"]
    path = scope["path"]
    if (query and _KEY_IN_QUERY.search(query)) or _KEY_IN_PATH.search(path):
        raise Stop(
            400,
            "key_in_query",
            "A key in the address is written into logs on its way, so this request is refused. "
            "Send it in a header: authorization, x-api-key or x-goog-api-key; and replace that key.",
        )
    if not query.isascii():
        raise Stop(400, "bad_address", "The address holds bytes that must be percent-encoded. Encode them.")
    target = scope["raw_path"].decode("ascii")
    return Asked(scope["method"], path, target, query.decode("ascii"), headers, dict(headers))


async def read_body(asked: Asked, receive: Receive, most: int, allowed: Callable[[Asked], int]) -> bytes:
    """The whole body, decompressed where need be, never more than `most` bytes of it.

    One that comes in pieces, or packed, is kept only for who is `allowed` that: it raises for strangers.
    """
    length = asked.named.get(b"content-length", b"")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    message = await receive()
    if message["type"] != "http.request":
        raise Gone
    body: bytes = message["body"]
    if message.get("more_body"):
        most = allowed(asked)
        body = await _rest(body, receive, most)
    if len(body) > most:
        raise _too_large(most)
    coding = asked.named.get(b"content-encoding")
    if coding is None or coding == b"identity":
        return body
    return _decompressed(body, coding.decode("latin-1").strip().lower(), min(most, allowed(asked)))


async def _rest(first: bytes, receive: Receive, most: int) -> bytes:
    parts, size, more = [first], len(first), True
    while more:
        if size > most:
            raise _too_large(most)
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message["body"])
        size += len(message["body"])
        more = message.get("more_body", False)
    return b"".join(parts)


def _decompressed(body: bytes, coding: str, most: int) -> bytes:
    """All members of a packed body; never holds much more than `most` bytes, however much they promise to become."""
    if coding not in _MEMBERS:
        raise Stop(
            415,
            "unsupported_encoding",
            f"A request body in {coding[:40]!r} cannot be read. Send it plain, or as gzip, deflate or zstd.",
            headers=((b"accept-encoding", b"gzip, deflate, zstd"), (b"x-should-retry", b"false")),
        )
    parts, left, rest = list[bytes](), most, body
    try:
        while rest or not parts:
            data, rest, complete = _MEMBERS[coding](rest, left)
            parts.append(data)
            left -= len(data)
            if left < 0:
                raise _too_large(most)
            if not complete:
                raise Stop(
                    400, "bad_encoding", f"The body's {coding} breaks off before its end. Send it whole, or plain."
                )
    except (zlib.error, zstandard.ZstdError):
        raise Stop(400, "bad_encoding", f"The body is not the {coding} it says it is. Send it plain.") from None
    return b"".join(parts)


Member = tuple[bytes, bytes, bool]  # what it holds, what comes after it, whether it had an end


def _gzip(data: bytes, most: int) -> Member:
    reader = zlib.decompressobj(31)
    return reader.decompress(data, most + 1), reader.unused_data, reader.eof


def _deflate(data: bytes, most: int) -> Member:
    reader = zlib.decompressobj(15)
    return reader.decompress(data, most + 1), reader.unused_data, reader.eof


def _zstd(data: bytes, most: int) -> Member:
    reader, parts, size = zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj(), list[bytes](), 0
    for at in range(0, len(data), ZSTD_SLICE):
        parts.append(reader.decompress(data[at : at + ZSTD_SLICE]))
        size += len(parts[-1])
        if size > most or reader.eof:
            return b"".join(parts), reader.unused_data + data[at + ZSTD_SLICE :], reader.eof
    return b"".join(parts), b"", False


_MEMBERS = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate, "zstd": _zstd}


def _too_large(most: int) -> Stop:
    return Stop(
        413,
        "too_large",
        f"The request is larger than limits.body_mb ({most >> 20}) allows. Send less, or raise it in comptroller.yaml.",
        headers=((b"x-should-retry", b"false"), (b"connection", b"close")),
    )
