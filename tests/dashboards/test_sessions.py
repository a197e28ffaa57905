"""Sessions: what a cookie is worth as time passes, and when nobody needs one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.settings import Settings
from comptroller.dashboards.sessions import Sessions
from comptroller.office import keys, people
from comptroller.office.keys import Key
from comptroller.office.people import HOUR_NS, Person
from comptroller.office.roll import Roll
from comptroller.store.ledger import Ledger

NAME = "console"


class House:
    """A ledger with one person in it, and the sessions of its console."""

    def __init__(self, place: Path, console: dict[str, object] | None = None, wide: bool = False) -> None:
        self.clock = FrozenClock()
        self.settings = Settings.model_validate({"ledger": str(place / "ledger"), "console": console or {}})
        self.ledger = Ledger.open(self.settings.ledger, self.settings, self.clock)
        self.roll = Roll(place / "ledger", self.ledger.digest)
        self.sessions = self.again(wide)

    def again(self, wide: bool = False) -> Sessions:
        """As after a restart: nothing is remembered but the record."""
        return Sessions(self.settings, self.roll, self.ledger.digest, self.clock, NAME, wide)

    def enter(self, hours: int = 12) -> dict[str, str]:
        """Sign in; the cookie."""
        wanted = Person("", "Ada", "", "default") if self.roll.now().entries else Person("", "Ada", "viewer", "default")
        _, token = people.invite(self.ledger, self.clock, self.roll.now(), wanted, HOUR_NS, "root")
        session = people.enter(self.ledger, self.clock, self.roll.now, token, hours * HOUR_NS)
        return {NAME: self.sessions.begin(session.id)}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.ledger.close()


def test_a_session_lasts_while_it_is_used_and_no_longer_than_its_hours(house: House) -> None:
    cookie = house.enter(hours=12)
    for _ in range(23):
        house.clock.tick(30 * 60)
        assert house.sessions.person(cookie) is not None
    house.clock.tick(30 * 60)
    assert house.sessions.person(cookie) is None


def test_an_idle_session_ends(house: House) -> None:
    cookie = house.enter()
    house.clock.tick(60 * 60)
    assert house.sessions.person(cookie, touch=False) is not None
    house.clock.tick(1)
    assert house.sessions.person(cookie) is None
    assert house.sessions.person(cookie) is None


def test_what_looks_by_itself_keeps_no_session_alive(house: House) -> None:
    cookie = house.enter()
    session = house.sessions.session(cookie)
    assert session is not None
    for _ in range(60):
        house.clock.tick(60)
        assert house.sessions.inside(session) is not None
    house.clock.tick(60)
    assert house.sessions.inside(session) is None


def test_a_cookie_is_renewed_as_it_is_used_and_outlives_a_restart(house: House) -> None:
    cookie = house.enter()
    session = house.sessions.session(cookie)
    assert session is not None
    assert house.sessions.renewed(cookie, session) is None
    house.clock.tick(50 * 60)
    assert house.sessions.person(cookie) is not None
    fresh = house.sessions.renewed(cookie, session)
    assert fresh is not None
    house.clock.tick(50 * 60)
    assert house.again().person(cookie) is None
    assert house.again().person({NAME: fresh}) is not None


def test_nobody_needs_to_sign_in_until_a_key_is_issued(house: House) -> None:
    who = house.sessions.person({})
    assert who is not None
    assert (who.id, who.name, who.role) == ("", "local", "admin")
    keys.issue(house.ledger, house.clock, Key(""))
    assert house.sessions.person({}) is None


def test_nobody_is_let_in_without_sign_in_where_others_can_reach_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    houses = House(tmp_path / "a", wide=True), House(tmp_path / "b", {"url": "https://console.example.com"})
    for house in houses:
        assert house.sessions.person({}) is None
        house.ledger.close()


def test_another_ledgers_cookie_is_worth_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = House(tmp_path / "a"), House(tmp_path / "b")
    other.enter()
    assert other.sessions.person(one.enter()) is None
    one.ledger.close()
    other.ledger.close()


def test_who_may_look_is_known_again_after_a_restart_from_the_bookmark(house: House) -> None:
    cookie = house.enter()
    again = Roll(Path(house.settings.ledger), house.ledger.digest)
    assert again.register.sessions.keys() == house.roll.now().sessions.keys()
    assert house.sessions.person(cookie) is not None
