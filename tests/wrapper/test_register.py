"""The register of tokens: bounded, apart for each owner, and empty after an erasure."""

from dataclasses import replace

import pytest

from comptroller.core.call import Identity
from comptroller.guardrails.chain import Inspection
from comptroller.guardrails.tokens import known
from comptroller.wrapper import register
from comptroller.wrapper.register import Coin, Tokens, body_of, owner_of, value_in

WHO = Identity(tenant="t", customer="acme", user="jane")
OWNER = owner_of(WHO, "r1", "customer")


class Vault:
    erased = 0

    def erasures(self) -> int:
        return self.erased


def test_the_owner_is_the_customer_else_the_user_else_the_tenant() -> None:
    assert [owner_of(who, "r", "customer").subject for who in (WHO, replace(WHO, customer=""), Identity("t"))] == [
        *("acme", "jane", "t")
    ]
    assert [owner_of(WHO, "r", per).within for per in ("run", "customer", "tenant")] == ["r", "acme", ""]


@pytest.mark.parametrize("value", ["jane@acme.com", 'odd "\\ \u200b \ud800 text'])
def test_a_value_is_read_from_its_body_by_its_owner_and_as_its_kind_alone(value: str) -> None:
    body = body_of(OWNER, "email", value)
    assert value_in(body, OWNER, "email") == value
    assert value_in(body, OWNER, "phone") is None
    assert value_in(body, owner_of(WHO, "r1", "run"), "email") is None
    assert value_in(body, owner_of(replace(WHO, customer="initech"), "r1", "customer"), "email") is None


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"role": "user"}', b"\xff", b'["token"]'])
def test_a_body_that_is_no_tokens_has_no_value(body: bytes) -> None:
    assert value_in(body, OWNER, "email") is None


def test_the_value_used_longest_ago_is_forgotten_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "MOST_VALUES", 2)
    tokens = Tokens(Vault())
    for value in ("a", "b"):
        tokens.learn(OWNER, "email", value, Coin(f"<{value}>", True))
    assert tokens.coin(OWNER, "email", "a") == Coin("<a>", True)
    tokens.learn(OWNER, "email", "c", Coin("<c>", True))
    assert tokens.coin(OWNER, "email", "b") is None
    assert [tokens.value(OWNER, f"<{value}>") for value in "abc"] == ["a", None, "c"]


def test_what_is_announced_is_bounded_for_a_run_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "MOST_ANNOUNCED", 2)
    monkeypatch.setattr(register, "MOST_RUNS", 1)
    tokens = Tokens(Vault())
    for value in ("1", "1", "2", "3"):
        tokens.announce(OWNER, "r1", known(value, "phone"))
    assert [one.value for one in tokens.announced(OWNER, "r1")] == ["1", "2"]
    tokens.announce(OWNER, "r2", known("4", "phone"))
    assert not tokens.announced(OWNER, "r1")


def test_texts_are_bounded_in_number_and_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "MOST_TEXTS", 1)
    tokens = Tokens(Vault())
    for number, length in ((1, 10), (2, register.LONG + 1), (3, 10)):
        tokens.keep((0, number, length, False), (0, 1, Inspection("redact", (), "x" * length)))
    assert [
        tokens.reading((0, n, length, False)) is None for n, length in ((1, 10), (2, register.LONG + 1), (3, 10))
    ] == [*(True, True, False)]


def test_an_erasure_empties_it() -> None:
    vault = Vault()
    tokens = Tokens(vault)
    tokens.learn(OWNER, "email", "a", Coin("<a>", True))
    tokens.announce(OWNER, "r", known("1", "phone"))
    tokens.look()
    assert tokens.value(OWNER, "<a>") == "a"
    vault.erased += 1
    tokens.look()
    assert tokens.value(OWNER, "<a>") is None
    assert tokens.coin(OWNER, "email", "a") is None
    assert not tokens.announced(OWNER, "r")
