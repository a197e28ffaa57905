"""A bookmark in the journal: how far it was read for keys, or for people, and what was found until there.

Without it every start of a gateway would read through all that was ever written. It is a shortcut and no record: where
it is missing, damaged, or not made with this ledger's key, everything is read again.
"""

import contextlib
from collections.abc import Callable, Sequence
from hmac import compare_digest
from pathlib import Path

import msgspec

from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.office.follower import Place
from comptroller.store import folder

NAME = "keys.bookmark"
_FORMAT = b"comptroller bookmark 1\0"
Digest = Callable[[bytes], str]


class _Kept(msgspec.Struct, array_like=True):
    place: Place
    facts: list[Fact]


def load(ledger: Path, digest: Digest, name: str = NAME) -> tuple[Place, list[Fact]] | None:
    """Where to go on, and the facts before it; None where there is no bookmark to trust."""
    try:
        mac, _, body = (ledger / name).read_bytes().partition(b"\n")
        if not compare_digest(mac, _mac(digest, name, body).encode()):
            return None
        kept = msgspec.json.decode(body, type=_Kept)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return kept.place, kept.facts


def save(ledger: Path, digest: Digest, place: Place, facts: Sequence[Fact], name: str = NAME) -> None:
    """Leave a bookmark; where that cannot be done the next start only takes longer."""
    body = msgspec.json.encode(_Kept(place, list(facts)))
    with contextlib.suppress(StoreError):
        folder.replace(ledger / name, _mac(digest, name, body).encode() + b"\n" + body)


def _mac(digest: Digest, name: str, body: bytes) -> str:
    """Of one bookmark, so that none is taken for another."""
    return digest(_FORMAT + (b"" if name == NAME else name.encode() + b"\0") + body)
