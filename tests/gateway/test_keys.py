"""The key ring: who a secret is, now; and how soon it is nobody any more."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import StoreError
from comptroller.core.facts import Fact
from comptroller.core.settings import Settings
from comptroller.gateway.keys import KeyRing, PrivateRing
from comptroller.office import keys
from comptroller.office.follower import Follower
from comptroller.office.keys import Entry, Key, Register
from comptroller.store import segment
from comptroller.store.ledger import Ledger

HOUR = 3_600_000_000_000
FOUND = Follower._found


class House:
    """A ledger, its ring, and somebody who gives out keys."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, FrozenClock()
        self.ledger = Ledger.open(path, Settings.model_validate({"limits": {"segment_mb": 1}}), self.clock)
        self.ring = KeyRing(path, self.ledger.digest, self.clock)

    def issue(self, **fixed: object) -> tuple[Key, str]:
        made = keys.issue(self.ledger, self.clock, Key("", **fixed))  # type: ignore[arg-type]
        self.clock.tick(1)
        return made

    def work(self) -> None:
        """Write calls until the journal goes on in another segment."""
        for _ in range(12):
            self.ledger.record(Fact("claim", self.clock.new_id(), 0, data={"text": "x" * 100_000}))

    def entry(self, key: Key) -> Entry:
        return Register().fold(Follower(self.path, keys.KINDS).read()).entries[key.id]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "ledger")
    yield made
    made.ledger.close()


def test_a_secret_leads_to_what_its_key_fixes(house: House) -> None:
    made, secret = house.issue(agent="bot", customer="acme", scopes=frozenset({"read"}))
    found = house.ring.find(secret)
    assert found == made
    assert found is not None
    assert (found.agent, found.customer, found.scopes) == ("bot", "acme", frozenset({"read"}))


@pytest.mark.parametrize("secret", ["", "ck_", "sk-1", "ck_" + "a" * 42, "ck_" + "\ud800" * 42, "ck_" + "a" * 10_000])
def test_nobody_else_is_let_in(house: House, secret: str) -> None:
    house.issue()
    assert house.ring.find(secret) is None


def test_a_ring_that_was_closed_and_opened_knows_the_same(house: House) -> None:
    made, secret = house.issue()
    assert KeyRing(house.path, house.ledger.digest, house.clock).find(secret) == made


def test_a_key_of_another_ledger_opens_nothing(house: House, tmp_path: Path) -> None:
    other = House(tmp_path / "other")
    _, secret = other.issue()
    other.ledger.close()
    house.issue()
    assert house.ring.find(secret) is None


def test_a_key_works_as_soon_as_it_was_given_out(house: House) -> None:
    house.issue()
    house.ring.refresh()
    made, secret = keys.issue(house.ledger, house.clock, Key(""))
    assert house.ring.find(secret) == made


def test_revoking_works_within_a_quarter_second(house: House) -> None:
    made, secret = house.issue()
    assert house.ring.find(secret)
    keys.revoke(house.ledger, house.clock, house.entry(made))
    house.clock.tick(0.25)
    assert house.ring.find(secret) is None


def test_revoking_works_at_once_for_who_asks_to_refresh(house: House) -> None:
    made, secret = house.issue()
    keys.revoke(house.ledger, house.clock, house.entry(made))
    house.ring.refresh()
    assert house.ring.find(secret) is None


def test_the_journal_is_looked_at_four_times_a_second_at_most(house: House) -> None:
    made, secret = house.issue()
    assert house.ring.find(secret)
    keys.revoke(house.ledger, house.clock, house.entry(made))
    house.clock.tick(0.24)
    assert house.ring.find(secret)


def test_both_secrets_open_a_key_until_the_overlap_ends(house: House) -> None:
    made, old = house.issue()
    new, _ = keys.rotate(house.ledger, house.clock, house.entry(made), HOUR)
    house.clock.tick(3599)
    assert house.ring.find(old) == house.ring.find(new) == made
    house.clock.tick(1)
    assert house.ring.find(old) is None
    assert house.ring.find(new) == made


def test_a_key_ends_when_it_expires_and_so_do_its_new_secrets(house: House) -> None:
    made, old = house.issue(expires=house.clock.now_ns() + HOUR)
    new, _ = keys.rotate(house.ledger, house.clock, house.entry(made), 24 * HOUR)
    house.clock.tick(3598)
    assert house.ring.find(old) == house.ring.find(new) == made
    house.clock.tick(1)
    assert (house.ring.find(old), house.ring.find(new)) == (None, None)


def test_a_ring_without_keys_says_so_and_revoking_the_last_key_opens_no_door(house: House) -> None:
    assert not house.ring.configured
    made, _ = house.issue()
    house.ring.refresh()
    assert house.ring.configured
    keys.revoke(house.ledger, house.clock, house.entry(made))
    house.ring.refresh()
    assert house.ring.configured


def test_the_first_key_is_noticed_by_a_ring_that_nobody_asks_for_secrets(house: House) -> None:
    assert not house.ring.configured
    house.issue()
    assert house.ring.configured


def test_a_journal_put_back_to_an_older_state_ends_the_keys_it_does_not_know(tmp_path: Path) -> None:
    house = House(tmp_path / "ledger")
    path = segment.path_of(house.path, 1)
    older = path.read_bytes()
    _, secret = house.issue()
    assert house.ring.find(secret)
    house.ledger.close()
    path.write_bytes(older)
    house.ring.refresh()
    assert house.ring.find(secret) is None
    assert house.ring.configured


def test_a_journal_that_cannot_be_read_leaves_the_keys_as_they_are_and_says_so_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    _, secret = house.issue()
    assert house.ring.find(secret)
    with segment.path_of(house.path, 1).open("ab") as file:
        file.write(b'{"n":99,"k":"key.revoked","i":broken}\n')
    for _ in range(3):
        house.ring.refresh()
    assert house.ring.find(secret)
    assert caplog.text.count("cannot be brought up to date") == 1
    with pytest.raises(StoreError):
        KeyRing(house.path, house.ledger.digest, house.clock)


def test_what_came_before_a_record_that_cannot_be_read_counts(house: House) -> None:
    made, secret = house.issue()
    assert house.ring.find(secret)
    keys.revoke(house.ledger, house.clock, house.entry(made))
    house.ring.refresh()
    with segment.path_of(house.path, 1).open("ab") as file:
        file.write(b'{"n":99,"k":"key.issued","i":broken}\n')
    house.ring.refresh()
    assert house.ring.find(secret) is None


def test_many_threads_may_ask_while_keys_come_and_go(house: House) -> None:
    made, secret = house.issue()
    house.ring.refresh()
    go, wrong = threading.Event(), []

    def ask() -> None:
        go.wait()
        for _ in range(300):
            house.clock.tick(0.3)
            if house.ring.find(secret) != made:
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    go.set()
    for _ in range(50):
        house.issue()
    for thread in threads:
        thread.join()
    house.ring.refresh()
    assert not wrong


def test_a_new_ring_goes_on_where_another_left_a_bookmark(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made, secret = house.issue()
    house.work()
    house.ring.refresh()
    later, other = house.issue()
    read = []
    monkeypatch.setattr(Follower, "_found", lambda *found: read.append(1) or FOUND(*found))
    ring = KeyRing(house.path, house.ledger.digest, house.clock)
    assert (ring.find(secret), ring.find(other)) == (made, later)
    assert ring.configured
    assert len(read) == 1  # a look at the last segment, none at the first


def test_a_bookmark_of_a_journal_that_was_put_back_is_of_no_use(house: House) -> None:
    older = segment.path_of(house.path, 1).read_bytes()
    _, secret = house.issue()
    house.work()
    house.ring.refresh()
    assert (house.path / "keys.bookmark").exists()
    house.ledger.close()
    segment.path_of(house.path, 2).unlink()
    segment.path_of(house.path, 1).write_bytes(older)
    assert KeyRing(house.path, house.ledger.digest, house.clock).find(secret) is None


def test_a_private_ring_knows_its_one_secret_only() -> None:
    ring = PrivateRing(Key("", run="r1", agent="bot"))
    found = ring.find(ring.secret)
    assert found is not None
    assert found.run == "r1"
    assert ring.configured
    assert ring.find("") is None
    assert ring.find(ring.secret + "x") is None
    assert ring.find("\udcff") is None
