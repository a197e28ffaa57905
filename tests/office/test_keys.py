"""Keys as facts: what is kept of them, how they fold, what rotating and revoking mean."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import SettingsError
from comptroller.office import keys
from comptroller.office.keys import Key, Register
from comptroller.testing.memory import MemoryLedger

HOUR = 3_600_000_000_000


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def folded(ledger: MemoryLedger) -> Register:
    return Register().fold(ledger.facts)


def test_secrets_have_a_prefix_enough_chance_and_a_checksum() -> None:
    made = {keys.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(keys.is_secret(secret) and len(secret) == keys.LENGTH for secret in made)
    assert all(set(secret[3:]) <= set(string.ascii_letters + string.digits) for secret in made)


@given(st.integers(3, keys.LENGTH - 1), st.sampled_from(string.ascii_letters + string.digits))
def test_any_mistyped_character_shows(place: int, other: str) -> None:
    secret = "ck_0123456789abcdefghijklmnopqrstuvwxyz"
    secret += keys._checksum(secret[3:])
    assert keys.is_secret(secret)
    typed = secret[:place] + other + secret[place + 1 :]
    assert keys.is_secret(typed) == (typed == secret)


@pytest.mark.parametrize("text", ["", "ck_", "sk-abc", "ck_" + "a" * 42, "ck_\ud800" + "a" * 41])
def test_what_is_no_secret_is_told_apart(text: str) -> None:
    assert not keys.is_secret(text)


def test_a_key_comes_back_from_its_fact_as_it_was_issued(ledger: MemoryLedger, clock: FrozenClock) -> None:
    caps = (keys.read_budget("50 USD/month"), keys.read_budget("100 calls"))
    scopes = frozenset({"credit:read"})
    wanted = Key("", "t", "bot", "acme", "ada", "loans", scopes, caps, clock.now_ns() + HOUR, "ci")
    made, _ = keys.issue(ledger, clock, wanted, by="root")
    assert folded(ledger).entries[made.id].key == made
    assert {cap.who for cap in made.budgets} == {made.id}


def test_no_fact_holds_a_secret_and_all_are_durable(ledger: MemoryLedger, clock: FrozenClock) -> None:
    made, first = keys.issue(ledger, clock, Key(""))
    second, _ = keys.rotate(ledger, clock, folded(ledger).entries[made.id], HOUR)
    keys.revoke(ledger, clock, folded(ledger).entries[made.id])
    assert ledger.synced == ledger.facts
    assert len(ledger.facts) == 3
    assert not [secret for secret in (first, second) if secret in repr(ledger.facts)]


def test_the_hash_is_that_of_a_key_and_not_of_a_body_that_quotes_it(ledger: MemoryLedger) -> None:
    secret = keys.new_secret()
    assert keys.hash_of(secret, ledger.digest) != ledger.digest(secret.encode())


def test_rotating_keeps_the_key_and_gives_the_secret_before_an_end(ledger: MemoryLedger, clock: FrozenClock) -> None:
    made, first = keys.issue(ledger, clock, Key("", budgets=(keys.read_budget("5 USD"),)))
    second, until = keys.rotate(ledger, clock, folded(ledger).entries[made.id], HOUR)
    entry = folded(ledger).entries[made.id]
    assert entry.key == made
    assert entry.hashes == ((keys.hash_of(first, ledger.digest), until), (keys.hash_of(second, ledger.digest), 0))
    assert until == clock.now_ns() + HOUR
    assert entry.status(clock.now_ns()) == "rotating"
    assert entry.status(until) == "live"


def test_rotating_at_once_ends_every_earlier_secret(ledger: MemoryLedger, clock: FrozenClock) -> None:
    made, _ = keys.issue(ledger, clock, Key(""))
    keys.rotate(ledger, clock, folded(ledger).entries[made.id], 24 * HOUR)
    keys.rotate(ledger, clock, folded(ledger).entries[made.id], 0)
    ends = [end for _, end in folded(ledger).entries[made.id].hashes]
    assert ends == [clock.now_ns(), clock.now_ns(), 0]


def test_a_later_rotation_never_prolongs_an_older_secret(ledger: MemoryLedger, clock: FrozenClock) -> None:
    made, _ = keys.issue(ledger, clock, Key(""))
    keys.rotate(ledger, clock, folded(ledger).entries[made.id], HOUR)
    keys.rotate(ledger, clock, folded(ledger).entries[made.id], 24 * HOUR)
    assert folded(ledger).entries[made.id].hashes[0][1] == clock.now_ns() + HOUR


def test_what_no_longer_counts_cannot_be_rotated(ledger: MemoryLedger, clock: FrozenClock) -> None:
    made, _ = keys.issue(ledger, clock, Key(""))
    keys.revoke(ledger, clock, folded(ledger).entries[made.id])
    with pytest.raises(SettingsError, match="no longer counts"):
        keys.rotate(ledger, clock, folded(ledger).entries[made.id], HOUR)


def test_a_misspelt_right_at_the_api_is_refused_before_anything_is_on_record(
    ledger: MemoryLedger, clock: FrozenClock
) -> None:
    with pytest.raises(SettingsError, match=r"api:reed: .* There are: api:read, api:bodies, api:write, api:keys"):
        keys.issue(ledger, clock, Key("", scopes=frozenset({"api:reed", "credit:read"})))
    assert ledger.facts == []


def test_a_key_is_meant_by_id_name_or_beginning(ledger: MemoryLedger, clock: FrozenClock) -> None:
    one, _ = keys.issue(ledger, clock, Key("", name="ci"))
    two, _ = keys.issue(ledger, clock, Key("", name=one.id[:10]))
    register = folded(ledger)
    assert [entry.key.id for entry in register.meant("ci")] == [one.id]
    assert [entry.key.id for entry in register.meant(one.id)] == [one.id]
    assert [entry.key.id for entry in register.meant(one.id[:10])] == [two.id]  # a name goes before a beginning
    assert len(register.meant("key_")) == 2


def test_facts_of_keys_nobody_issued_change_nothing(ledger: MemoryLedger, clock: FrozenClock) -> None:
    made, _ = keys.issue(ledger, clock, Key(""))
    entry = folded(ledger).entries[made.id]
    strangers = [fact for fact in ledger.facts if fact.kind != "key.issued"]
    keys.revoke(ledger, clock, entry)
    assert Register().fold(strangers + ledger.facts[1:]).entries == {}


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ("50 USD", ("USD", 50_000_000_000, "")),
        ("2.50 USD/month", ("USD", 2_500_000_000, "month")),
        (" 100 calls / hour ", ("calls", 100, "hour")),
        ("50000 tokens/day", ("tokens", 50_000, "day")),
    ],
)
def test_budgets_are_read_as_people_write_them(text: str, cap: Any) -> None:
    read = keys.read_budget(text)
    assert (read.unit, read.limit, read.every) == cap
    assert (read.per, read.over) == ("key", "deny")


@pytest.mark.parametrize("text", ["", "50", "50 USD/year", "USD", "-5 USD", "50 USD/month/month", "/month"])
def test_a_budget_that_is_none_says_how_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match="Write"):
        keys.read_budget(text)
