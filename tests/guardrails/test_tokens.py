"""Tokens in place of findings: told from other text, made of what is found, and put back without loss."""

import hashlib
from collections import namedtuple
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comptroller.guardrails.chain import Chain
from comptroller.guardrails.guard import Guard
from comptroller.guardrails.tokens import (
    GUARD_OF,
    PERSONAL,
    TOKEN,
    Exchange,
    exchange,
    known,
    read,
    replaced,
    spelled,
    stands_alone,
    tokens_in,
)

CHAIN = Chain()
VALUES = (
    "jane@acme.com",
    "+49 30 90182310",
    "DE89 3704 0044 0532 0130 00",
    "4012 8888 8888 1881",
    "10.1.2.3",
    "078-05-1120",
)
WORDS = st.sampled_from([*VALUES, "hello", "to:", "€", "<email:nobody>", "\n", "a\u200bb", "[email]", '"', "\\", "Zoë"])


def digest_of(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Bank:
    """Makes tokens and remembers them, as the register and the vault do."""

    def __init__(self, kinds: frozenset[str] = PERSONAL) -> None:
        self.values: dict[str, str] = {}
        self.exchange = Exchange(kinds, self._make)

    def _make(self, kind: str, value: str) -> str:
        digest = digest_of(f"{kind} {value}")
        self.values[spelled(kind, digest)] = value
        return spelled(kind, digest)


def given_back(text: str, bank: Bank) -> str:
    return str(replaced(text, bank.values))


@settings(deadline=None, max_examples=60)
@given(st.lists(WORDS, max_size=8).map(" ".join))
def test_what_is_put_back_is_what_was_taken_out(text: str) -> None:
    bank = Bank()
    found = exchange(CHAIN, text, {}, bank.exchange)
    assert given_back(found.text, bank) == text
    for value in bank.values.values():
        assert value not in found.text


@settings(deadline=None, max_examples=60)
@given(st.lists(WORDS, max_size=8).map(" ".join))
def test_a_text_with_tokens_has_nothing_left_to_find(text: str) -> None:
    once = exchange(CHAIN, text, {"secrets": "redact"}, Bank().exchange).text
    assert exchange(CHAIN, once, {"secrets": "redact"}, Bank().exchange).action == "allow"


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(["to", "note", "ip"]), st.lists(WORDS, max_size=3).map(" ".join)))
def test_arguments_stay_json_and_come_back_the_same(args: dict[str, str]) -> None:
    bank = Bank()
    found = exchange(CHAIN, msgspec.json.encode(args).decode(), {}, bank.exchange, as_json=True)
    assert replaced(msgspec.json.decode(found.text), bank.values) == args


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=16, max_size=16).map(bytes.hex), st.sampled_from(sorted(GUARD_OF)))
def test_a_token_is_read_as_it_was_spelled_and_no_guard_sees_anything_in_it(digest: str, kind: str) -> None:
    token = spelled(kind, digest)
    assert read(token) == (kind, digest)
    for text in (token, f"call {token} or write to {token}", f'{{"{kind}": "{token}"}}'):
        assert CHAIN.inspect(text, {"secrets": "redact", "privacy": "redact"}).action == "allow"


def test_what_is_nearly_a_token_is_noticed_and_spells_nothing() -> None:
    token = spelled("email", "0f" * 16)
    for broken in (token[:-4] + ">", token.replace("z", "a"), token.replace("<email", "<iban")[:-2] + "q>"):
        assert TOKEN.search(broken)
        assert read(broken) is None
    for other in ("<email:nobody>", "<xs:element-with-a-very-long-name-indeed>", token.upper(), "a < b: c > d"):
        assert not TOKEN.search(other)


@pytest.mark.parametrize(
    ("plan", "kinds", "text", "action"),
    [
        ({}, {"email"}, "[t] 10.1.2.3", "redact"),
        ({"privacy": "note"}, {"email"}, "[t] 10.1.2.3", "redact"),
        ({"privacy": "redact"}, {"email"}, "[t] [ip]", "redact"),
        ({"privacy": "ask"}, {"email"}, "[t] 10.1.2.3", "ask"),
        ({"privacy": "deny"}, {"email"}, "[t] 10.1.2.3", "deny"),
        ({"privacy": "note"}, {"iban"}, "jane@acme.com 10.1.2.3", "note"),
        ({}, {"iban"}, "jane@acme.com 10.1.2.3", "allow"),
    ],
)
def test_kinds_become_tokens_and_all_else_is_as_the_plan_says(
    plan: Any, kinds: set[str], text: str, action: str
) -> None:
    ex = Exchange(frozenset(kinds), lambda kind, value: "[t]")
    found = exchange(CHAIN, "jane@acme.com 10.1.2.3", plan, ex)
    assert (found.text, found.action) == (text, action)


def test_a_secret_becomes_a_token_where_its_kind_is_named() -> None:
    ex = Exchange(frozenset({"aws-access-key"}), lambda kind, value: f"[{kind} {len(value)}]")
    key = "AKIA" + "QYLPMN5HFIQR7BBB"  # has the form of a key and opens nothing
    assert exchange(CHAIN, f"{key} jane@acme.com", {}, ex).text == "[aws-access-key 20] jane@acme.com"


def test_a_value_told_by_the_words_before_it_is_found_again_without_them() -> None:
    bank = Bank()
    exchange(CHAIN, "phone: 030 90182310", {}, bank.exchange)
    ((_, value),) = bank.values.items()
    assert not stands_alone(CHAIN, "phone", value)
    assert stands_alone(CHAIN, "email", "jane@acme.com")
    again = [known(value, "phone")]
    found = exchange(CHAIN, f'{{"n": "{value}", "id": "9{value}"}}', {}, bank.exchange, again, as_json=True)
    assert found.text.count("<phone:") == 1
    assert f"9{value}" in found.text  # a longer number is another one


def test_a_guard_that_breaks_refuses() -> None:
    class Broken:
        name = "broken"

        def inspect(self, text: str) -> Any:
            raise ValueError("no")

    guard: Guard = Broken()
    found = exchange(Chain([guard]), "jane@acme.com", {"broken": "note"}, Bank().exchange)
    assert (found.action, found.failed) == ("deny", "broken")


def test_values_are_put_into_texts_at_any_depth_and_nothing_else_is_touched() -> None:
    Pair = namedtuple("Pair", "one two")
    token = spelled("email", "0f" * 16)
    odd = object()
    node = {"a": [token, {"b": (f"<{token}>", 1)}], token: odd, "p": Pair(token, 2)}
    assert tokens_in(node) == {token}
    made = replaced(node, {token: "jane"})
    assert made == {"a": ["jane", {"b": ("<jane>", 1)}], "jane": odd, "p": Pair("jane", 2)}
    plain = {"a": [1, {"b": "c"}]}
    assert replaced(plain, {token: "jane"}) is plain
