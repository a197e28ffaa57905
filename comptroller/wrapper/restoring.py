"""Values put back for tokens in the arguments of tool calls: in those a policy names, for whom they are about alone."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from comptroller.core.call import ToolCall
from comptroller.core.errors import Denied, StoreError
from comptroller.core.verdict import Verdict
from comptroller.guardrails import tokens as text
from comptroller.policies.tokens import ALL, Tokens, tokens_for
from comptroller.wrapper.effects import Effect, Recall
from comptroller.wrapper.entry import Entry
from comptroller.wrapper.register import Coin, Owner, owner_of, value_in

Args = Mapping[str, object]
RULE = "tokens.back"  # as it stands on record


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
            value = yield from value_of(tool, owner, token)
            if value is not None:
                (values if is_named else others)[token] = value
            elif is_named:
                raise _refused(tool, said, _unknown(name, arg))
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
    said = tokens_for(tool.desk.book, tool.identity)
    if said is None:
        return NOTHING
    back = yield from put_back(tool, tool.name, plain(bound))
    if back.values:
        bound.update(back.shown(bound))
        for arg, value in plain(bound).items():
            if (ALL in back.named or arg in back.named) and text.tokens_in(value) & back.values.keys():
                raise _refused(tool, said, _out_of_reach(arg))
    return back


def written(args: Args) -> str:
    """Arguments as JSON."""
    return msgspec.json.encode(args).decode()


def value_of(tool: Entry, owner: Owner, token: str) -> Generator[Effect, Any, str | None]:
    """What a token stands for: as this process remembers it, else as the vault does; None where it is nobody's."""
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
        tool.say(tool.kind, Verdict("deny", RULE, "", because), tool.name)
        raise Denied(because, {"rule": RULE}) from error
    value = value_in(body, owner, kind) if body is not None else None
    if value is not None:
        register.learn(owner, kind, value, Coin(token, text.stands_alone(tool.desk.chain, kind, value)))
    return value


def _unknown(name: str, arg: str) -> str:
    where = f"The argument `{arg}`" if arg != ALL else "The input"
    return (
        f"{where} of {name} holds a token that stands for nothing here: it was copied wrongly, made up or taken from "
        "somebody else's conversation, or what it stood for was erased. Copy it letter by letter, or ask for the value."
    )


def _out_of_reach(arg: str) -> str:
    return (
        f"A token stands inside the argument `{arg}`, in an object nothing can be put into. Pass texts, lists, dicts."
    )


def _refused(tool: Entry, said: Tokens, because: str) -> Denied:
    tool.say("tool", Verdict("deny", RULE, said.policy, because, said.place), tool.name)
    return Denied(because, {"rule": RULE, "policy": said.policy, "place": said.place})


def _say(tool: Entry, name: str, counts: Mapping[str, int]) -> None:
    """How many values were put back, and where; never which."""
    where = ", ".join(f"`{arg}`" for arg in counts if arg != ALL) or "the input"
    number = sum(counts.values())
    because = f"{count(number, 'value')} {'was' if number == 1 else 'were'} put back in {where}."
    tool.say("tool", Verdict("note", RULE, "", because), name, back=dict(counts))


def count(number: int, what: str) -> str:
    """So many of them, in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"
