"""Signed calls to systems of others, as Standard Webhooks has them: an id, a time, and an HMAC over both and the body.

The id stays the same however often a call is tried, so that whoever gets it twice can tell.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import aiohttp

MOST = 65_536  # bytes of an answer that are read
TOLERANCE_S = 300  # how far a signed time may lie from ours
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent where; `id` is the same each time it is tried."""

    id: str
    url: str
    body: bytes
    secret: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 where nothing did, and why."""

    status: int
    body: bytes = b""
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def secret_of(text: str) -> bytes:
    """A shared secret as people write it: `whsec_` and base64, else the text itself."""
    if text.startswith(_PREFIX):
        try:
            return base64.b64decode(text[len(_PREFIX) :], validate=True)
        except binascii.Error:
            raise ValueError(f"what follows {_PREFIX} is not base64") from None
    return text.encode()


def signed(letter: Letter, now_ns: int) -> dict[str, str]:
    """The headers that vouch for a letter."""
    at = str(now_ns // 1_000_000_000)
    told = {"webhook-id": letter.id, "webhook-timestamp": at}
    if letter.secret:
        told["webhook-signature"] = signature(letter.secret, letter.id, at, letter.body)
    return told


def signature(secret: bytes, id: str, at: str, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 over id, time and body."""
    mac = hmac.new(secret, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}"


def fault(secret: bytes, headers: Mapping[str, str], body: bytes, now_ns: int) -> str:
    """Why what came in is not to be trusted; empty where it is signed with the secret, and now."""
    known = {name.lower(): value for name, value in headers.items()}
    id, at = known.get("webhook-id", ""), known.get("webhook-timestamp", "")
    if not id or not at.isascii() or not at.isdecimal() or len(at) > 12:
        return "it carries no webhook-id or webhook-timestamp"
    wanted = signature(secret, id, at, body)
    given = known.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(one.encode(), wanted.encode()) for one in given):
        return "its signature was not made with the shared secret"
    if abs(int(at) - now_ns // 1_000_000_000) > TOLERANCE_S:
        return "it was signed at another time: it is old, or one of the clocks is wrong"
    return ""


def safe_url(url: str) -> bool:
    """True for https, and for http that does not leave this machine."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _local(parts.hostname))


def post(letter: Letter, now_ns: int, timeout_s: float = 10.0) -> Answer:
    """Send one letter; never raises for what the world does."""
    return post_all([letter], now_ns, timeout_s)[0]


def post_all(letters: Sequence[Letter], now_ns: int, timeout_s: float = 10.0) -> list[Answer]:
    """Send letters at the same time, none of them for longer than `timeout_s` in all."""
    return asyncio.run(_post_all(letters, now_ns, timeout_s))


async def _post_all(letters: Sequence[Letter], now_ns: int, timeout_s: float) -> list[Answer]:
    import aiohttp

    limit = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(timeout=limit, trust_env=True, auto_decompress=False) as session:
        return await asyncio.gather(*(_post(session, letter, now_ns) for letter in letters))


async def _post(session: "aiohttp.ClientSession", letter: Letter, now_ns: int) -> Answer:
    import aiohttp

    headers = {"content-type": "application/json", "user-agent": "comptroller", **letter.headers}
    headers |= signed(letter, now_ns)
    try:
        # A redirect would carry what is signed for one address to another.
        async with session.post(letter.url, data=letter.body, headers=headers, allow_redirects=False) as reply:
            return Answer(reply.status, await reply.content.read(MOST), headers=dict(reply.headers))
    except TimeoutError:
        return Answer(0, error="no answer in time")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(0, error=type(error).__name__)  # its text may quote the address, and that a secret


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
