"""Which names the console goes by: a request for another, or a page from elsewhere, gets nothing."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_PLAIN = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names, each with its port, and the origins of pages that are ours."""

    names: frozenset[str]
    origins: frozenset[str]
    by_https: frozenset[str]

    def knows(self, host: str) -> bool:
        """True for a Host header that means us."""
        return host.lower() in self.names

    def safe(self, host: str) -> bool:
        """True where browsers come to that name by https, so that a cookie need not travel otherwise."""
        return host.lower() in self.by_https

    def ours(self, origin: str) -> bool:
        """True for a page of ours."""
        return origin.lower() in self.origins


def hosts_of(host: str, port: int, url: str, tls: bool) -> Hosts:
    """The names for what is bound there and reached at `url`."""
    scheme = "https" if tls else "http"
    bound = f"[{host}]" if ":" in host else host.lower()
    own = _named((*LOOPBACK, *(() if bound in ("0.0.0.0", "[::]") else (bound,))), port, scheme)
    origins = {f"{scheme}://{name}" for name in own}
    safe = set(own) if tls else set()
    if url:
        parts = urlsplit(url)
        theirs = _named((_bracketed(parts.hostname or ""),), parts.port or _PLAIN[parts.scheme], parts.scheme)
        own |= theirs
        origins |= {f"{parts.scheme}://{name}" for name in theirs}
        safe |= theirs if parts.scheme == "https" else set()
    return Hosts(frozenset(own), frozenset(origins), frozenset(safe))


def is_loopback(host: str) -> bool:
    """True where only this machine can reach it."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _named(names: Iterable[str], port: int, scheme: str) -> set[str]:
    found = {f"{name}:{port}" for name in names}
    return found | set(names) if port == _PLAIN[scheme] else found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()
