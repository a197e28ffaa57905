"""The upstream side of a call: an aiohttp session does the HTTP, these hands bring what the flow asked for."""

import asyncio

import aiohttp

from comptroller.core.settings import Gateway
from comptroller.gateway.asked import Asked
from comptroller.gateway.caller import CREDENTIALS
from comptroller.gateway.upstream import ConnectError, ConnectTimeout, ReadError, ReadTimeout, Target, Upstreams
from comptroller.office.keys import PREFIX
from comptroller.wrapper.effects import Head, Send

# Of this connection only, or ours to say; cookies and addresses of clients are nobody's business upstream.
NOT_ON = frozenset(
    b"host content-length content-encoding accept-encoding connection keep-alive proxy-authenticate "
    b"proxy-authorization proxy-connection te trailer transfer-encoding upgrade expect cookie forwarded via "
    b"x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip baggage".split()
) | set(CREDENTIALS)
NOT_BACK = frozenset(
    b"content-length content-encoding connection keep-alive proxy-authenticate proxy-connection te trailer "
    b"transfer-encoding upgrade set-cookie server date alt-svc strict-transport-security location".split()
)
POOL_S = 15  # an idle connection is kept this long; most servers keep theirs longer


def session_for(gateway: Gateway) -> aiohttp.ClientSession:
    """The one session of a gateway: no cookies, no redirects, no limit on how long a stream may last."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=gateway.connect_s, sock_read=gateway.read_s)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_S)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), skip_auto_headers=("User-Agent",)
    )


class Hands:
    """One attempt at one upstream."""

    def __init__(
        self, session: aiohttp.ClientSession, upstreams: Upstreams, target: Target, asked: Asked, model: str
    ) -> None:
        self.session, self.upstreams, self.target, self.asked, self.model = session, upstreams, target, asked, model
        self.response: aiohttp.ClientResponse | None = None
        self.headers: dict[str, str] = {}

    async def send(self, effect: Send) -> Head:
        asked, target = self.asked, self.target
        if effect.model and effect.model != self.model:
            target = self.target = self.upstreams.line(target.format, effect.model)[0]  # a downgrade may move it
        body = asked.body if effect.body is None else effect.body
        try:
            self.response = response = await self.session.request(
                asked.method,
                target.url(effect.path or asked.target, asked.query),
                data=body or None,
                headers=outgoing(asked, target),
                allow_redirects=False,
                proxy=target.proxy,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _fault(error, target) from error
        if 300 <= response.status < 400:
            raise ConnectError(
                f"Upstream {target.name} redirects elsewhere ({response.status}), and no redirect is ever followed. "
                "Write the address it should be under `upstreams` in comptroller.yaml."
            )
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        return Head(response.status, self.headers)

    async def read(self, limit: int) -> bytes | None:
        assert self.response is not None
        content, parts, size = self.response.content, [], 0
        try:
            while chunk := await content.readany():
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    return None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _fault(error, self.target) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def next(self) -> bytes | None:
        assert self.response is not None
        try:
            return await self.response.content.readany() or None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _fault(error, self.target) from error

    async def close(self) -> None:
        if self.response is not None:
            self.response.close()  # gives the connection back where the reply was read to its end, else ends it


def outgoing(asked: Asked, target: Target) -> list[tuple[str, str]]:
    """The headers as they go upstream: the client's own, without what was meant for us, with the provider's key."""
    dropped = NOT_ON
    connection = asked.named.get(b"connection")
    if connection is not None and connection.lower() not in (b"keep-alive", b"close"):
        dropped = NOT_ON | {name.strip().lower() for name in connection.split(b",")}
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in asked.headers
        if name not in dropped and not name.startswith(b"comptroller-")
    ]
    headers.append(("accept-encoding", "identity"))  # what must be read here would only be packed to be unpacked
    if target.auth is not None:
        headers.append(target.auth)
    else:
        headers.extend(_passed_on(asked))
    return headers


def _passed_on(asked: Asked) -> list[tuple[str, str]]:
    """The client's own credentials, for an upstream that has no key here; never one of ours."""
    found = [(name.decode(), asked.header(name)) for name in CREDENTIALS if name in asked.named]
    return [(name, value) for name, value in found if PREFIX not in value]


def incoming(response: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
    """The headers of an upstream's reply that concern its client."""
    return [(low, value) for name, value in response.raw_headers if (low := name.lower()) not in NOT_BACK]


def _fault(error: BaseException, target: Target) -> Exception:
    """What went wrong, in words that name the upstream and hold nothing of the request."""
    name = target.name
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectTimeout(f"Upstream {name} did not accept a connection in time.")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError):
        return ConnectError(f"Upstream {name} cannot be reached.")
    if isinstance(error, asyncio.TimeoutError):
        return ReadTimeout(f"Upstream {name} fell silent.")
    return ReadError(f"The connection to upstream {name} broke ({type(error).__name__}).")
