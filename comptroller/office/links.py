"""Links by which a customer confirms or rejects an outcome: signed, for one outcome and one answer, and they end."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest

import msgspec

from comptroller.core.clock import Clock
from comptroller.office.outcomes import Registry
from comptroller.office.saying import More, Said, Speaker, say

LIVES_NS = 14 * 86_400 * 1_000_000_000
_MARK = b"comptroller confirmation link 1\0"
_LONGEST = 600
Digest = Callable[[bytes], str]


class BadLink(ValueError):
    """A link that opens nothing; says why."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link stands for."""

    outcome: str
    customer: str
    expires: int
    once: str  # what makes a second answer the same one


def write_link(digest: Digest, clock: Clock, outcome: str, customer: str, lives_ns: int = LIVES_NS) -> str:
    """A link's token. Whoever has it answers for the customer, so it goes to the customer and nobody else."""
    link = Link(outcome, customer, clock.now_ns() + lives_ns, clock.new_id())
    body = msgspec.json.encode([link.outcome, link.customer, link.expires, link.once])
    return f"{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}.{_mac(digest, body)}"


def read_link(digest: Digest, now_ns: int, token: str) -> Link:
    """What a token stands for; BadLink where it was not made here, was changed, or has ended."""
    told, _, mac = token.partition(".")
    try:
        body = base64.b64decode(told + "=" * (-len(told) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        body = b""
    if len(token) > _LONGEST or not mac.isascii() or not compare_digest(mac, _mac(digest, body)):
        raise BadLink("This link is not one of ours, or it was not copied whole.")
    link = Link(*msgspec.json.decode(body, type=tuple[str, str, int, str]))
    if now_ns > link.expires:
        raise BadLink("This link has ended. Ask for a new one.")
    return link


def answer(registry: Registry, token: str, confirmed: bool, because: str = "") -> Said:
    """What the customer says by a link. The first answer counts; the same again changes nothing."""
    link = read_link(registry.desk.ledger.digest, registry.desk.clock.now_ns(), token)
    registry.catch_up()
    if link.outcome not in registry.outcomes:
        raise BadLink("There is no such outcome any more.")
    ids = {word: f"{link.outcome}:{word}:link-{link.once}" for word in ("confirm", "reject")}
    word = "confirm" if confirmed else "reject"
    if any(registry.said(id) for id in ids.values()):
        raise BadLink("This link was used before.")
    who = Speaker(f"customer {link.customer}".strip(), "customer")
    return say(registry, word, link.outcome, who, More(because=because), f"link-{link.once}")


def _mac(digest: Digest, body: bytes) -> str:
    return digest(_MARK + body)
