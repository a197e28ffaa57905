"""What people say of outcomes: what cannot be meant is an error, what may not happen is on record."""

import pytest

from comptroller.core.errors import SettingsError
from comptroller.core.money import Money
from comptroller.office.saying import More, Speaker, say
from tests.office.bench import Office, office

ALICE = Speaker("alice")


class Ten:
    """A contract under which everything costs ten dollars."""

    def terms(self, tenant: str, customer: str, type: object, at: int) -> object:
        return "ten", type.terms  # type: ignore[attr-defined]

    def quote(self, outcome: object, at: int, before: object) -> tuple[str, Money]:
        return "v1", Money(10_000_000_000, "USD")


def pending(here: Office) -> str:
    key = here.claim()
    here.wait(1)
    return key


@pytest.mark.parametrize(
    ("word", "by", "more", "told"),
    [
        ("confirm", Speaker("x", "silence"), More(), "cannot be said of an outcome by silence"),
        ("cheer", ALICE, More(), "cannot be said"),
        ("reject", ALICE, More(amount="1 USD"), "An amount says nothing"),
        ("uphold", ALICE, More(amount="1"), "is not an amount of money"),
        ("credit", ALICE, More(amount="1 EUR"), "The fee is in USD, not in EUR"),
        ("confirm", ALICE, More(degree="2"), "is not a share"),
        ("evidence", ALICE, More(), "no evidence in it"),
    ],
)
def test_what_cannot_be_meant_is_an_error_and_not_on_record(word: str, by: Speaker, more: More, told: str) -> None:
    with office(agreed=Ten()) as here:
        key = pending(here)
        say(here.registry, "confirm", key, ALICE)
        before = len(here.registry.events(key))
        with pytest.raises(SettingsError, match=told):
            say(here.registry, word, key, by, more)
        assert len(here.registry.events(key)) == before


def test_nothing_is_said_of_what_is_not_there() -> None:
    with office() as here, pytest.raises(SettingsError, match="There is no outcome 'x'"):
        say(here.registry, "confirm", "x", ALICE)


def test_a_part_of_the_fee_is_given_back_by_its_amount() -> None:
    with office(agreed=Ten()) as here:
        key = pending(here)
        say(here.registry, "confirm", key, ALICE)
        say(here.registry, "credit", key, ALICE, More(amount="4 USD"))
        assert (here[key].fee, here[key].reversed_nanos) == (Money(10_000_000_000, "USD"), 4_000_000_000)
        assert here[key].contract == "ten"


def test_the_same_said_under_one_id_counts_once_and_otherwise_twice() -> None:
    with office(agreed=Ten()) as here:
        key = pending(here)
        say(here.registry, "confirm", key, ALICE)
        for _ in range(2):
            say(here.registry, "credit", key, ALICE, More(amount="1 USD"), "mine")
            say(here.registry, "credit", key, ALICE, More(amount="1 USD"))
        assert here[key].reversed_nanos == 3_000_000_000


def test_who_is_not_among_those_who_may_is_refused_on_record() -> None:
    with office(attest="[{by: human, of: [alice]}]") as here:
        key = pending(here)
        said = say(here.registry, "confirm", key, Speaker("bob"))
        assert said.ignored == "bob is not among those who may attest it"
        assert here.registry.events(key)[-1].event.actor == "bob"
        assert not say(here.registry, "confirm", key, ALICE).ignored


def test_evidence_that_comes_later_is_kept_and_tells_a_value() -> None:
    with office(value="{of: amount, currency: EUR}", checks="[]") as here:
        key = here.claim(evidence={"note": "x"})
        here.wait(1)
        assert here[key].state == "rejected"
        say(here.registry, "evidence", key, ALICE, More(evidence={"amount": "7.50"}))
        here.wait(1)
        assert (here[key].state, here[key].value) == ("pending", Money(7_500_000_000, "EUR"))
        assert b'{"amount":"7.50"}' in here.desk.ledger.bodies.values()
