"""People at the console: who was invited, as what, with which link; as facts, like everything.

A person gets in by a link that is shown once, or by a provider of identities that the settings trust. Of a link only
its keyed digest is kept. Which of two who use one link at the same moment gets in, the journal's order says.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, cast

from comptroller.core.clock import Clock
from comptroller.core.errors import Refused, SettingsError
from comptroller.core.facts import (
    PERSON_CHANGED,
    PERSON_ENTERED,
    PERSON_INVITED,
    PERSON_LEFT,
    PERSON_REMOVED,
    Fact,
)
from comptroller.core.settings import ROLES, Role
from comptroller.office.keys import APPROVALS, BODIES, BOOKS, KEYS, ORDERS, OUTCOMES, READ, WRITE
from comptroller.office.who import Who

KINDS = "person."  # how the kinds of all these facts begin
HOUR_NS = 3600 * 1_000_000_000
RIGHTS_OF: dict[str, tuple[str, ...]] = {
    "admin": tuple(sorted((READ, BODIES, WRITE, KEYS, OUTCOMES, BOOKS, APPROVALS, ORDERS))),
    "compliance": tuple(sorted((READ, BODIES, APPROVALS))),
    "finance": tuple(sorted((READ, OUTCOMES, BOOKS, APPROVALS))),
    "engineer": tuple(sorted((READ, BODIES, WRITE, APPROVALS, ORDERS))),
    "viewer": (READ,),
}
ENTER = "console:enter"  # the console's own right at `/api`, which no key and no role can have
LOCAL = "local"
_TAKEN = re.compile(rf"({LOCAL}$|system$|(key|customer|rule|policy) )", re.IGNORECASE)  # how facts name others
_NAME = re.compile(r"[^\W_][\w .,'@+()&/-]{0,79}")
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)
Status = Literal["invited", "active", "removed"]
Digest = Callable[[bytes], str]


class NotLetIn(Refused):
    """Who is not let in, and why."""

    code = "not_let_in"
    status = 403


class Ledger(Protocol):
    """What the work on people needs of a ledger."""

    def sync(self, fact: Fact) -> None: ...
    def digest(self, data: bytes) -> str: ...


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may look: under which name acts are on record, as what, and whose rows are theirs."""

    id: str
    name: str
    role: str
    tenant: str
    customer: str = ""

    @property
    def rights(self) -> tuple[str, ...]:
        """What their role may do at `/api`."""
        return RIGHTS_OF.get(self.role, ())

    @property
    def who(self) -> Who:
        """The same as `/api` knows them."""
        return Who(self.tenant, self.customer, rights=self.rights, person=self.name)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as a provider of identities knows them, and what the settings make of it."""

    issuer: str
    subject: str
    name: str
    role: Role
    tenant: str
    customer: str = ""

    @property
    def id(self) -> str:
        """The same for the same subject of the same issuer."""
        return f"oidc_{hashlib.sha256(f'{self.issuer} {self.subject}'.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Link:
    """A way in, for one person, once."""

    digest: str
    person: str
    until: int
    session: str = ""  # that it was used for


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is in, until when at most."""

    id: str
    person: str
    began: int
    until: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A person as the office knows them."""

    person: Person
    invited: int
    by: str
    provider: str = ""  # who vouches for them; empty: us, by a link
    entered: int = 0  # the last time
    removed: int = 0

    @property
    def status(self) -> Status:
        """What became of the invitation."""
        return "removed" if self.removed else "active" if self.entered else "invited"


@dataclass(slots=True)
class Register:
    """All people there ever were, their links and their sessions: the fold of their facts."""

    entries: dict[str, Entry] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    def fold(self, facts: Iterable[Fact]) -> "Register":
        """Take these facts in, in order."""
        for fact in facts:
            _FOLDS.get(fact.kind, _pass)(self, fact, str(fact.data.get("person", "")))
        return self

    def meant(self, named: str, tenant: str = "") -> list[Entry]:
        """The people whose id, or else name, is `named`; of those removed only where nobody else is."""
        entries = [each for each in self.entries.values() if tenant in ("", each.person.tenant)]
        found = [each for each in entries if each.person.id == named]
        found = found or [each for each in entries if each.person.name == named]
        return [each for each in found if not each.removed] or found[-1:]

    def live(self, name: str, tenant: str) -> Entry | None:
        """Who goes by a name in a tenant now."""
        return next((each for each in self.meant(name, tenant) if not each.removed and each.person.name == name), None)

    def in_session(self, id: str, now_ns: int) -> Person | None:
        """Who is in by a session, with the role they have now; None where it ended or they were removed."""
        session = self.sessions.get(id)
        entry = self.entries.get(session.person) if session is not None else None
        if session is None or entry is None or entry.removed or now_ns >= session.until:
            return None
        return entry.person


def invite(
    ledger: Ledger, clock: Clock, register: Register, wanted: Person, lives_ns: int, by: str
) -> tuple[Person, str]:
    """Make a one-time link for somebody; its token is returned and never kept. An old friend gets another link."""
    known = register.live(wanted.name, wanted.tenant)
    if known is not None:
        _fits(known, wanted)
    elif not wanted.role:
        raise SettingsError(f"{wanted.name} is new here. Say what they are with --role: {', '.join(ROLES)}.")
    made = known.person if known is not None else replace(wanted, id=f"person_{clock.new_id()}")
    check(made)
    token = secrets.token_urlsafe(32)
    data = {
        **_data(made),
        "link": link_digest(token, ledger.digest),
        "until": clock.now_ns() + lives_ns,
        "by": by,
    }
    ledger.sync(Fact(PERSON_INVITED, clock.new_id(), clock.now_ns(), data=data))
    return made, token


def change(ledger: Ledger, clock: Clock, entry: Entry, role: str, by: str) -> None:
    """Give a person another role; open sessions have it at once."""
    _is_role(role)
    if entry.removed:
        raise SettingsError(f"{entry.person.name} was removed. Invite them again.")
    if entry.provider:
        raise SettingsError(
            f"{entry.person.name} signs in at {entry.provider}, which says what they are. "
            "Change it there, or the mapping under `console: oidc: roles`."
        )
    data: dict[str, object] = {"person": entry.person.id, "role": role, "by": by}
    ledger.sync(Fact(PERSON_CHANGED, clock.new_id(), clock.now_ns(), data=data))


def remove(ledger: Ledger, clock: Clock, entry: Entry, by: str) -> None:
    """Let a person in no more, and end their sessions; links of theirs open nothing."""
    data: dict[str, object] = {"person": entry.person.id, "by": by}
    ledger.sync(Fact(PERSON_REMOVED, clock.new_id(), clock.now_ns(), data=data))


def enter(ledger: Ledger, clock: Clock, read: Callable[[], Register], token: str, lives_ns: int) -> Session:
    """Use a link. It is used once it is on record, and only the first on record used it: see the module's head."""
    digest, now = link_digest(token, ledger.digest), clock.now_ns()
    link = usable(read(), digest, now)
    session = Session(secrets.token_urlsafe(32), link.person, now, now + lives_ns)
    data = {"person": link.person, "link": digest, "session": session.id, "until": session.until}
    ledger.sync(Fact(PERSON_ENTERED, clock.new_id(), now, data=data))
    if (used := read().links.get(digest)) is None or used.session != session.id:
        raise _used()
    return session


def enter_as(ledger: Ledger, clock: Clock, read: Callable[[], Register], identity: Identity, lives_ns: int) -> Session:
    """Let in whom a provider of identities vouches for, as what the settings say now."""
    register, now = read(), clock.now_ns()
    person = Person(identity.id, identity.name, identity.role, identity.tenant, identity.customer)
    check(person)
    known, other = register.entries.get(person.id), register.live(person.name, person.tenant)
    if known is not None and known.removed:
        raise NotLetIn(f"{person.name} was removed from this console. Ask an admin for an invitation.")
    if other is not None and other.person.id != person.id:
        raise NotLetIn(f"Somebody else is called {person.name} here already. Ask an admin to remove one of the two.")
    session = Session(secrets.token_urlsafe(32), person.id, now, now + lives_ns)
    data = {
        **_data(person),
        "session": session.id,
        "until": session.until,
        "provider": identity.issuer,
        "subject": identity.subject,
    }
    ledger.sync(Fact(PERSON_ENTERED, clock.new_id(), now, data=data))
    return session


def leave(ledger: Ledger, clock: Clock, session: str, person: str) -> None:
    """End a session: a copy of its cookie opens nothing any more."""
    ledger.sync(Fact(PERSON_LEFT, clock.new_id(), clock.now_ns(), data={"person": person, "session": session}))


def usable(register: Register, digest: str, now_ns: int) -> Link:
    """The link behind a digest; NotLetIn where it opens nothing, which says why."""
    link = register.links.get(digest)
    entry = register.entries.get(link.person) if link is not None else None
    if link is None or entry is None:
        raise NotLetIn("This link is not one of ours, or it was not copied whole. Ask for a new one.")
    if link.session:
        raise _used()
    if now_ns >= link.until:
        raise NotLetIn("This link has ended. Ask for a new one: `comptroller people invite` makes it.")
    if entry.removed:
        raise NotLetIn("Whom this link was for was removed. Ask an admin for an invitation.")
    return link


def link_digest(token: str, digest: Digest) -> str:
    """What is kept of a link's token."""
    return digest(b"comptroller link of a person\0" + token.encode()) if _TOKEN.fullmatch(token) else ""


def check(person: Person) -> None:
    """Refuse a name that could be taken for another's, and a role there is not."""
    if not _NAME.fullmatch(person.name) or person.name != person.name.strip() or _TAKEN.match(person.name):
        raise SettingsError(
            f"{person.name[:80]!r} cannot be the name of a person. Use letters, digits and . , ' @ + - ( ) & /, at "
            "most 80; `local`, `system`, `key ...` and the like are how the record names others."
        )
    _is_role(person.role)


def _is_role(role: str) -> None:
    if role not in ROLES:
        raise SettingsError(f"{role!r} is not a role. There are: {', '.join(ROLES)}.")


def _fits(known: Entry, wanted: Person) -> None:
    person = known.person
    if known.provider:
        raise SettingsError(f"{person.name} signs in at {known.provider}, and needs no link.")
    if wanted.role not in ("", person.role) or wanted.customer not in ("", person.customer):
        whom = f"{person.role} for {person.customer}" if person.customer else person.role
        raise SettingsError(
            f"{person.name} is here already, as {whom}. Leave --role and --customer out for another link, or change "
            "them with `comptroller people change`."
        )


def _used() -> NotLetIn:
    return NotLetIn("This link was used before. Ask for a new one: `comptroller people invite` makes it.")


def _data(person: Person) -> dict[str, object]:
    data: dict[str, object] = {
        "person": person.id,
        "name": person.name,
        "role": person.role,
        "tenant": person.tenant,
    }
    return data | ({"customer": person.customer} if person.customer else {})


def _of(data: dict[str, Any]) -> Person:
    return Person(str(data["person"]), *(str(data.get(name, "")) for name in ("name", "role", "tenant", "customer")))


def _invited(register: Register, fact: Fact, id: str) -> None:
    if id not in register.entries:
        register.entries[id] = Entry(_of(fact.data), fact.at, str(fact.data.get("by", "")))
    digest = str(fact.data["link"])
    register.links[digest] = Link(digest, id, int(cast(int, fact.data["until"])))


def _entered(register: Register, fact: Fact, id: str) -> None:
    digest, session = str(fact.data.get("link", "")), str(fact.data["session"])
    if digest:
        link = register.links.get(digest)
        if link is None or link.session or link.person != id:
            return
        register.links[digest] = replace(link, session=session)
    else:
        made = register.entries.get(id) or Entry(_of(fact.data), fact.at, "", str(fact.data.get("provider", "")))
        register.entries[id] = replace(made, person=_of(fact.data))
    register.sessions[session] = Session(session, id, fact.at, int(cast(int, fact.data["until"])))
    register.entries[id] = replace(register.entries[id], entered=fact.at)


def _changed(register: Register, fact: Fact, id: str) -> None:
    entry = register.entries.get(id)
    if entry is not None:
        register.entries[id] = replace(entry, person=replace(entry.person, role=str(fact.data["role"])))


def _removed(register: Register, fact: Fact, id: str) -> None:
    entry = register.entries.get(id)
    if entry is not None:
        register.entries[id] = replace(entry, removed=entry.removed or fact.at)
    register.sessions = {key: each for key, each in register.sessions.items() if each.person != id}


def _left(register: Register, fact: Fact, id: str) -> None:
    register.sessions.pop(str(fact.data.get("session", "")), None)


def _pass(register: Register, fact: Fact, id: str) -> None:
    """A kind of a later version."""


_FOLDS: dict[str, Callable[[Register, Fact, str], None]] = {
    PERSON_INVITED: _invited,
    PERSON_ENTERED: _entered,
    PERSON_CHANGED: _changed,
    PERSON_REMOVED: _removed,
    PERSON_LEFT: _left,
}
