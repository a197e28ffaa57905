"""Settings: `comptroller.yaml`, the environment and `config=`, in one checked frame."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self, get_args
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from comptroller.core.errors import SettingsError

Capture = Literal["full", "redacted", "digest", "none"]
Role = Literal["admin", "compliance", "finance", "engineer", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)


FILE = "comptroller.yaml"
_DEFAULT = "./.comptroller"


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Frame):
    """Sizes and times nobody should wait or pay beyond."""

    body_mb: int = Field(default=50, ge=1, le=1024)
    guard_ms: int = Field(default=250, ge=1)
    guard_mb: int = Field(default=512, ge=64)  # of memory for a process of a guard from another package
    lease_s: int = Field(default=3600, ge=1)
    segment_mb: int = Field(default=64, ge=1, le=1024)
    sync_ms: int = Field(default=10, ge=1, le=1000)
    cache_mb: int = Field(default=64, ge=0, le=65_536)  # of replies kept in memory, where a policy has them kept


class PriceOverride(_Frame):
    """A price of one's own, in money per million tokens, written as decimals in quotes or whole numbers."""

    model: str
    currency: str = "USD"
    input: str | int
    output: str | int
    cache_read: str | int | None = None
    cache_write_5m: str | int | None = None
    cache_write_1h: str | int | None = None


class Prices(_Frame):
    overrides: list[PriceOverride] = Field(default_factory=list)
    unpriced: Literal["deny", "allow"] | None = None  # a model without a price; None: deny where a hard cap applies


class Provider(_Frame):
    """A model provider the gateway may send calls to: in which format, where, with which key, for which models."""

    name: str = Field(min_length=1)
    format: Literal["openai", "anthropic", "gemini"]
    url: str
    key_env: str = ""
    key_file: str = ""
    models: list[str] = Field(default_factory=lambda: ["*"])
    provider: str = ""  # whose prices to look at first; else the format's own
    fallback: list[str] = Field(default_factory=list)  # names of others of the same format, tried in order

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        return _plain_address(url, "https://api.openai.com/v1")


def _plain_address(url: str, example: str) -> str:
    parts = urlsplit(url)
    odd = parts.username or parts.password or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or odd:
        raise ValueError(f"write it like {example}, without a key, a query or a user")
    return url.rstrip("/")


class MemoryStore(_Frame):
    """A vector store or agent memory: as policies call it, how it speaks, where it is, and the gateway's key for it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    format: Literal["pinecone", "weaviate", "qdrant", "chroma", "mem0"]
    url: str
    key_env: str = ""
    key_file: str = ""

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        return _plain_address(url, "https://notes.example.com")


class Gateway(_Frame):
    """How the gateway treats its clients and its upstreams."""

    header_kb: int = Field(default=64, ge=4, le=1024)
    header_s: int = Field(default=20, ge=1)  # to send a request's head, and between the pieces of its body
    connect_s: int = Field(default=10, ge=1)
    read_s: int = Field(default=600, ge=1)  # the longest silence of an upstream
    retries: int = Field(default=1, ge=0, le=3)
    retry_on: tuple[Literal["connect", "429", "5xx"], ...] = ("connect",)
    hedge_ms: int = Field(default=0, ge=0)  # of silence, then a second attempt runs beside the first; 0 is never
    over_budget_status: Literal[402, 429] = 402
    drain_s: int = Field(default=2, ge=0)  # how long a stream nobody reads any more may take to end
    stop_s: int = Field(default=30, ge=0)  # how long calls under way may take when the gateway stops
    run_idle_s: int = Field(default=900, ge=1)
    runs: int = Field(default=10_000, ge=1)  # open at once
    repeats: int = Field(default=1_000, ge=0)  # replies kept for clients that ask again with the same Idempotency-Key
    breaker_failures: int = Field(default=5, ge=1)
    breaker_s: int = Field(default=10, ge=1)
    access_log: bool = False  # one line of JSON on standard error for each request
    client: Literal["own", "aiohttp"] = "own"  # what speaks HTTP to upstreams


def _is_address(text: str) -> bool:
    name, _, host = text.rpartition("@")
    return bool(name and "." in host) and text.isprintable() and not set(text) & set(' <>,;:"()[]')


class Webhook(_Frame):
    """Who is told of transitions of outcomes, invoices and approvals."""

    name: str = Field(min_length=1)
    url: str
    secret_env: str = Field(min_length=1)  # the variable with the secret that each letter is signed with
    events: list[str] = Field(default_factory=lambda: ["*"])  # patterns such as `outcome.*`, `invoice.finalised`
    format: Literal["json", "slack", "email"] = "json"
    sender: str = ""  # of mails
    to: list[str] = Field(default_factory=list)

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        if not _safe(url):
            raise ValueError("write it like https://example.com/hook; http only to this machine")
        return url

    @model_validator(mode="after")
    def _can_be_mailed(self) -> "Webhook":
        addresses = [self.sender, *self.to]
        if self.format == "email" and not (self.to and all(_is_address(one) for one in addresses)):
            raise ValueError("`format: email` needs `sender` and `to`, written like desk@example.com")
        if self.format != "email" and any(addresses):
            raise ValueError("`sender` and `to` are of mails. Say `format: email`, or leave them out")
        return self


class RoleRule(_Frame):
    """Who of a provider of identities is what: by a group, a verified e-mail address or the subject itself."""

    role: Role
    group: str = ""
    email: str = ""
    subject: str = ""
    tenant: str = ""  # else the one of the settings
    customer: str = ""

    @model_validator(mode="after")
    def _says_whom(self) -> Self:
        if sum(map(bool, (self.group, self.email, self.subject))) != 1:
            raise ValueError("say whom it is about by one of group, email and subject")
        return self


class Oidc(_Frame):
    """A provider of identities (OpenID Connect) at which people sign in to the console."""

    issuer: str
    metadata_url: str = ""  # else the issuer's /.well-known/openid-configuration
    client_id: str = Field(min_length=1)
    client_secret_env: str = Field(min_length=1)  # the variable with the client's secret
    claim: str = "groups"  # which claim of the id token lists a person's groups
    roles: list[RoleRule] = Field(min_length=1)  # the first that fits counts; who fits none is not let in

    @field_validator("issuer", "metadata_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        if url and not _safe(url):
            raise ValueError("write it like https://login.example.com; http only to this machine")
        return url

    @property
    def metadata(self) -> str:
        """Where the provider describes itself."""
        return self.metadata_url or f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


class Console(_Frame):
    """Where the console listens, how browsers reach it, and how people sign in."""

    host: str = "127.0.0.1"
    port: int = Field(default=4142, ge=0, le=65_535)
    url: str = ""  # how browsers reach it, where that is not by its host and port
    session_hours: int = Field(default=12, ge=1, le=720)
    idle_minutes: int = Field(default=60, ge=1)
    oidc: Oidc | None = None

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        parts = urlsplit(url)
        odd = parts.username or parts.query or parts.fragment or parts.path.strip("/")
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or odd):
            raise ValueError("write it like https://console.example.com, without a path")
        return url.rstrip("/")


class Settings(_Frame):
    """All settings; unknown keys are errors."""

    ledger: str = _DEFAULT
    policies: list[str] = Field(default_factory=list)
    policy_keys: list[str] = Field(default_factory=list)  # public keys: with some, only what they signed is loaded
    outcomes: list[str] = Field(default_factory=list)  # files, folders or template:NAME
    contracts: list[str] = Field(default_factory=list)
    webhooks: list[Webhook] = Field(default_factory=list)
    prices: Prices = Prices()
    capture: Capture | dict[str, Capture] = "redacted"  # one for all, or by workflow with "*" for the rest
    on_store_failure: Literal["closed", "open"] | None = None  # None: closed where a hard cap applies, else open
    limits: Limits = Limits()
    fx: dict[str, str] = Field(default_factory=dict)  # "EUR/USD": "1.08"
    tenant: str = "default"
    upstreams: list[Provider] = Field(default_factory=list)
    memories: list[MemoryStore] = Field(default_factory=list)  # vector stores and agent memories
    gateway: Gateway = Gateway()
    console: Console = Console()

    def capture_for(self, workflow: str) -> Capture:
        """How much of a workflow's text is kept."""
        if isinstance(self.capture, str):
            return self.capture
        return self.capture.get(workflow) or self.capture.get("*") or "redacted"


def load_settings(
    config: str | Path | Mapping[str, object] | None = None, ledger: str | Path | None = None
) -> Settings:
    """Argument, then environment, then the file in the working directory, then the defaults."""
    path = _config_path(config)
    values: dict[str, object] = dict(config) if isinstance(config, Mapping) else _read(path) if path else {}
    base = path.parent if path else Path.cwd()
    if ledger or os.environ.get("COMPTROLLER_LEDGER"):
        values["ledger"] = str(ledger or os.environ["COMPTROLLER_LEDGER"])
    elif isinstance(values.get("ledger"), str):
        values["ledger"] = str(base / str(values["ledger"]))
    for name in ("policies", "policy_keys", "outcomes", "contracts"):
        if isinstance(values.get(name), list):
            values[name] = [str(base / str(item)) for item in values[name]]  # type: ignore[attr-defined]
    for name in ("upstreams", "memories"):
        if isinstance(values.get(name), list):
            values[name] = [_beside(base, item) for item in values[name]]  # type: ignore[attr-defined]
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        where = str(path or "config")
        raise SettingsError("\n".join(_mistake(where, item) for item in error.errors())) from None


def is_about(config: Path, ledger: str | Path, otherwise: bool = False) -> bool:
    """True where a settings file names this ledger; `otherwise` where it names none, or cannot be read."""
    try:
        said = _read(config).get("ledger")
    except SettingsError:
        return otherwise
    if said is None and otherwise:
        return True
    return (config.parent / str(said or _DEFAULT)).resolve() == Path(ledger).resolve()


def _safe(url: str) -> bool:
    """True for an address that nobody on the way can listen in on."""
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    plain = parts.scheme == "http" and local
    return not parts.username and bool(parts.hostname) and (parts.scheme == "https" or plain)


def _beside(base: Path, upstream: object) -> object:
    """An upstream whose key file is found from where the settings lie."""
    if isinstance(upstream, Mapping) and isinstance(upstream.get("key_file"), str) and upstream["key_file"]:
        return {**upstream, "key_file": str(base / upstream["key_file"])}
    return upstream


def _config_path(config: object) -> Path | None:
    if isinstance(config, Mapping):
        return None
    named = config or os.environ.get("COMPTROLLER_CONFIG")
    if named:
        path = Path(str(named))
        if not path.is_file():
            raise SettingsError(f"{path}: there is no such file. Run `comptroller init` to make one, or name another.")
        return path
    path = Path(FILE)
    return path if path.is_file() else None


def _read(path: Path) -> dict[str, object]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingsError(f"{path}{line}: this is no YAML: {error.problem}. Mend the file or name another.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}. Mend the file or name another.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: settings are keys and values, this is a {type(values).__name__}.")
    return values


def _mistake(where: str, item: Mapping[str, object]) -> str:
    place = ".".join(str(step) for step in item["loc"])  # type: ignore[attr-defined]
    if item["type"] == "extra_forbidden":
        return f"{where}: {place}: there is no such setting. Remove it or check its spelling."
    if item["type"] == "missing":
        return f"{where}: {place}: this is not said, and nothing can stand in for it. Add it."
    said = str(item["msg"]).removeprefix("Value error, ")
    return f"{where}: {place}: {said if said.endswith('.') else f'{said}.'}"
