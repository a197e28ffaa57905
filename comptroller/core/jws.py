"""Compact JWS (RFC 7515) with Ed25519 (RFC 8037): a text that carries what was signed, by which key, and the signature.

Read strictly: one algorithm, no extension, one spelling of every byte. A text that differs in a single character from
what was signed is therefore refused, also where a lax reader of base64 would see the same bytes.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Protocol

from comptroller.core.errors import ComptrollerError

ALGORITHM = "EdDSA"


class Forged(ComptrollerError):
    """Something signed is not what was signed, or not by whom it should be."""


class Signs(Protocol):
    """Whoever can sign: what it signs with is known by `kid`."""

    @property
    def kid(self) -> str: ...
    def sign(self, data: bytes) -> bytes: ...


class Checks(Protocol):
    """The public half."""

    @property
    def kid(self) -> str: ...
    def check(self, signature: bytes, data: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class Signed:
    """A JWS taken apart; nothing of it is proven before `prove`."""

    header: dict[str, Any]
    payload: bytes
    signature: bytes
    said: bytes  # the bytes that were signed

    @property
    def kid(self) -> str:
        """The key it names; who names it is not yet shown."""
        return str(self.header.get("kid", ""))

    def prove(self, key: Checks) -> bytes:
        """The payload, once the signature is shown to be this key's."""
        if self.kid != key.kid:
            raise Forged(f"It was signed with the key {self.kid}, not with {key.kid}. Ask whose key that is.")
        if not key.check(self.signature, self.said):
            raise Forged(f"The signature is not that of the key {key.kid}: it was changed after it was signed.")
        return self.payload


def sign(payload: bytes, key: Signs, kind: str) -> str:
    """Sign these bytes; `kind` (the header's `typ`) keeps one sort of document from passing for another."""
    head = f"{_encode(_header(key.kid, kind))}.{_encode(payload)}"
    return f"{head}.{_encode(key.sign(head.encode()))}"


def detached(payload: bytes, key: Signs, kind: str) -> str:
    """A JWS whose payload lies elsewhere (RFC 7515, appendix F)."""
    head, _, signature = sign(payload, key, kind).split(".")
    return f"{head}..{signature}"


def attach(text: str, payload: bytes) -> str:
    """Put the payload back into a detached JWS."""
    parts = text.split(".")
    if len(parts) != 3 or parts[1]:
        raise Forged("This is no detached JWS.")
    return f"{parts[0]}.{_encode(payload)}.{parts[2]}"


def read(text: str, kind: str) -> Signed:
    """Take a JWS of one kind apart; raises Forged where it is none."""
    parts = text.split(".")
    if len(parts) != 3:
        raise Forged(f"This is no compact JWS: it has {len(parts)} parts, not 3.")
    header = _object(_decode(parts[0]))
    if header.get("alg") != ALGORITHM or "crit" in header:
        raise Forged(f"It is signed by another way ({header.get('alg')!r}) than {ALGORITHM}.")
    if header.get("typ") != kind:
        raise Forged(f"It is a {header.get('typ')!r}, not a {kind!r}.")
    return Signed(header, _decode(parts[1]), _decode(parts[2]), f"{parts[0]}.{parts[1]}".encode())


def canonical(value: object) -> bytes:
    """JSON with one spelling: sorted keys, no spaces, so that the same thing always has the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _header(kid: str, kind: str) -> bytes:
    return canonical({"alg": ALGORITHM, "kid": kid, "typ": kind})


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Forged("Its header is no JSON object.")
    return found


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if _encode(data) != text:  # also bits that a lax reader drops
        raise Forged("A part of it is not base64url as a JWS has it.")
    return data
