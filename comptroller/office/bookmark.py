"""A bookmark in the journal: how far it was read for keys, and what was found until there.

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


def load(ledger: Path, digest: Digest) -> tuple[Place, list[Fact]] | None:
    """Where to go on, and the facts before it; None where there is no bookmark to trust."""
    try:
        mac, _, body = (ledger / NAME).read_bytes().partition(b"\n")
        if not compare_digest(mac, digest(_FORMAT + body).encode()):
            return None
        kept = msgspec.json.decode(body, type=_Kept)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return kept.place, kept.facts


def save(ledger: Path, digest: Digest, place: Place, facts: Sequence[Fact]) -> None:
    """Leave a bookmark; where that cannot be done the next start only takes longer."""
    body = msgspec.json.encode(_Kept(place, list(facts)))
    with contextlib.suppress(StoreError):
        folder.replace(ledger / NAME, digest(_FORMAT + body).encode() + b"\n" + body)
