"""What the gateway needs of an HTTP client, whichever it is."""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

Headers = list[tuple[bytes, bytes]]
HEAD_BYTES = 64 << 10  # of a reply, its trailers and whatever else is not its body
HEAD_FIELDS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where an upstream listens. Connections are shared by all that is asked of one origin, and by nothing else."""

    host: str
    port: int
    tls: bool
    header: bytes  # the value of the `host` header


@cache
def origin_of(host: str, port: int, tls: bool) -> Origin:
    """The one origin there is of these."""
    name = f"[{host}]" if ":" in host else host
    usual = port == (443 if tls else 80)
    return Origin(host, port, tls, (name if usual else f"{name}:{port}").encode("ascii"))


@dataclass(slots=True)  # made for each request: frozen would cost four times as much
class Letter:
    """One request, ready to be sent."""

    name: str  # the upstream's, for whoever must be told that it failed
    origin: Origin
    method: str
    path: bytes  # with its query, escaped
    headers: Headers  # names in lower case; without host and length
    body: bytes = b""
    proxy: str | None = None


class Reply(Protocol):
    """A reply whose head has come. Failures are UpstreamErrors; a body comes unpacked."""

    status: int
    headers: Headers  # names in lower case

    async def next(self) -> bytes | None:
        """The next bytes of the body, as soon as there are any; None at its end."""
        ...

    async def read(self, limit: int) -> bytes | None:
        """The whole body; None when it is larger than `limit`."""
        ...

    def close(self) -> None:
        """Done with it; what was not read yet ends its connection."""
        ...


class Client(Protocol):
    """Sends letters."""

    async def send(self, letter: Letter) -> Reply: ...
    async def close(self) -> None: ...
