"""Tokens on the path of a call: what they stand for is taken out of requests, and put back where a policy names it."""

from collections.abc import Callable, Generator, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import msgspec

from comptroller.core.call import Identity, Part, ToolCall
from comptroller.core.errors import Denied, StoreError
from comptroller.core.verdict import Action, Verdict
from comptroller.guardrails import tokens as text
from comptroller.guardrails.chain import Chain, Inspection, Plan
from comptroller.guardrails.tokens import PERSONAL, Exchange
from comptroller.policies.book import Book
from comptroller.policies.tokens import ALL, Tokens, tokens_for
from comptroller.wrapper.effects import Effect, Recall
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.register import UNTOUCHED, Coin, Owner, Reading, body_of, owner_of, value_in

Args = Mapping[str, object]


def kinds_of(said: Tokens) -> frozenset[str]:
    """What is replaced."""
    return (PERSONAL if said.kinds is None else said.kinds) | said.more


def covering(entry: Entry, plan: Plan) -> Plan:
    """The plan for a text in which nothing can be put back: what would become a token is redacted."""
    said = tokens_for(entry.desk.book, entry.identity)
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


# -- on the way in


def swap_for(entry: Entry) -> "Swap | None":
    """What replaces findings in the texts of a request; None where no policy says so."""
    said = tokens_for(entry.desk.book, entry.identity)
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
        became = f"{_count(number, 'value')} became {'a token' if number == 1 else 'tokens'}"
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


# -- on the way back


@dataclass(frozen=True, slots=True)
class Back:
    """What was put back into the arguments of a tool call."""

    named: frozenset[str] = frozenset()  # the arguments in which that may be
    values: Mapping[str, str] = field(default_factory=dict)  # by their tokens, where they were put back
    others: Mapping[str, str] = field(default_factory=dict)  # by tokens that stay: for tracing where they came from

    def shown(self, args: Args) -> Args:
        """The arguments with values in place of tokens, where a policy names them."""
        return self._in_named(args, self.values)

    def shown_in(self, arguments: str) -> str:
        """The same in arguments as they are written."""
        return self._in_text(arguments, self.values)

    def hidden_in(self, arguments: str) -> str:
        """The arguments as the model wrote them, with its tokens."""
        return self._in_text(arguments, {value: token for token, value in self.values.items()})

    def traced(self, args: Args) -> Args:
        """The arguments with values for all tokens, as whoever traces them has met them."""
        made = text.replaced(dict(args), {**self.others, **self.values})
        assert isinstance(made, dict)
        return made

    def _in_text(self, arguments: str, by: Mapping[str, str]) -> str:
        if not by:
            return arguments
        try:
            args = msgspec.json.decode(arguments)
        except msgspec.MsgspecError:
            args = None
        if isinstance(args, dict):
            return written(self._in_named(args, by))
        return str(text.replaced(arguments, by)) if ALL in self.named else arguments

    def _in_named(self, args: Args, by: Mapping[str, str]) -> Args:
        everywhere = ALL in self.named
        return {name: text.replaced(v, by) if everywhere or name in self.named else v for name, v in args.items()}


NOTHING = Back()


def put_back(tool: Entry, name: str, args: Args | None) -> Generator[Effect, Any, Back]:
    """What tokens in the arguments of a tool call stand for; refuses the call where one that is named is unknown."""
    said = tokens_for(tool.desk.book, tool.identity)
    if said is None or not args:
        return NOTHING
    named = said.back(name)
    places = {arg: text.tokens_in(value) for arg, value in args.items()}
    if not any(places.values()):
        return NOTHING
    tool.desk.tokens.look()
    owner = owner_of(tool.identity, tool.run.id, said.per)
    values: dict[str, str] = {}
    others: dict[str, str] = {}
    counts: dict[str, int] = {}
    for arg, tokens in places.items():
        is_named = ALL in named or arg in named
        for token in tokens if is_named or tool.desk.book.traces else ():
            value = yield from _value(tool, owner, token)
            if value is not None:
                (values if is_named else others)[token] = value
            elif is_named:
                raise _unknown(tool, name, arg)
        if is_named and tokens:
            counts[arg] = len(tokens)
    if values:
        _say(tool, name, counts)
    return Back(named, values, others)


def restored(tool: Entry, call: ToolCall) -> Generator[Effect, Any, tuple[ToolCall, Back]]:
    """A tool call a model asked for, with values where a policy has them put back."""
    args = call.args if call.args is not None else {ALL: call.text}  # no object: whoever names all of it means its text
    back = yield from put_back(tool, call.name, args)
    if not back.values:
        return call, back
    if call.args is None:
        return replace(call, text=str(back.shown(args)[ALL])), back
    shown = back.shown(args)
    return replace(call, text=written(shown), args=shown), back


def restored_in(
    tool: Entry, bound: dict[str, object], plain: Callable[[dict[str, object]], Args]
) -> Generator[Effect, Any, Back]:
    """The same for a function that is about to be called: its own arguments get the values."""
    back = yield from put_back(tool, tool.name, plain(bound))
    if back.values:
        bound.update(back.shown(bound))
        for arg, value in plain(bound).items():
            if (ALL in back.named or arg in back.named) and text.tokens_in(value) & back.values.keys():
                raise _out_of_reach(tool, arg)
    return back


def written(args: Args) -> str:
    """Arguments as JSON."""
    return msgspec.json.encode(args).decode()


def _value(tool: Entry, owner: Owner, token: str) -> Generator[Effect, Any, str | None]:
    register = tool.desk.tokens
    value = register.value(owner, token)
    read = text.read(token) if value is None else None
    if read is None:
        return value
    kind, digest = read
    try:
        body: bytes | None = yield Recall(digest, owner.tenant, owner.subject)
    except StoreError as error:
        because = f"What a token stands for cannot be looked up, so the call is refused: {error}"
        raise Denied(because, {"rule": "tokens.back"}) from error
    value = value_in(body, owner, kind) if body is not None else None
    if value is not None:
        register.learn(owner, kind, value, Coin(token, text.stands_alone(tool.desk.chain, kind, value)))
    return value


def _unknown(tool: Entry, name: str, arg: str) -> Denied:
    where = f"The argument `{arg}`" if arg != ALL else "The input"
    because = (
        f"{where} of {name} holds a token that stands for nothing here: it was copied wrongly, made up or taken from "
        "somebody else's conversation, or what it stood for was erased. Copy it letter by letter, or ask for the value."
    )
    tool.say("tool", Verdict("deny", "tokens.back", "", because), name)
    return Denied(because, {"rule": "tokens.back"})


def _out_of_reach(tool: Entry, arg: str) -> Denied:
    because = f"A token stands inside the argument `{arg}`, in an object nothing can be put into. Pass texts or lists."
    tool.say("tool", Verdict("deny", "tokens.back", "", because), tool.name)
    return Denied(because, {"rule": "tokens.back"})


def _say(tool: Entry, name: str, counts: Mapping[str, int]) -> None:
    """How many values were put back, and where; never which."""
    where = ", ".join(f"`{arg}`" for arg in counts if arg != ALL) or "the input"
    number = sum(counts.values())
    because = f"{_count(number, 'value')} {'was' if number == 1 else 'were'} put back in {where}."
    tool.say("tool", Verdict("note", "tokens.back", "", because), name, back=dict(counts))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
