"""Stamps of memory entries: who wrote them and on whose word, signed, and bound to just this content.

A stamp lies in the entry itself, so that there is no register to lose and every process that has the ledger's key can
read it. Each field of the content has a digest of its own, for stores give back as many fields as they are asked for.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import fields
from hmac import compare_digest
from typing import Any, Literal

import msgspec

from comptroller.core.memory import Written

Vouch = Callable[[bytes], str]
VERSION = "1"
LONGEST = 16_384  # characters of a stamp that are read
MOST_FIELDS = 200  # of one entry; one with more is stamped for none of them, and so vouched for by nobody
_DIGEST = 16  # bytes
_NAMES = tuple(field.name for field in fields(Written))
State = Literal["genuine", "missing", "broken"]


def stamp(written: Written, vouch: Vouch) -> str:
    """The text that goes into an entry."""
    said = msgspec.json.encode({name: _plain(getattr(written, name)) for name in _NAMES}, order="sorted")
    return f"{VERSION}.{base64.urlsafe_b64encode(said).decode()}.{vouch(said)}"


def read_stamp(
    text: object, id: str, content: Iterable[tuple[str, object]], vouch: Vouch
) -> tuple[State, Written | None]:
    """What a stamp says, where it was made here and for this content; never raises for what a store may hold."""
    if text is None:
        return "missing", None
    said = _said(text, vouch)
    if said is None:
        return "broken", None
    if said.loose:
        return "genuine", said
    pieces = list(content)
    if len(pieces) > MOST_FIELDS:
        return "broken", None
    bound = digests_of(id, pieces) <= said.fields or (bool(id) and digests_of("", pieces) <= said.fields)
    return ("genuine", said) if bound else ("broken", None)


def digests_of(id: str, content: Iterable[tuple[str, object]]) -> frozenset[str]:
    """A digest of each field of an entry, of its name and its id where that is known."""
    pieces = [(name, value) for name, value in content if value is not None]
    return frozenset(_digest(id, name, value) for name, value in pieces[:MOST_FIELDS])


def _digest(id: str, name: str, value: object) -> str:
    made = hashlib.blake2b(digest_size=_DIGEST)
    for text in (id.encode("utf-8", "surrogatepass"), name.encode("utf-8", "surrogatepass")):
        made.update(len(text).to_bytes(8, "big") + text)
    made.update(_spelt(value))
    return base64.urlsafe_b64encode(made.digest()).decode().rstrip("=")


def _spelt(value: object) -> bytes:
    """A value in one spelling: stores write whole numbers as fractions."""
    try:
        return msgspec.json.encode(_evened(value), order="sorted")
    except (UnicodeEncodeError, TypeError, ValueError):
        return repr(value).encode("utf-8", "surrogatepass")


def _evened(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_evened(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _evened(item) for name, item in value.items() if item is not None}
    return value


def _said(text: object, vouch: Vouch) -> Written | None:
    if not isinstance(text, str) or len(text) > LONGEST or text.count(".") != 2:
        return None
    version, body, mac = text.split(".")
    try:
        said = base64.b64decode(body, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if version != VERSION or not mac.isascii() or not compare_digest(mac, vouch(said)):
        return None
    values: dict[str, Any] = msgspec.json.decode(said)  # what is vouched for was written here
    return Written(**{**values, "fields": frozenset(values["fields"])})


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else value
