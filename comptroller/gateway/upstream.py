"""Where calls go: the configured providers, chosen by format and model, each with its key and its breaker."""

import logging
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from comptroller.core.clock import Clock
from comptroller.core.errors import SettingsError
from comptroller.core.providers import USUAL, secret_of
from comptroller.core.settings import Gateway, Provider
from comptroller.gateway.breaker import Breaker
from comptroller.gateway.stop import Stop
from comptroller.gateway.wire.faults import ConnectError, ConnectTimeout, ReadError, ReadTimeout
from comptroller.gateway.wire.port import Headers, Letter, Origin, origin_of
from comptroller.policies.globs import any_of

__all__ = ["ConnectError", "ConnectTimeout", "ReadError", "ReadTimeout", "Target", "Upstreams"]

log = logging.getLogger("comptroller")
BEARER = "ANTHROPIC_AUTH_TOKEN"  # what Anthropic's clients find there they send as a bearer token, not as a key
VERSIONS = ("v1", "v1beta")
LONGEST_NAME = 256  # of a model: what clients make up is remembered here, in prices, counters and the record
KEYLESS = (401, 403)  # what a provider answers to a key that it does not take
SAY_EVERY_NS = 60_000_000_000
CHOICES = 10_000  # answers to "where does this model go" that are remembered


class Target:
    """One provider, ready to be called."""

    def __init__(self, provider: Provider, gateway: Gateway, clock: Clock) -> None:
        self.provider, self.name, self.format = provider, provider.name, provider.format
        self.breaker = Breaker(clock, gateway.breaker_failures, gateway.breaker_s)
        self.proxy = _proxy_for(provider.url)
        self.origin = _origin(provider.url)
        self._base = quote(urlsplit(provider.url).path, safe="/%:@!$&'()*+,;=~")
        self._strips = _strips(provider)
        self._paths: dict[str, bytes] = {}
        self.auth: tuple[bytes, bytes] | None = None
        self.secret = b""
        self._clock, self._quiet_until_ns = clock, 0
        self.reload()

    def reload(self) -> None:
        """Read the key again: it may have been rotated."""
        secret = secret_of(self.provider)
        self.auth = _auth(self.format, secret, self.provider.key_env) if secret else None
        self.secret = secret.encode()

    def refused(self, status: int) -> None:
        """It answered with an error. That our key is turned down is said, at most once a minute; a client's is not."""
        if status not in KEYLESS or self.auth is None:
            return
        now = self._clock.monotonic_ns()
        if now >= self._quiet_until_ns:
            self._quiet_until_ns = now + SAY_EVERY_NS
            where = self.provider.key_file or self.provider.key_env
            log.error("Upstream %s turned its key down (%d). Look at the key in %s.", self.name, status, where)

    def path(self, target: str, query: str) -> bytes:
        """What is asked for at this provider. The host is the configured one whatever is said here."""
        found = self._paths.get(target)
        if found is None:
            found = (self._base + self._local(target)).encode("ascii")
            if len(self._paths) < CHOICES:
                self._paths[target] = found
        return b"%b?%b" % (found, query.encode("ascii")) if query else found

    def letter(self, method: str, path: bytes, headers: Headers, body: bytes = b"") -> Letter:
        """A request to this provider."""
        return Letter(self.name, self.origin, method, path, headers, body, self.proxy)

    def _local(self, target: str) -> str:
        """The path below the base: both often name the API's version, and one of the two is enough."""
        first, _, rest = target.lstrip("/").partition("/")
        return f"/{rest}" if self._strips and first in VERSIONS else "/" + target.lstrip("/")


class Upstreams:
    """All providers, in the order of the settings."""

    def __init__(self, providers: Sequence[Provider], gateway: Gateway, clock: Clock) -> None:
        self.targets = [Target(provider, gateway, clock) for provider in providers or USUAL]
        self._by_name = {target.name: target for target in self.targets}
        self._lines: dict[tuple[str, str], list[Target]] = {}
        _check(self.targets, self._by_name)

    def line(self, format: str, model: str) -> list[Target]:
        """The first provider that takes this model, and those that stand in for it, in order."""
        found = self._lines.get((format, model))
        if found is None:
            found = self._find(format, model)
            if len(self._lines) < CHOICES:
                self._lines[(format, model)] = found
        return found

    def reload(self) -> None:
        """Take over rotated keys."""
        for target in self.targets:
            target.reload()

    def _find(self, format: str, model: str) -> list[Target]:
        for target in self.targets if len(model) <= LONGEST_NAME else ():
            if target.format == format and any_of(target.provider.models)(model):
                return [target, *(self._by_name[name] for name in target.provider.fallback)]
        known = ", ".join(target.name for target in self.targets if target.format == format)
        if known and not model:
            raise Stop(
                400,
                "invalid_request",
                f"No model can be read from this request, and every upstream of the format {format} ({known}) takes "
                "only some. Send JSON that says its `model`.",
                {"param": "model"},
            )
        raise Stop(
            404,
            "model_not_found",
            f"No upstream of the format {format} takes the model {model[:100]!r}"
            f"{f' (there are {known})' if known else ''}. Add it to `models` of one under `upstreams` in "
            "comptroller.yaml, or ask for another model.",
            {"param": "model"},
        )


def _check(targets: Sequence[Target], by_name: Mapping[str, Target]) -> None:
    if len(by_name) < len(targets):
        raise SettingsError("upstreams: two have the same name. Give each its own.")
    for target in targets:
        for name in target.provider.fallback:
            other = by_name.get(name)
            if other is None or other.format != target.format:
                what = "is not the name of an upstream" if other is None else f"does not speak {target.format}"
                raise SettingsError(f"upstreams: {target.name}: fallback: {name} {what}. Name one that can stand in.")


_KEYS_IN = {
    "gemini": b"x-goog-api-key",
    "pinecone": b"api-key",
    "qdrant": b"api-key",
    "chroma": b"x-chroma-token",
}


def _auth(format: str, secret: str, key_env: str) -> tuple[bytes, bytes]:
    if not secret.isprintable() or not secret.isascii():
        raise SettingsError("upstreams: a key holds characters that no header may have. Check its file or variable.")
    if format == "anthropic" and key_env != BEARER:
        return b"x-api-key", secret.encode()
    if format in _KEYS_IN:
        return _KEYS_IN[format], secret.encode()
    if format == "mem0":
        return b"authorization", b"Token " + secret.encode()
    return b"authorization", b"Bearer " + secret.encode()


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    try:
        host = (parts.hostname or "").encode("idna").decode("ascii")
        return origin_of(host, parts.port or (443 if tls else 80), tls)
    except ValueError:
        raise SettingsError(f"upstreams: {url} names no host or port that can be. Correct it.") from None


def _strips(provider: Provider) -> bool:
    """OpenAI's clients write the version into the base address, the others' into the path."""
    path = urlsplit(provider.url).path
    return bool(path) if provider.format == "openai" else path.rpartition("/")[2] in VERSIONS


def _proxy_for(url: str) -> str | None:
    """The proxy the environment wants for this host; asked once, for asking costs more than a call."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("127.0.0.1", "localhost", "::1") or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)
