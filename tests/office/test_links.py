"""A customer's link: for one outcome, one answer, and a while."""

import pytest

from comptroller.office.links import LIVES_NS, BadLink, answer, read_link, write_link
from tests.office.bench import Office, office


def linked(here: Office) -> tuple[str, str]:
    key = here.claim()
    here.wait(1)
    return key, write_link(here.desk.ledger.digest, here.clock, key, "acme")


def test_a_link_takes_one_answer_for_its_customer() -> None:
    with office() as here:
        key, token = linked(here)
        answer(here.registry, token, True)
        assert (here[key].state, here[key].attestor) == ("verified", "customer acme")
        for confirmed in (True, False):
            with pytest.raises(BadLink, match="was used before"):
                answer(here.registry, token, confirmed)
        assert here.history(key)[-1] == "confirm"


def test_a_second_link_comes_too_late_and_says_so() -> None:
    with office() as here:
        key, token = linked(here)
        other = write_link(here.desk.ledger.digest, here.clock, key, "acme")
        answer(here.registry, token, True)
        assert answer(here.registry, other, False).ignored == "it is verified"


def test_every_changed_letter_makes_a_link_worthless() -> None:
    with office() as here:
        _, token = linked(here)
        for place in range(0, len(token), 7):
            odd = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            with pytest.raises(BadLink):
                read_link(here.desk.ledger.digest, here.clock.now_ns(), odd)
        for odd in ("", ".", "x", token + "A", token.partition(".")[0], "é.é", "A" * 5000):
            with pytest.raises(BadLink):
                read_link(here.desk.ledger.digest, here.clock.now_ns(), odd)


def test_a_link_of_another_ledger_opens_nothing() -> None:
    with office() as here:
        _, token = linked(here)
        with pytest.raises(BadLink):
            read_link(lambda data: "0" * 32, here.clock.now_ns(), token)


def test_a_link_ends() -> None:
    with office() as here:
        _, token = linked(here)
        now = here.clock.now_ns()
        assert read_link(here.desk.ledger.digest, now + LIVES_NS, token).customer == "acme"
        with pytest.raises(BadLink, match="has ended"):
            read_link(here.desk.ledger.digest, now + LIVES_NS + 1, token)
