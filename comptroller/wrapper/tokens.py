"""Tokens on the way in: what guards find in the texts of a request becomes one, and is told from there on by it."""

from collections.abc import Generator, Hashable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from comptroller.core.call import Identity, Part, Request
from comptroller.core.errors import StoreError
from comptroller.core.verdict import Action
from comptroller.guardrails import tokens as text
from comptroller.guardrails.chain import Chain, Inspection, Plan
from comptroller.guardrails.tokens import PERSONAL, Exchange
from comptroller.policies.book import Book
from comptroller.policies.tokens import Tokens, tokens_for
from comptroller.wrapper.effects import Effect
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.register import UNTOUCHED, Coin, Reading, body_of, owner_of
from comptroller.wrapper.restoring import count, value_of

MOST_STRANGE = 64  # tokens of a request that are looked up in the vault only to know where they came from


def kinds_of(said: Tokens) -> frozenset[str]:
    """What is replaced."""
    return (PERSONAL if said.kinds is None else said.kinds) | said.more


def covering(entry: Entry, plan: Plan) -> Plan:
    """The plan for a text in which nothing can be put back: what would become a token is redacted."""
    said = _said_for(entry)
    return plan if said is None else _covering(tuple(plan.items()), kinds_of(said))


@lru_cache(1_024)
def _covering(plan: tuple[tuple[str, Action], ...], kinds: frozenset[str]) -> Plan:
    return Exchange(kinds, lambda kind, value: "").covering(dict(plan))


def told(chain: Chain, book: Book, who: Identity, words: str, plan: Plan) -> Inspection:
    """What would be said of a text on its way in; nothing is kept of it."""
    said = tokens_for(book, who)
    if said is None:
        return chain.inspect(words, plan)
    return text.exchange(chain, words, plan, Exchange(kinds_of(said), lambda kind, value: f"<{kind}>"))


def _said_for(entry: Entry) -> Tokens | None:
    """What holds for a call: for that of a judge what holds for whom it judges."""
    book, judged = entry.desk.book, entry.run.bench
    said = tokens_for(book, judged) if judged is not None else None
    return said if said is not None else tokens_for(book, entry.identity)


# -- on the way in


def spelled_out(entry: Entry, request: Request) -> Generator[Effect, Any, Request]:
    """The request as whoever traces values reads it: a page that names a token names what it stands for.

    What the model itself said is left as it is, and so known again when history brings it.
    """
    said = _said_for(entry) if entry.desk.book.traces else None
    if said is None:
        return request
    found = {number: found for number, part in enumerate(request.parts) if (found := _tokens_of_others(part))}
    if not found:
        return request
    owner, register = owner_of(entry.identity, entry.run.id, said.per), entry.desk.tokens
    register.look()
    tokens = set().union(*found.values())
    values = {token: value for token in tokens if (value := register.value(owner, token)) is not None}
    strange = sorted(tokens - values.keys())
    if len(strange) > MOST_STRANGE:  # a page full of made-up ones must not keep the vault busy, nor hide a true one
        entry.run.flow.lose(f"a text in it holds more than {MOST_STRANGE} tokens that are not known here")
    for token in strange[:MOST_STRANGE]:
        value = yield from value_of(entry, owner, token)
        if value is not None:
            values[token] = value
    parts = list(request.parts)
    for number in found:
        parts[number] = replace(parts[number], text=str(text.replaced(parts[number].text, values)))
    return replace(request, parts=parts)


def _tokens_of_others(part: Part) -> set[str]:
    return set() if part.role in ("assistant", "model") or part.kind == "tool_call" else text.tokens_in(part.text)


def swap_for(entry: Entry) -> "Swap | None":
    """What replaces findings in the texts of a request; None where no policy says so."""
    said = _said_for(entry)
    return None if said is None else Swap(entry, said)


class Swap:
    """The texts of one request: what is found becomes a token, the same one wherever it stands."""

    def __init__(self, entry: Entry, said: Tokens) -> None:
        self._entry, self._desk = entry, entry.desk
        self._owner = owner_of(entry.identity, entry.run.id, said.per)
        self._exchange = Exchange(kinds_of(said), self._make)
        self._register = entry.desk.tokens
        self._register.look()
        self._looked: list[tuple[Part, Plan, int]] = []
        self._made = 0
        self._plan: Plan | None = None
        self._covering: Plan = {}
        self._place = 0  # stands for all but the text: to add that up for each of 200 texts took 4 % of a call

    def inspect(self, part: Part, plan: Plan) -> Inspection | None:
        """What the guards say of a text, and the text with tokens in it; None where there is nothing to say."""
        if not part.text:
            return None
        reading = self._read(part, plan)
        self._looked.append((part, plan, reading[0]))
        _, number, found = reading
        if found is None or not number:
            return found
        became = f"{count(number, 'value')} became {'a token' if number == 1 else 'tokens'}"
        return replace(found, because=f"{found.because}; {became}")

    def catch_up(self, texts: dict[Hashable, str]) -> None:
        """Look once more at texts that stood before the words which gave a value away."""
        known = self._register.announced(self._owner, self._entry.run.id)
        for part, plan, before in self._looked:
            if before < len(known):
                found = self._read(part, plan)[2]
                if found is not None and found.text != texts.get(part.path, part.text):
                    self._entry.found("model", found, part.tool)
                    texts[part.path] = found.text

    def _read(self, part: Part, plan: Plan) -> Reading:
        as_json = part.kind == "tool_call"
        if plan is not self._plan:
            said = tuple(plan.items())
            self._plan, self._covering = plan, _covering(said, self._exchange.kinds)
            self._place = hash((self._owner, self._entry.run.id, self._exchange.kinds, said))
        key = (self._place, hash(part.text), len(part.text), as_json)
        known = self._register.announced(self._owner, self._entry.run.id)
        reading = self._register.reading(key)
        if reading is not None and reading[0] == len(known):
            return reading
        if self._desk.inspect(part.text, self._covering, as_json) is None and not known:
            return UNTOUCHED
        before, self._made = len(known), 0
        found = text.exchange(self._desk.chain, part.text, plan, self._exchange, known, as_json)
        silent = found.action == "allow" and not found.failed
        reading = (before, self._made, None if silent else found)
        self._register.keep(key, reading)
        return reading

    def _make(self, kind: str, value: str) -> str:
        self._made += 1
        coin = self._register.coin(self._owner, kind, value)
        if coin is None:
            alone = text.stands_alone(self._desk.chain, kind, value)
            coin = Coin(text.spelled(kind, self._kept(body_of(self._owner, kind, value))), alone)
            self._register.learn(self._owner, kind, value, coin)
        if not coin.alone:
            self._register.announce(self._owner, self._entry.run.id, text.known(value, kind))
        return coin.token

    def _kept(self, body: bytes) -> str:
        """In the vault before anybody sees its token, whatever `capture` says of the texts themselves."""
        ledger, owner = self._desk.ledger, self._owner
        try:
            return ledger.keep([body], owner.tenant, owner.subject)[0]
        except StoreError as error:
            self._entry.store_failed(error)
            return ledger.digest(body)
