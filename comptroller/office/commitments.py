"""Commitments to evidence: what a stranger can hold against a text it is shown later, and guess nothing from before.

The ledger's own digests need its key. A commitment is SHA-256 over a salt and the text; the salt follows from the
ledger's key and the digest, so nothing has to be kept, and it is given out only together with the text.
"""

import hashlib
from typing import Protocol


class Ledger(Protocol):
    """What a commitment needs of a ledger."""

    def digest(self, data: bytes) -> str: ...
    def fetch(self, digest: str) -> bytes | None: ...


def salt_of(ledger: Ledger, digest: str) -> str:
    """The salt of one piece of evidence, as hex."""
    return ledger.digest(f"evidence salt {digest}".encode())


def commit(salt: str, body: bytes) -> str:
    """What stands for a text until it is shown."""
    return hashlib.sha256(salt.encode() + b"\0" + body).hexdigest()


def described(ledger: Ledger, digest: str) -> dict[str, str]:
    """A piece of evidence as others are told of it; without `sha256` where its text was not kept, or was erased."""
    body = ledger.fetch(digest)
    return {"digest": digest} if body is None else {"digest": digest, "sha256": commit(salt_of(ledger, digest), body)}
