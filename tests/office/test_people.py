"""People who sign in to the console: links that work once, roles that change, and facts that say it."""

import re
from dataclasses import replace

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import SettingsError
from comptroller.core.facts import Fact
from comptroller.core.settings import ROLES
from comptroller.office import people
from comptroller.office.keys import RIGHTS
from comptroller.office.people import HOUR_NS, Identity, NotLetIn, Person, Register

ADA = Person("", "Ada", "finance", "default")
JANE = Identity("https://login.example", "s-1", "jane@example.com", "viewer", "default")


class Book:
    """A ledger that is a list, with whatever others write at the worst moment."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.before: list[Fact] = []

    def sync(self, fact: Fact) -> None:
        self.facts += [*self.before, fact]
        self.before = []

    def digest(self, data: bytes) -> str:
        return f"d{hash(data) & 0xFFFFFFFF:08x}"

    def read(self) -> Register:
        return Register().fold(self.facts)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def invited(book: Book, clock: FrozenClock, wanted: Person = ADA, hours: int = 24) -> str:
    return people.invite(book, clock, book.read(), wanted, hours * HOUR_NS, "root")[1]


def test_a_link_lets_in_once(book: Book, clock: FrozenClock) -> None:
    token = invited(book, clock)
    session = people.enter(book, clock, book.read, token, HOUR_NS)
    who = book.read().in_session(session.id, clock.now_ns())
    assert who is not None
    assert (who.name, who.role) == ("Ada", "finance")
    with pytest.raises(NotLetIn, match="used before"):
        people.enter(book, clock, book.read, token, HOUR_NS)


def test_a_links_token_is_nowhere_on_record(book: Book, clock: FrozenClock) -> None:
    token = invited(book, clock)
    people.enter(book, clock, book.read, token, HOUR_NS)
    assert len(token) == 43
    assert token not in repr(book.facts)


def test_of_two_who_use_one_link_at_once_the_first_on_record_gets_in(book: Book, clock: FrozenClock) -> None:
    token = invited(book, clock)
    other = Book()
    other.facts = list(book.facts)
    people.enter(other, clock, other.read, token, HOUR_NS)
    book.before = [other.facts[-1]]  # written between our look and our writing
    with pytest.raises(NotLetIn, match="used before"):
        people.enter(book, clock, book.read, token, HOUR_NS)
    assert len(book.read().sessions) == 1


def test_a_link_ends(book: Book, clock: FrozenClock) -> None:
    token = invited(book, clock, hours=2)
    clock.tick(2 * 3600)
    with pytest.raises(NotLetIn, match="has ended"):
        people.enter(book, clock, book.read, token, HOUR_NS)


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "../../../etc/passwd", "ä" * 43, "A" * 44])
def test_what_is_no_link_opens_nothing(book: Book, clock: FrozenClock, token: str) -> None:
    invited(book, clock)
    with pytest.raises(NotLetIn, match="not one of ours"):
        people.enter(book, clock, book.read, token, HOUR_NS)


def test_a_session_ends_by_itself(book: Book, clock: FrozenClock) -> None:
    session = people.enter(book, clock, book.read, invited(book, clock), 12 * HOUR_NS)
    assert book.read().in_session(session.id, clock.now_ns() + 12 * HOUR_NS - 1) is not None
    assert book.read().in_session(session.id, clock.now_ns() + 12 * HOUR_NS) is None


def test_who_leaves_ends_that_session_and_no_other(book: Book, clock: FrozenClock) -> None:
    first = people.enter(book, clock, book.read, invited(book, clock), HOUR_NS)
    second = people.enter(book, clock, book.read, invited(book, clock), HOUR_NS)
    people.leave(book, clock, first.id, first.person)
    now = clock.now_ns()
    assert book.read().in_session(first.id, now) is None
    assert book.read().in_session(second.id, now) is not None


def test_a_changed_role_counts_in_open_sessions(book: Book, clock: FrozenClock) -> None:
    session = people.enter(book, clock, book.read, invited(book, clock), HOUR_NS)
    people.change(book, clock, book.read().meant("Ada")[0], "viewer", "root")
    who = book.read().in_session(session.id, clock.now_ns())
    assert who is not None
    assert who.rights == ("api:read",)


def test_a_removal_ends_sessions_and_links(book: Book, clock: FrozenClock) -> None:
    session = people.enter(book, clock, book.read, invited(book, clock), HOUR_NS)
    left = invited(book, clock)
    people.remove(book, clock, book.read().meant("Ada")[0], "root")
    assert book.read().in_session(session.id, clock.now_ns()) is None
    with pytest.raises(NotLetIn, match="removed"):
        people.enter(book, clock, book.read, left, HOUR_NS)


def test_a_name_that_was_removed_can_be_invited_again_as_somebody_else(book: Book, clock: FrozenClock) -> None:
    invited(book, clock)
    before = book.read().meant("Ada")[0]
    people.remove(book, clock, before, "root")
    invited(book, clock, replace(ADA, role="viewer"))
    after = book.read().meant("Ada")
    assert [entry.person.role for entry in after] == ["viewer"]
    assert after[0].person.id != before.person.id


def test_another_link_for_somebody_keeps_what_they_are(book: Book, clock: FrozenClock) -> None:
    invited(book, clock)
    invited(book, clock, replace(ADA, role=""))
    assert [entry.person.role for entry in book.read().entries.values()] == ["finance"]
    with pytest.raises(SettingsError, match="is here already"):
        invited(book, clock, replace(ADA, role="admin"))


def test_two_tenants_may_have_an_ada_each(book: Book, clock: FrozenClock) -> None:
    invited(book, clock)
    invited(book, clock, replace(ADA, tenant="acme", role="viewer"))
    assert {entry.person.tenant for entry in book.read().entries.values()} == {"default", "acme"}


@pytest.mark.parametrize("name", ["local", "Key 7", "customer acme", "", " Ada", "A" * 81, "Ada\nEve", "<b>", "system"])
def test_no_name_may_be_taken_for_another(book: Book, clock: FrozenClock, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be the name"):
        invited(book, clock, replace(ADA, name=name))
    assert not book.facts


def test_there_are_five_roles_with_rights_that_exist(book: Book, clock: FrozenClock) -> None:
    assert set(people.RIGHTS_OF) == set(ROLES)
    assert all(set(rights) <= set(RIGHTS) for rights in people.RIGHTS_OF.values())
    assert people.ENTER not in RIGHTS
    with pytest.raises(SettingsError, match=re.escape("'boss' is not a role")):
        invited(book, clock, replace(ADA, role="boss"))


def test_a_provider_of_identities_says_at_each_sign_in_what_somebody_is(book: Book, clock: FrozenClock) -> None:
    people.enter_as(book, clock, book.read, JANE, HOUR_NS)
    session = people.enter_as(book, clock, book.read, replace(JANE, role="engineer"), HOUR_NS)
    who = book.read().in_session(session.id, clock.now_ns())
    assert who is not None
    assert who.role == "engineer"
    assert len(book.read().entries) == 1
    with pytest.raises(SettingsError, match=r"signs in at https://login\.example"):
        people.change(book, clock, book.read().meant("jane@example.com")[0], "admin", "root")


def test_nobody_vouched_for_takes_the_name_of_somebody_here(book: Book, clock: FrozenClock) -> None:
    invited(book, clock)
    with pytest.raises(NotLetIn, match="Somebody else is called Ada"):
        people.enter_as(book, clock, book.read, replace(JANE, name="Ada"), HOUR_NS)


def test_who_was_removed_is_not_let_in_by_a_provider(book: Book, clock: FrozenClock) -> None:
    people.enter_as(book, clock, book.read, JANE, HOUR_NS)
    people.remove(book, clock, book.read().meant("jane@example.com")[0], "root")
    with pytest.raises(NotLetIn, match="was removed"):
        people.enter_as(book, clock, book.read, JANE, HOUR_NS)
