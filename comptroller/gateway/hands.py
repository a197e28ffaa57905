"""The upstream side of a call: an HTTP client does the waiting, these hands bring what the flow asked for."""

import asyncio

from comptroller.gateway.asked import Asked
from comptroller.gateway.caller import CREDENTIALS
from comptroller.gateway.upstream import ConnectError, Target, Upstreams
from comptroller.gateway.wire.port import Client, Headers, Reply
from comptroller.office.keys import PREFIX
from comptroller.wrapper.effects import Head, Send

# Of this connection only, or ours to say; cookies and addresses of clients are nobody's business upstream. A field mask
# would keep a reply's usage from us.
NOT_ON = frozenset(
    b"host content-length content-encoding accept-encoding connection keep-alive proxy-authenticate "
    b"proxy-authorization proxy-connection te trailer transfer-encoding upgrade expect cookie forwarded via "
    b"x-forwarded-for x-forwarded-host x-forwarded-proto x-real-ip baggage x-goog-fieldmask".split()
) | set(CREDENTIALS)
NOT_BACK = frozenset(
    b"content-length content-encoding connection keep-alive proxy-authenticate proxy-connection te trailer "
    b"transfer-encoding upgrade set-cookie server date alt-svc strict-transport-security location".split()
)
PLAIN = (b"accept-encoding", b"identity")  # what must be read here would only be packed to be unpacked
USUAL = (b"keep-alive", b"Keep-Alive", b"close")  # values of `connection` that name no header


class Hands:
    """One attempt at one upstream."""

    def __init__(self, client: Client, upstreams: Upstreams, target: Target, asked: Asked, model: str) -> None:
        self.client, self.upstreams, self.target, self.asked, self.model = client, upstreams, target, asked, model
        self.home = target  # of the model asked for
        self.response: Reply | None = None
        self.headers: dict[str, str] = {}
        self.sent_s: float | None = None  # when, by the clock of the event loop

    async def send(self, effect: Send) -> Head:
        await self.close()  # of a try before this one
        asked, target = self.asked, self.home
        self.target = target
        self.sent_s = asyncio.get_running_loop().time()
        if effect.model and effect.model != self.model:
            target = self.target = self.upstreams.line(target.format, effect.model)[0]  # a downgrade may move it
        body = asked.body if effect.body is None else effect.body
        path = target.path(effect.path or asked.target, asked.query)
        self.response = reply = await self.client.send(target.letter(asked.method, path, outgoing(asked, target), body))
        if 300 <= reply.status < 400:
            raise ConnectError(
                f"Upstream {target.name} redirects elsewhere ({reply.status}), and no redirect is ever followed. "
                "Write the address it should be under `upstreams` in comptroller.yaml."
            )
        if reply.status >= 400 and target.auth is not None:
            reply.headers = [(name, value.replace(target.secret, HIDDEN)) for name, value in reply.headers]
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}
        return Head(reply.status, self.headers)

    async def read(self, limit: int) -> bytes | None:
        assert self.response is not None
        return self._without_key(await self.response.read(limit))

    async def next(self) -> bytes | None:
        assert self.response is not None
        return self._without_key(await self.response.next())

    def _without_key(self, data: bytes | None) -> bytes | None:
        """The reply without the key it was asked with: some servers quote a request they turn down."""
        assert self.response is not None
        if not data or self.response.status < 400 or self.target.auth is None:
            return data
        return data.replace(self.target.secret, HIDDEN)

    async def close(self) -> None:
        if self.response is not None:
            self.response.close()


def outgoing(asked: Asked, target: Target) -> Headers:
    """The headers as they go upstream: the client's own, without what was meant for us, with the provider's key."""
    dropped = NOT_ON
    connection = asked.named.get(b"connection")
    if connection is not None and connection not in USUAL:
        dropped = NOT_ON | {name.strip().lower() for name in connection.split(b",")}
    headers = [field for field in asked.headers if field[0] not in dropped and not field[0].startswith(b"comptroller-")]
    headers.append(PLAIN)
    if target.auth is not None:
        headers.append(target.auth)
    else:
        headers.extend(passed_on(asked))
    return headers


def passed_on(asked: Asked) -> Headers:
    """The client's own credentials, for an upstream that has no key here; none of whoever brings one of ours."""
    found = [(name, asked.named[name]) for name in CREDENTIALS if name in asked.named]
    return [] if any(OURS in value for _, value in found) else found


def incoming(reply: Reply) -> Headers:
    """The headers of an upstream's reply that concern its client."""
    return [field for field in reply.headers if field[0] not in NOT_BACK]


OURS = PREFIX.encode()
HIDDEN = b"[...]"
