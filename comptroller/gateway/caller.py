"""Who asks: the identity a key fixes, and what headers may add to it but never change."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

from comptroller.core.call import Identity
from comptroller.core.errors import Denied
from comptroller.gateway.asked import Asked
from comptroller.gateway.keys import Ring
from comptroller.gateway.stop import Stop
from comptroller.office.keys import PREFIX, Key

FIELDS = ("customer", "user", "workflow", "agent")
CREDENTIALS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
HERE = ("127.0.0.1", "localhost", "::1", "host.docker.internal")
_SAID = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
_RUN = re.compile(r"[\w.:@/+=-]{1,128}", re.ASCII)
_WANTED = tuple((f"comptroller-{name}".encode(), name) for name in (*FIELDS, "run", "parent", "budget"))
_HEADERS = (*(header for header, _ in _WANTED), b"baggage")
_TENANT = re.compile(r"[\w.-]{1,64}", re.ASCII)
APART = "~"  # in no name that anybody gives a run
CALLERS = 10_000
LONGEST_KEPT = 2_048  # of a baggage header: others' members may fill a head, and 10,000 of those the memory
# Agents ask in the same way again and again: looked up, this costs a tenth of what working it out does. The key
# itself is found anew each time, so that one that was revoked is nobody at once.
_callers: "dict[tuple[object, ...], Caller]" = {}


class NoKeys:
    """No key was ever issued: whoever reaches this machine's own address is the tenant itself."""

    configured = False

    def find(self, secret: str) -> Key | None:
        """There is none."""
        return None

    def refresh(self) -> None:
        """Nothing changes here."""


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Who asks, as far as the request itself says. One that asks the same way again is the same object."""

    identity: Identity
    key: Key | None = None
    said: Mapping[str, str] = field(default_factory=dict)  # run, parent and budget, where given
    conflict: Denied | None = None


def caller_of(asked: Asked, keys: Ring, tenant: str) -> Caller:
    """The identity of the key, with what headers add; raises Stop for a key that is missing or unknown."""
    key = None
    if keys.configured:
        key = _key(asked, keys)
    else:
        _must_be_here(asked)
    named = asked.named
    mark = (key, tenant, *(named.get(header) for header in _HEADERS))
    caller = _callers.get(mark)
    if caller is None:
        caller = _caller(asked, key, tenant)
        if len(named.get(b"baggage", b"")) > LONGEST_KEPT:
            return caller
        if len(_callers) >= CALLERS:
            _callers.clear()
        _callers[mark] = caller
    return caller


def _caller(asked: Asked, key: Key | None, tenant: str) -> Caller:
    identity = Identity(tenant=tenant) if key is None else _fixed(key)
    said = _said(asked, mark_of(identity.tenant, tenant))
    if "run" in said and (key is None or not key.run):
        said["run"] = run_of(identity.tenant, tenant, said["run"])
    if key is not None and key.run and said.setdefault("run", key.run) != key.run:
        return Caller(identity, key, {"run": key.run}, _conflict("run", said["run"], key.run))
    if not said:
        return Caller(identity, key)
    return narrowed(identity, key, said)


def run_of(tenant: str, own: str, run: str) -> str:
    """A run's id in the ledger. Tenants other than the ledger's own have theirs apart: two may choose one name."""
    mark = mark_of(tenant, own)
    return run if run.startswith(mark) else mark + run


@lru_cache(maxsize=1024)
def mark_of(tenant: str, own: str) -> str:
    """What the ids of a tenant's runs begin with; nothing for the ledger's own tenant."""
    if tenant == own:
        return ""
    return (tenant if _TENANT.fullmatch(tenant) else sha256(tenant.encode()).hexdigest()[:16]) + APART


def narrowed(identity: Identity, key: Key | None, said: dict[str, str]) -> Caller:
    """Headers fill what the key leaves open; where they contradict it the call is refused, and that goes on record."""
    more: dict[str, Any] = {}
    for name in FIELDS:
        value = said.pop(name, "")
        fixed = getattr(identity, name)
        if value and fixed and value != fixed:
            return Caller(identity, key, said, _conflict(name, value, fixed))
        if value and not fixed:
            more[name] = value
    return Caller(replace(identity, **more) if more else identity, key, said)


def _conflict(name: str, value: str, fixed: str) -> Denied:
    message = f"The call says {name} {value!r}, its key says {fixed!r}. Leave it out, or use another key."
    return Denied(message, {"rule": "identity"})


def credential(asked: Asked) -> str:
    """The secret the client sent; one of ours where it sent several."""
    found = ""
    for name in CREDENTIALS:
        value = asked.named.get(name)
        if value is None:
            continue
        text = value.decode("latin-1").strip()
        secret = text.partition(" ")[2].strip() if name == b"authorization" else text
        if secret.startswith(PREFIX):
            return secret
        found = found or secret
    return found


def _key(asked: Asked, keys: Ring) -> Key:
    secret = credential(asked)
    key = keys.find(secret) if secret.startswith(PREFIX) else None
    if key is None:
        why = "is not known, was revoked or has run out" if secret.startswith(PREFIX) else "is needed here"
        raise Stop(
            401,
            "invalid_api_key",
            f"A Comptroller key (ck_...) {why}. `comptroller keys issue` makes one; "
            "send it where you would send the provider's.",
        )
    return key


def _must_be_here(asked: Asked) -> None:
    """Without keys only programs of this machine may pass: not a web page that somebody here has open."""
    for name in (b"host", b"origin"):
        value = asked.named.get(name)
        if value is not None and not _is_here(value):
            raise Stop(
                403,
                "not_local",
                f"Without a Comptroller key only this machine is served, and {name.decode()} names another. "
                "`comptroller keys issue` makes a key; call 127.0.0.1 otherwise.",
            )


@lru_cache(maxsize=256)
def _is_here(value: bytes) -> bool:
    try:
        name = urlsplit(f"//{value.decode('latin-1').rpartition('//')[2]}").hostname or ""
    except ValueError:
        return False
    return name in HERE or name.endswith(".localhost")


def _fixed(key: Key) -> Identity:
    return Identity(
        tenant=key.tenant,
        customer=key.customer,
        user=key.user,
        workflow=key.workflow,
        agent=key.agent,
        key=key.id,
        scopes=key.scopes,
        depth=1 if key.agent else 0,
    )


def _said(asked: Asked, mark: str) -> dict[str, str]:
    named = asked.named
    said = {}
    for header, name in _WANTED:
        if header in named:
            said[name] = asked.header(header)
    if b"baggage" in named:
        for name, value in _baggage(asked.header(b"baggage")):
            said.setdefault(name, value)
    for name, value in said.items():
        value = value.removeprefix(mark) if name == "run" else value  # told back as we had told it
        if value and not (_RUN if name in ("run", "parent") else _SAID).fullmatch(value):
            raise Stop(400, "bad_header", f"comptroller-{name} holds characters it cannot have, or too many of them.")
    return {name: value for name, value in said.items() if value}


def _baggage(text: str) -> Iterable[tuple[str, str]]:
    """Our fields in a W3C baggage header: `comptroller-run=...,comptroller.customer=...`."""
    for item in text.split(","):
        name, _, value = item.partition(";")[0].partition("=")
        name = name.strip().lower()
        if name.startswith(("comptroller-", "comptroller.")) and name[12:] in (*FIELDS, "run", "parent", "budget"):
            yield name[12:], unquote(value.strip())
