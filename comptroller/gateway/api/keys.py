"""Keys: listed, given out, renewed and ended. A secret is told once, in the answer that makes it."""

from typing import Annotated, Literal

from pydantic import Field

from comptroller.core.verdict import Cap
from comptroller.gateway.api.frame import Ask, Route
from comptroller.gateway.api.problem import Problem, split
from comptroller.gateway.api.rights import KEYS, READ, RIGHTS
from comptroller.gateway.api.runs import said_or_fixed
from comptroller.gateway.api.shapes import Moment, Name, Said, Told
from comptroller.office import keys
from comptroller.office.approvals import ANY
from comptroller.office.keylist import SECOND, described, moment
from comptroller.office.keys import ROLE, Entry, Key
from comptroller.office.who import Who
from comptroller.policies.amounts import read_duration

DURATION = r"^[0-9]{1,6}(s|m|h|d)$"
Duration = Annotated[str, Field(pattern=DURATION, examples=["90d"])]


class KeyRow(Told):
    """All that may be told of a key; its secret never is."""

    key: str
    name: str
    status: Literal["live", "rotating", "expired", "revoked"]
    agent: str
    customer: str
    user: str
    workflow: str
    scopes: list[str] | None
    budgets: list[str]
    issued: Moment
    expires: Moment | None
    rotated: Moment | None
    revoked: Moment | None
    by: str


class KeyList(Told):
    """The keys, the newest first."""

    keys: list[KeyRow]


class KeysAsked(Said):
    """How many."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class KeyWanted(Said):
    """What the key is to fix. Without `scopes` it is not limited in tools and may open runs and claim, no more."""

    name: Name = ""
    agent: Name = ""
    customer: Name = ""
    user: Name = ""
    workflow: Name = ""
    scopes: Annotated[list[Annotated[str, Field(pattern=r"^\S+$", max_length=128)]], Field(max_length=100)] | None = (
        None
    )
    budgets: Annotated[list[Annotated[str, Field(max_length=64, examples=["50 USD/month"])]], Field(max_length=20)] = (
        Field(default_factory=list)
    )
    expires: Duration | None = None


class KeyIssued(Told):
    """The key, and its secret for the first and last time."""

    key: str
    secret: str


class Rotating(Said):
    """How long the old secret works on."""

    overlap: Duration = "24h"


class KeyRotated(KeyIssued):
    """The new secret, and when those before it end."""

    old_secret_until: Moment


class Revoking(Said):
    """Nothing need be said."""


class KeyRevoked(Told):
    """The key has ended."""

    key: str
    status: Literal["revoked"]


def list_keys(ask: Ask) -> KeyList:
    """The keys that are theirs to see."""
    now = ask.bureau.clock.now_ns()
    mine = [entry for entry in reversed(_entries(ask)) if _sees(ask.who, entry)]
    return KeyList(keys=[_row(entry, now) for entry in mine[: ask.query.limit]])


def show_access(ask: Ask) -> KeyList:
    """The same for whoever checks who has access and hands out nothing: a person, as keys have `api:keys` for it."""
    if not ask.who.person:
        ask.who.must(KEYS)
    return list_keys(ask)


def issue_key(ask: Ask) -> KeyIssued:
    """Give out a key; it may not do more at `/api` than whoever gives it out."""
    said, who, bureau = ask.body, ask.who, ask.bureau
    _grant(who, said.scopes)
    fixed = {name: said_or_fixed(who, name, getattr(said, name)) for name in ("customer", "user", "workflow")}
    wanted = Key(
        id="",
        tenant=who.tenant,
        agent=said.agent,
        scopes=None if said.scopes is None else frozenset(said.scopes),
        budgets=tuple(_budget(text, number) for number, text in enumerate(said.budgets)),
        expires=bureau.clock.now_ns() + _nanos(said.expires) if said.expires else 0,
        name=said.name,
        **fixed,
    )
    made, secret = keys.issue(bureau.desk.ledger, bureau.clock, wanted, who.signature)
    return KeyIssued(key=made.id, secret=secret)


def rotate_key(ask: Ask) -> KeyRotated:
    """Give a key a new secret."""
    entry, bureau = _meant(ask), ask.bureau
    if entry.status(bureau.clock.now_ns()) in ("revoked", "expired"):
        raise Problem(409, "key_ended", "The key no longer counts, so it cannot be rotated.", "Issue a new one.")
    secret, until = keys.rotate(bureau.desk.ledger, bureau.clock, entry, _nanos(ask.body.overlap), ask.who.signature)
    told = moment(until)
    assert told is not None, "it ends some time"
    return KeyRotated(key=entry.key.id, secret=secret, old_secret_until=told)


def revoke_key(ask: Ask) -> KeyRevoked:
    """End a key for good."""
    entry = _meant(ask)
    if not entry.revoked:
        keys.revoke(ask.bureau.desk.ledger, ask.bureau.clock, entry, ask.who.signature)
    return KeyRevoked(key=entry.key.id, status="revoked")


def _entries(ask: Ask) -> list[Entry]:
    return list(ask.bureau.register().entries.values())


def _sees(who: Who, entry: Entry) -> bool:
    key = entry.key
    return who.sees({name: getattr(key, name) for name in ("tenant", "customer", "user", "workflow")})


def _meant(ask: Ask) -> Entry:
    id = ask.path["key"]
    entry = ask.bureau.register().entries.get(id)
    if entry is None or not _sees(ask.who, entry):
        raise Problem(404, "not_found", f"There is no key {id[:64]!r}.", "List them with GET /api/keys.")
    # A key that may do more at `/api` than whoever asks would hand them its rights with the new secret.
    _grant(ask.who, sorted(entry.key.scopes) if entry.key.scopes is not None else None)
    return entry


def _grant(who: Who, scopes: list[str] | None) -> None:
    _must_have(who, {scope.removeprefix(ROLE) for scope in scopes or () if scope.startswith(ROLE)})
    beyond = sorted(RIGHTS & set(scopes or ()) - set(who.rights))
    if beyond:
        raise Problem(
            403,
            "not_allowed",
            f"This key has no right to {beyond[0]}, so it cannot give it to another.",
            "Leave the scope out, or use a key that has it.",
        )


def _must_have(who: Who, roles: set[str]) -> None:
    """Of people only admins give out keys; a key gives a role to answer approvals in only if it has that itself."""
    own = {scope.removeprefix(ROLE) for scope in who.scopes or () if scope.startswith(ROLE)}
    beyond = sorted(roles - own) if who.key and ANY not in own else []
    if beyond:
        text = f"This key does not have the role {beyond[0]}, so it cannot give it to another."
        raise Problem(403, "not_allowed", text, "Leave the scope out, or use a key that has it.")


def _row(entry: Entry, now_ns: int) -> KeyRow:
    told = described(entry, now_ns)
    return KeyRow.model_validate({name: told[name] for name in KeyRow.model_fields})


def _budget(text: str, number: int) -> Cap:
    try:
        return keys.read_budget(text)
    except ValueError as error:
        raise Problem(400, "bad_request", *split(f"{error}."), place=f"body.budgets.{number}") from None


def _nanos(text: str) -> int:
    return round(read_duration(text) * SECOND)


_ONE = "/api/keys/{key}"
ROUTES = (
    Route("GET", "/api/keys", "List the keys.", KEYS, list_keys, KeyList, KeysAsked),
    Route("GET", "/api/access", "The keys, for a person who only looks.", READ, show_access, KeyList, KeysAsked),
    Route(
        "POST",
        "/api/keys",
        "Give out a key; its secret is told this once.",
        KEYS,
        issue_key,
        KeyIssued,
        body=KeyWanted,
        status=201,
    ),
    Route(
        "POST",
        f"{_ONE}/rotate",
        "Give a key a new secret.",
        KEYS,
        rotate_key,
        KeyRotated,
        body=Rotating,
        fails=(404, 409),
    ),
    Route("POST", f"{_ONE}/revoke", "End a key for good.", KEYS, revoke_key, KeyRevoked, body=Revoking, fails=(404,)),
)
