"""Comptroller keys: who may use the gateway, as whom and for how much; issued, rotated and revoked by facts.

A key stands for an identity and outlives its secrets: rotating gives it a new secret, while its budgets, its calls
and its place in policies go on. A secret is shown once; the journal holds its keyed hash and nothing else of it.
"""

import re
import secrets
import string
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

from comptroller.core.clock import Clock
from comptroller.core.errors import SettingsError
from comptroller.core.facts import KEY_ISSUED, KEY_REVOKED, KEY_ROTATED, Fact
from comptroller.core.verdict import Cap
from comptroller.policies.amounts import read_cap

KINDS = "key."  # how the kinds of all these facts begin
PREFIX = "ck_"
_RANDOM, _CHECK = 36, 6  # letters and digits: 214 bits that nobody guesses, and a checksum that catches slips
LENGTH = len(PREFIX) + _RANDOM + _CHECK
_LETTERS = string.digits + string.ascii_letters
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}")
_BUDGET = re.compile(r"(?P<cap>[^/]+?)\s*(?:/\s*(?P<every>hour|day|month))?\s*")
PLACE = "`comptroller keys issue --budget`"
API = "api:"  # how scopes begin that say what a key may do at `/api`
RIGHTS = (
    *("api:read", "api:bodies", "api:write", "api:keys"),
    *("api:outcomes", "api:books", "api:approvals", "api:orders"),
)
READ, BODIES, WRITE, KEYS, OUTCOMES, BOOKS, APPROVALS, ORDERS = RIGHTS
ROLE = "role:"  # how scopes begin that say in which role a key answers approvals

Digest = Callable[[bytes], str]


class Ledger(Protocol):
    """What the work on keys needs of a ledger."""

    def sync(self, fact: Fact) -> None: ...
    def digest(self, data: bytes) -> str: ...


@dataclass(frozen=True, slots=True)
class Key:
    """What a key fixes. Empty means that the caller may say; `scopes` of None means not limited."""

    id: str
    tenant: str = "default"
    agent: str = ""
    customer: str = ""
    user: str = ""
    workflow: str = ""
    scopes: frozenset[str] | None = None
    budgets: tuple[Cap, ...] = ()
    expires: int = 0  # ns since 1970; 0: never
    name: str = ""  # what people call it
    run: str = ""  # the one run it is for; only the private key of `comptroller run` has one


@dataclass(frozen=True, slots=True)
class Entry:
    """A key as the office knows it: when it came, which hashes open it until when, and whether it still counts."""

    key: Key
    issued: int
    by: str
    hashes: tuple[tuple[str, int], ...]  # with the end of each in ns since 1970, 0: none; the newest last
    rotated: int = 0
    revoked: int = 0

    def status(self, now_ns: int) -> str:
        """live | rotating | expired | revoked"""
        if self.revoked:
            return "revoked"
        if over(self.key.expires, now_ns):
            return "expired"
        return "rotating" if any(not over(end, now_ns) for _, end in self.hashes[:-1]) else "live"


@dataclass(slots=True)
class Register:
    """All keys there ever were: the fold of their facts."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def fold(self, facts: Iterable[Fact]) -> "Register":
        """Take these facts in, in order."""
        for fact in facts:
            self._apply(fact)
        return self

    def meant(self, named: str) -> list[Entry]:
        """The keys whose id, or else name, is `named`, or else whose id begins with it."""
        entries = self.entries.values()
        exact = [entry for entry in entries if entry.key.id == named]
        exact = exact or [entry for entry in entries if entry.key.name == named]
        return exact or [entry for entry in entries if entry.key.id.startswith(named)]

    def _apply(self, fact: Fact) -> None:
        id = str(fact.data.get("key"))
        if fact.kind == KEY_ISSUED:
            made = _key(fact.data)
            self.entries[id] = Entry(made, fact.at, str(fact.data.get("by", "")), ((str(fact.data["hash"]), 0),))
            return
        entry = self.entries.get(id)
        if entry is None:
            return
        if fact.kind == KEY_ROTATED:
            until = int(cast(int, fact.data["until"]))
            before = tuple((hash, min(end, until) if end else until) for hash, end in entry.hashes)
            hashes = (*before, (str(fact.data["new"]), 0))
            self.entries[id] = replace(entry, hashes=hashes, rotated=fact.at)
        elif fact.kind == KEY_REVOKED:
            self.entries[id] = replace(entry, revoked=entry.revoked or fact.at)


def issue(ledger: Ledger, clock: Clock, wanted: Key, by: str = "") -> tuple[Key, str]:
    """Give out a key; on record durably when its secret is returned, which is the only time it is seen."""
    for scope in sorted(wanted.scopes or ()):
        if scope.startswith(API) and scope not in RIGHTS:
            raise SettingsError(f"{scope}: there is no such right at /api. There are: {', '.join(RIGHTS)}.")
    id = f"key_{clock.new_id()}"
    # A cap counts under the key's own id, which is not known before.
    made = replace(wanted, id=id, budgets=tuple(replace(cap, who=id) for cap in wanted.budgets))
    secret = new_secret()
    _record(ledger, clock, KEY_ISSUED, id, by, hash=hash_of(secret, ledger.digest), **_data(made))
    return made, secret


def rotate(ledger: Ledger, clock: Clock, entry: Entry, overlap_ns: int, by: str = "") -> tuple[str, int]:
    """Give a key a new secret; those before it work until the returned time."""
    if entry.status(clock.now_ns()) in ("revoked", "expired"):
        raise SettingsError(f"{entry.key.id}: the key no longer counts, so it cannot be rotated. Issue a new one.")
    secret, until = new_secret(), max(clock.now_ns() + overlap_ns, 1)
    old, new = entry.hashes[-1][0], hash_of(secret, ledger.digest)
    _record(ledger, clock, KEY_ROTATED, entry.key.id, by, old=old, new=new, until=until)
    return secret, until


def revoke(ledger: Ledger, clock: Clock, entry: Entry, by: str = "") -> None:
    """End a key and all its secrets, for good."""
    _record(ledger, clock, KEY_REVOKED, entry.key.id, by)


def new_secret() -> str:
    """A secret with its checksum."""
    drawn = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    return f"{PREFIX}{drawn}{_checksum(drawn)}"


def is_secret(text: str) -> bool:
    """True for what has the form and the checksum of a secret: tells a mistyped key from a revoked one."""
    if not _FORM.fullmatch(text):
        return False
    drawn = text[len(PREFIX) : -_CHECK]
    return text[-_CHECK:] == _checksum(drawn)


def hash_of(secret: str, digest: Digest) -> str:
    """What is kept of a secret: a digest under the ledger's key, told apart from the digests of bodies."""
    return digest(b"comptroller key\0" + secret.encode("utf-8", "backslashreplace"))


def over(end: int, now_ns: int) -> bool:
    """True where something ended; an end of 0 never comes."""
    return 0 < end <= now_ns


def read_budget(text: str) -> Cap:
    """A key's cap as people write it: `50 USD`, `50 USD/month`, `100 calls/hour`; ValueError with the remedy."""
    match = _BUDGET.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a budget. Write it like `50 USD`, `50 USD/month` or `100 calls/hour`")
    unit, limit = read_cap(match["cap"])
    return Cap("key", "", match["every"] or "", "UTC", unit, limit, "deny", PLACE)


def _checksum(drawn: str) -> str:
    number, digits = zlib.crc32(drawn.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_LETTERS))
        digits = _LETTERS[digit] + digits
    return digits


def _record(ledger: Ledger, clock: Clock, kind: str, id: str, by: str, **data: object) -> None:
    if by:
        data["by"] = by
    ledger.sync(Fact(kind, clock.new_id(), clock.now_ns(), data={"key": id, **data}))


_NAMES = ("tenant", "agent", "customer", "user", "workflow", "name", "expires")


def _data(key: Key) -> dict[str, object]:
    """A key as its fact carries it: what is empty is left out."""
    data: dict[str, object] = {name: value for name in _NAMES if (value := getattr(key, name))}
    if key.scopes is not None:
        data["scopes"] = sorted(key.scopes)
    if key.budgets:
        data["budgets"] = [[cap.unit, cap.limit, cap.every, cap.zone, cap.over] for cap in key.budgets]
    return data


def _key(data: dict[str, Any]) -> Key:
    id, scopes = str(data["key"]), data.get("scopes")
    given = {name: data[name] for name in _NAMES if name in data}
    budgets: Sequence[Sequence[Any]] = data.get("budgets") or ()
    caps = tuple(Cap("key", id, every, zone, unit, limit, over, PLACE) for unit, limit, every, zone, over in budgets)
    return Key(id, scopes=None if scopes is None else frozenset(scopes), budgets=caps, **given)
