"""People at the console: invited, listed, changed and removed; and the console's own way to let them in."""

from typing import Annotated

from pydantic import Field

from comptroller.core.settings import Role
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem
from comptroller.gateway.api.rights import KEYS, READ
from comptroller.gateway.api.runs import said_or_fixed
from comptroller.gateway.api.shapes import Moment, Name, Said, Told
from comptroller.office import people
from comptroller.office.keylist import moment
from comptroller.office.people import ENTER, HOUR_NS, RIGHTS_OF, Entry, Identity, Person, Session, Status

PersonName = Annotated[str, Field(min_length=1, max_length=80)]
Secret = Annotated[str, Field(max_length=200)]


class PersonRow(Told):
    """One person."""

    person: str
    name: str
    role: str
    customer: str
    status: Status
    provider: str
    invited: Moment
    by: str
    entered: Moment | None
    removed: Moment | None


class PeopleList(Told):
    """The people, the newest first."""

    people: list[PersonRow]


class Invitation(Said):
    """Whom to invite, and as what; for somebody who is here already `role` may be left out."""

    name: PersonName
    role: Role | None = None
    customer: Name = ""
    hours: Annotated[int, Field(ge=1, le=720)] = 24


class Invited(Told):
    """The token of a link, told this once: `CONSOLE/enter/TOKEN`."""

    person: str
    name: str
    role: str
    token: str
    until: Moment


class NewRole(Said):
    """What they are to be."""

    role: Role


class Removing(Said):
    """Nothing need be said."""


class Knocking(Said):
    """Who brings a link."""

    token: Secret
    hours: Annotated[int, Field(ge=1, le=720)]


class Vouched(Said):
    """Whom a provider of identities vouches for, as the console mapped them."""

    issuer: Annotated[str, Field(max_length=1000)]
    subject: Annotated[str, Field(min_length=1, max_length=1000)]
    name: PersonName
    role: Role
    tenant: Name
    customer: Name = ""
    hours: Annotated[int, Field(ge=1, le=720)]


class Leaving(Said):
    """Which session ends."""

    session: Secret
    person: Annotated[str, Field(max_length=128)]


class LetIn(Told):
    """A session."""

    session: str
    person: str


class Left(Told):
    """It has ended."""

    session: str


def list_people(ask: Ask) -> PeopleList:
    """The people of a tenant."""
    entries = [entry for entry in reversed(ask.bureau.roll.now().entries.values()) if _sees(ask, entry)]
    return PeopleList(people=[_row(entry) for entry in entries])


def invite_person(ask: Ask) -> Invited:
    """Make a link for somebody. They may not get more rights than whoever invites has."""
    said, bureau = ask.body, ask.bureau
    register, wanted = bureau.roll.now(), Person("", said.name, said.role or "", ask.who.tenant, said.customer)
    known = register.live(wanted.name, wanted.tenant)
    if known is not None and not _sees(ask, known):
        raise Problem(403, "not_allowed", f"{said.name} is not yours to invite.", "Choose another name.")
    _grant(ask, known.person.role if known is not None else wanted.role)
    wanted = Person("", wanted.name, wanted.role, wanted.tenant, said_or_fixed(ask.who, "customer", said.customer))
    lives = said.hours * HOUR_NS
    made, token = people.invite(bureau.desk.ledger, bureau.clock, register, wanted, lives, ask.who.signature)
    until = moment(bureau.clock.now_ns() + lives)
    assert until is not None, "a link ends some time"
    return Invited(person=made.id, name=made.name, role=made.role, token=token, until=until)


def change_person(ask: Ask) -> PersonRow:
    """Give somebody another role."""
    entry = _meant(ask)
    _grant(ask, ask.body.role)
    people.change(ask.bureau.desk.ledger, ask.bureau.clock, entry, ask.body.role, ask.who.signature)
    return _row(ask.bureau.roll.now().entries[entry.person.id])


def remove_person(ask: Ask) -> PersonRow:
    """Let somebody in no more."""
    entry = _meant(ask)
    if not entry.removed:
        people.remove(ask.bureau.desk.ledger, ask.bureau.clock, entry, ask.who.signature)
    return _row(ask.bureau.roll.now().entries[entry.person.id])


def let_in(ask: Ask) -> LetIn:
    """Use a link."""
    bureau, said = ask.bureau, ask.body
    return _let_in(people.enter(bureau.desk.ledger, bureau.clock, bureau.roll.now, said.token, said.hours * HOUR_NS))


def let_in_vouched(ask: Ask) -> LetIn:
    """Let in whom a provider of identities vouches for."""
    bureau, said = ask.bureau, ask.body
    identity = Identity(said.issuer, said.subject, said.name, said.role, said.tenant, said.customer)
    ledger, lives = bureau.desk.ledger, said.hours * HOUR_NS
    return _let_in(people.enter_as(ledger, bureau.clock, bureau.roll.now, identity, lives))


def let_out(ask: Ask) -> Left:
    """End a session."""
    people.leave(ask.bureau.desk.ledger, ask.bureau.clock, ask.body.session, ask.body.person)
    return Left(session=ask.body.session)


def _let_in(session: Session) -> LetIn:
    return LetIn(session=session.id, person=session.person)


def _sees(ask: Ask, entry: Entry) -> bool:
    row = {"tenant": entry.person.tenant, "customer": entry.person.customer, "user": "", "workflow": ""}
    return ask.who.sees(row)


def _meant(ask: Ask) -> Entry:
    entry = ask.bureau.roll.now().entries.get(ask.path["person"])
    if entry is None or not _sees(ask, entry):
        raise Problem(
            404, "not_found", f"There is no person {ask.path['person'][:64]!r}.", "List them with GET /api/people."
        )
    _grant(ask, entry.person.role)
    return entry


def _grant(ask: Ask, role: str) -> None:
    beyond = sorted(set(RIGHTS_OF.get(role, ())) - set(ask.who.rights))
    if beyond:
        raise Problem(
            403,
            "not_allowed",
            f"A {role} has the right to {beyond[0]}, which whoever asks here has not.",
            "Ask somebody who has it.",
        )


def _row(entry: Entry) -> PersonRow:
    person, invited = entry.person, moment(entry.invited)
    assert invited is not None, "everybody came some time"
    return PersonRow(
        person=person.id,
        name=person.name,
        role=person.role,
        customer=person.customer,
        status=entry.status,
        provider=entry.provider,
        invited=invited,
        by=entry.by,
        entered=moment(entry.entered),
        removed=moment(entry.removed),
    )


_ONE = "/api/people/{person}"
ROUTES = (
    Route("GET", "/api/people", "List the people who may look at the console.", READ, list_people, PeopleList),
    Route(
        "POST",
        "/api/people",
        "Invite somebody to the console; the link's token is told this once.",
        KEYS,
        invite_person,
        Invited,
        body=Invitation,
        status=201,
    ),
    Route(
        "POST", f"{_ONE}/role", "Give them another role.", KEYS, change_person, PersonRow, body=NewRole, fails=(404,)
    ),
    Route(
        "POST", f"{_ONE}/remove", "Let them in no more.", KEYS, remove_person, PersonRow, body=Removing, fails=(404,)
    ),
)
DOORS = (
    Route("POST", "/api/console/enter", "Use a link.", ENTER, let_in, LetIn, body=Knocking),
    Route("POST", "/api/console/vouch", "Let in by a provider.", ENTER, let_in_vouched, LetIn, body=Vouched),
    Route("POST", "/api/console/leave", "End a session.", ENTER, let_out, Left, body=Leaving),
)
