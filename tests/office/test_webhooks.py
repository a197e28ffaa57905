"""Webhooks: every transition told at least once, under one id, however often anything dies on the way."""

import json
from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comptroller.core.clock import FrozenClock
from comptroller.core.errors import SettingsError
from comptroller.core.facts import INVOICE, OUTCOME, Fact
from comptroller.core.settings import Settings
from comptroller.office import post, webhooks
from comptroller.office.post import Answer, Letter
from comptroller.office.webhooks import PAUSES_S, Courier, Hook, Post
from comptroller.testing.memory import MemoryLedger

SECRET = b"shared"
NUMBERS = count()


class Yard:
    """A ledger, a receiver that answers as told, and couriers that may die."""

    def __init__(self, *hooks: Hook) -> None:
        self.clock = FrozenClock()
        self.ledger = MemoryLedger(self.clock)
        self.hooks = hooks or (Hook("crm", "https://crm.test/in", SECRET),)
        self.got: list[Letter] = []
        self.answers: dict[str, Answer] = {}
        self.courier = self.anew()

    def anew(self) -> Courier:
        """A courier that has read nothing yet, as after a crash."""
        read = 0

        def facts() -> list[Fact]:
            nonlocal read
            begin, read = read, len(self.ledger.facts)
            return self.ledger.facts[begin:]

        self.courier = Courier(self.ledger, self.clock, self.hooks, facts, self.send)
        self.courier.catch_up()
        return self.courier

    def send(self, letters: Sequence[Letter], now_ns: int) -> list[Answer]:
        self.got += letters
        return [self.answers.get(letter.id, self.answers.get("*", Answer(200))) for letter in letters]

    def outcome(self, state: str, kind: str = "confirm", outcome: str = "o1", **more: object) -> str:
        id = f"e{next(NUMBERS)}"
        said = {"outcome": outcome, "type": kind, "at": self.clock.now_ns(), "state": state, "data": {}, **more}
        self.ledger.sync(Fact(OUTCOME, id, self.clock.now_ns(), data=said))
        return id

    @property
    def ids(self) -> list[str]:
        return [letter.id for letter in self.got]


def test_each_transition_is_told_once_signed_and_with_what_it_is_about() -> None:
    yard = Yard()
    claim = {"customer": "acme", "type": "loan.decided", "subject": "app-1", "terms": {"secret": 1}}
    first = yard.outcome("claimed", "claim", data=claim)
    second = yard.outcome("verified", attestor="crm", method="customer")
    assert yard.courier.deliver() == 2
    assert yard.courier.deliver() == 0
    assert yard.ids == [first, second]
    told = json.loads(yard.got[1].body)
    assert told["type"] == "outcome.verified"
    assert told["data"]["about"] == {"customer": "acme", "type": "loan.decided", "subject": "app-1"}
    assert told["data"]["attestor"] == "crm"
    assert b"terms" not in b"".join(letter.body for letter in yard.got)
    assert yard.got[0].secret == SECRET


def test_an_ignored_event_is_no_transition() -> None:
    yard = Yard()
    yard.outcome("verified", ignored="it was told before")
    assert yard.courier.deliver() == 0


def test_invoices_are_told_of_too() -> None:
    yard = Yard(Hook("erp", "https://erp.test", SECRET, ("invoice.*",)))
    yard.outcome("verified")
    document = {"period": "2026-01", "totals": {"subtotal": 7}, "lines": [{"a": 1}]}
    data = {"invoice": "i1", "event": "finalised", "number": "2026-0001", "customer": "acme", "document": document}
    yard.ledger.sync(Fact(INVOICE, "f1", yard.clock.now_ns(), data=data))
    yard.courier.deliver()
    (letter,) = yard.got
    assert json.loads(letter.body)["data"] == {
        "invoice": "i1", "event": "finalised", "number": "2026-0001", "customer": "acme", "period": "2026-01",
        "totals": {"subtotal": 7},
    }  # fmt: skip


def test_what_failed_is_tried_again_after_a_while_under_the_same_id_and_body() -> None:
    yard = Yard()
    id = yard.outcome("verified")
    yard.answers["*"] = Answer(500)
    yard.courier.deliver()
    assert yard.courier.deliver() == 0
    assert len(yard.got) == 1
    assert yard.courier.wait_s() == PAUSES_S[0]
    yard.clock.tick(PAUSES_S[0])
    yard.answers["*"] = Answer(204)
    assert yard.courier.deliver() == 1
    assert yard.ids == [id, id]
    assert yard.got[0].body == yard.got[1].body


def test_after_three_days_it_is_given_up_and_on_record() -> None:
    yard = Yard()
    yard.outcome("verified")
    yard.answers["*"] = Answer(0, error="no answer in time")
    for pause in (*PAUSES_S, 0):
        yard.courier.deliver()
        yard.clock.tick(pause)
    assert len(yard.got) == len(PAUSES_S) + 1
    yard.clock.tick(10 * 86_400)
    assert yard.courier.deliver() == 0
    assert yard.courier.post.told["crm"].given_up == 1
    assert [fact.kind for fact in yard.ledger.facts][-1] == "webhook.given_up"


def test_a_receiver_that_is_gone_is_not_asked_again() -> None:
    yard = Yard()
    yard.outcome("verified")
    yard.answers["*"] = Answer(410)
    yard.courier.deliver()
    assert not yard.courier.post.owed


def test_one_deaf_receiver_keeps_nothing_from_another() -> None:
    yard = Yard(Hook("deaf", "https://deaf.test"), Hook("crm", "https://crm.test"))
    yard.send = lambda letters, _: [Answer(200 if "crm" in letter.url else 500) for letter in letters]  # type: ignore[method-assign]
    yard.anew()
    yard.outcome("verified")
    assert yard.courier.deliver() == 1
    assert {hook for hook, _ in yard.courier.post.owed} == {"deaf"}


def test_a_hook_is_told_of_what_comes_after_it_was_set_up() -> None:
    yard = Yard()
    yard.outcome("claimed", "claim")
    yard.courier.deliver()
    yard.hooks = (*yard.hooks, Hook("new", "https://new.test"))
    yard.anew()
    later = yard.outcome("verified")
    yard.courier.deliver()
    assert [letter.id for letter in yard.got if letter.url == "https://new.test"] == [later]


@given(st.lists(st.sampled_from(["tell", "die before noting", "die", "fail", "work"]), max_size=25))
def test_whatever_dies_every_transition_arrives_and_none_under_two_ids(story: list[str]) -> None:
    yard = Yard()
    wanted = []
    for step in story:
        if step == "tell":
            wanted.append(yard.outcome("verified"))
        elif step == "die":
            yard.anew()
        elif step == "die before noting":
            yard.send(*_sent(yard))
            yard.anew()
        else:
            yard.answers["*"] = Answer(500 if step == "fail" else 200)
            yard.courier.deliver()
            yard.clock.tick(4_000)
    yard.answers["*"] = Answer(200)
    yard.clock.tick(86_400)
    yard.anew().deliver()
    assert set(yard.ids) == set(wanted)
    assert not yard.courier.post.owed
    assert yard.anew().deliver() == 0


def _sent(yard: Yard) -> tuple[list[Letter], int]:
    """What goes out before a crash, of which nothing gets on record."""
    yard.courier.catch_up()
    now = yard.clock.now_ns()
    return [yard.courier._letter(owed) for owed in yard.courier.post.due(now)], now


def test_facts_that_are_folded_twice_change_nothing() -> None:
    yard = Yard()
    for state in ("claimed", "verified", "billed"):
        yard.outcome(state)
        yard.courier.deliver()
    hooks = {hook.name: hook for hook in yard.hooks}
    once, twice = Post(hooks).fold(yard.ledger.facts), Post(hooks).fold([*yard.ledger.facts, *yard.ledger.facts])
    assert (once.owed, once.told) == (twice.owed, twice.told)
    assert once.told["crm"].delivered == 3


def test_no_secret_and_no_path_of_an_address_gets_on_record() -> None:
    yard = Yard(Hook("crm", "https://crm.test/in/TOKEN", b"SHARED"))
    yard.outcome("verified")
    yard.courier.deliver()
    assert "TOKEN" not in repr(yard.ledger.facts)
    assert "SHARED" not in repr(yard.ledger.facts)


def test_the_settings_name_a_secret_by_its_variable() -> None:
    hook = {"name": "crm", "url": "https://crm.test", "secret_env": "CRM"}
    settings = Settings.model_validate({"webhooks": [hook]})
    (found,) = webhooks.hooks_of(settings.webhooks, {"CRM": "whsec_c2hhcmVk"})
    assert found.secret == b"shared"
    for wrong in ({}, {"CRM": ""}, {"CRM": "whsec_?"}):
        with pytest.raises(SettingsError, match="webhooks: crm: CRM"):
            webhooks.hooks_of(settings.webhooks, wrong)


@pytest.mark.parametrize("url", ["http://crm.test", "ftp://crm.test", "crm", "https://me:word@crm.test"])
def test_an_address_that_would_carry_it_in_the_clear_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="write it like https"):
        Settings.model_validate({"webhooks": [{"name": "crm", "url": url, "secret_env": "CRM"}]})
    assert not post.safe_url(url)
