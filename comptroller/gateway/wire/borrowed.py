"""aiohttp behind the same port: for proxies, and for whoever would rather have a client that many others use, too."""

import asyncio

import aiohttp
from yarl import URL

from comptroller.core.settings import Gateway
from comptroller.gateway.wire.faults import ConnectTimeout, ReadError, ReadTimeout, unreachable
from comptroller.gateway.wire.pool import IDLE_S
from comptroller.gateway.wire.port import HEAD_BYTES, HEAD_FIELDS, Headers, Letter, Reply

BREAKS = (aiohttp.ClientError, TimeoutError, OSError)


class Borrowed:
    """An aiohttp session: no cookies, no redirects, no limit on how long a stream may last."""

    def __init__(self, settings: Gateway) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_s, sock_read=settings.read_s)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
        )

    async def send(self, letter: Letter) -> Reply:
        """Send a letter; returns once the head of the reply is here."""
        try:
            response = await self._session.request(
                letter.method,
                _url(letter),
                data=letter.body or None,
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in letter.headers],
                allow_redirects=False,
                proxy=letter.proxy,
            )
        except BREAKS as error:
            raise _fault(error, letter.name) from error
        if len(response.raw_headers) > HEAD_FIELDS:
            response.close()
            raise ReadError(f"Upstream {letter.name} sent more than {HEAD_FIELDS} header fields.")
        return BorrowedReply(response, letter.name)

    async def close(self) -> None:
        """Hang up everywhere."""
        await self._session.close()


class BorrowedReply:
    """A reply as aiohttp has it."""

    def __init__(self, response: aiohttp.ClientResponse, name: str) -> None:
        self.status = response.status
        self.headers: Headers = [(name.lower(), value) for name, value in response.raw_headers]
        self._response, self._name = response, name

    async def next(self) -> bytes | None:
        try:
            return await self._response.content.readany() or None
        except BREAKS as error:
            raise _fault(error, self._name) from error

    async def read(self, limit: int) -> bytes | None:
        parts, size = [], 0
        while data := await self.next():
            parts.append(data)
            size += len(data)
            if size > limit:
                return None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        self._response.close()  # gives the connection back where the reply was read to its end, else ends it


def _url(letter: Letter) -> URL:
    origin = letter.origin
    base = f"http{'s' if origin.tls else ''}://{origin.header.decode('ascii')}"
    return URL(base + letter.path.decode("ascii"), encoded=True)


def _fault(error: BaseException, name: str) -> Exception:
    """What went wrong, in words that name the upstream and hold nothing of the request."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectTimeout(f"Upstream {name} did not accept a connection in time.")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError):
        return unreachable(name, error)
    if isinstance(error, asyncio.TimeoutError):
        return ReadTimeout(f"Upstream {name} fell silent.")
    return ReadError(f"The connection to upstream {name} broke ({type(error).__name__}).")
