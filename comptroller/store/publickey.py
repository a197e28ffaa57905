"""Public keys (Ed25519) of ledgers and of others: who may check what was signed. Named by JWK thumbprint (RFC 7638)."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from comptroller.core.errors import SettingsError

LENGTH = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half that may be known to everybody."""

    raw: bytes

    @property
    def kid(self) -> str:
        """Its name and fingerprint: the JWK thumbprint, SHA-256, base64url."""
        said = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return _text(hashlib.sha256(said.encode()).digest())

    @property
    def jwk(self) -> dict[str, str]:
        return {"crv": "Ed25519", "kty": "OKP", "x": _text(self.raw)}

    @property
    def pem(self) -> str:
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)

    def check(self, signature: bytes, data: bytes) -> bool:
        """Whether this key signed these bytes."""
        try:
            self._key.verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


def read_public(path: Path) -> PublicKey:
    """A public key out of a PEM or JWK file."""
    try:
        return parse_public(path.read_text(encoding="ascii"))
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: {_NONE}") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. Name the public key's file.") from None
    except ValueError:
        raise SettingsError(f"{path}: {_NONE}") from None


_NONE = (
    "holds no Ed25519 public key. Give the PEM file that `comptroller receipts key` writes, or a JWK with "
    '"kty": "OKP", "crv": "Ed25519".'
)


def parse_public(text: str) -> PublicKey:
    """A public key written as PEM or as JWK; ValueError for anything else."""
    text = text.strip()
    if text.startswith("{"):
        return from_jwk(json.loads(text))
    key = load_pem_public_key(text.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not Ed25519")
    return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def from_jwk(jwk: object) -> PublicKey:
    """A public key from its JWK; ValueError for anything else."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise ValueError("not an Ed25519 JWK")
    text = str(jwk.get("x", ""))
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if len(raw) != LENGTH or _text(raw) != text:
        raise ValueError("not an Ed25519 JWK")
    return PublicKey(raw)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
