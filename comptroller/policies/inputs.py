"""The inputs a condition may name: their types, the stages that have them, and how each is read from a case."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from comptroller.core.mistakes import did_you_mean
from comptroller.core.money import NANOS
from comptroller.core.origin import Origins
from comptroller.core.verdict import Case
from comptroller.policies.syntax import BadCondition, spell
from comptroller.policies.values import ABSENT, Missing, cel_type, clean, fit, plain

Scopes = frozenset[str] | None
Get = Callable[[Case, Scopes], object]  # the case, and what the agents' tables leave of its scopes; may raise Missing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# An input stands only on the stages where something fills it: elsewhere it would be a zero that looks like an answer.
_EVERYWHERE = frozenset({"model", "tool", "agent", "reply", "result", "outcome"})
_IN_A_CALL = _EVERYWHERE - {"agent", "outcome"}
_OF_A_MODEL = frozenset({"model", "reply"})
_WITH_TOOL = frozenset({"tool", "result"})
_WITH_ARGS = frozenset({"tool"})
_SIGNS = {"and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!", "is": "=="}


@dataclass(frozen=True, slots=True)
class Input:
    """One name a condition may use."""

    type: str  # as CEL names it
    stages: frozenset[str]
    get: Get


def _known(name: str, kind: str) -> Get:
    """An input that only `Case.known` can give: nothing in the case itself holds it."""
    read = fit(kind)

    def get(case: Case, _scopes: Scopes) -> object:
        value = case.known.get(name)
        if value is None:
            raise Missing("is not known: nothing fills it yet")
        return read(value)

    return get


def _label(field: str) -> Get:
    """The worst label of an argument."""
    said = _known(f"provenance.args.{field}", "string")

    def get(case: Case, scopes: Scopes) -> object:
        if case.origins is None or f"provenance.args.{field}" in case.known:
            return said(case, scopes)
        origin = case.origins.of(field)
        if origin is None:
            raise Missing("is null" if field in _arguments(case) else "is absent")
        return origin.label

    return get


def _sources(field: str) -> Get:
    """Where the parts of an argument came from; nowhere, where it is absent."""
    said = _known(f"sources.args.{field}", "list<string>")

    def get(case: Case, scopes: Scopes) -> object:
        if case.origins is None or f"sources.args.{field}" in case.known:
            return said(case, scopes)
        origin = case.origins.of(field)
        return [] if origin is None else list(origin.sources)

    return get


def _of_run(name: str, kind: str, read: Callable[[Origins], object]) -> Get:
    """What the data flow says of the whole run."""
    said = _known(name, kind)

    def get(case: Case, scopes: Scopes) -> object:
        return said(case, scopes) if case.origins is None or name in case.known else read(case.origins)

    return get


def _text(case: Case, _scopes: Scopes) -> str:
    text = case.text()
    if not text and case.stage == "tool":  # a tool call's text is its arguments
        text = json.dumps(plain(_arguments(case)), ensure_ascii=False)
    return clean(text)


def _reply_text(case: Case, _scopes: Scopes) -> str:
    return clean(case.reply_text())


def _max_tokens(case: Case, _scopes: Scopes) -> int:
    if case.max_tokens is None:
        raise Missing("is absent")
    return case.max_tokens


def _scopes(case: Case, table: Scopes) -> list[str]:
    held = case.identity.scopes
    if held is None or table is None:
        return sorted(held or table or ())
    return sorted(held & table)


def _now(case: Case, _scopes: Scopes) -> datetime:
    return _EPOCH + timedelta(microseconds=case.now_ns // 1_000)


INPUTS: Mapping[str, Input] = {
    "model.name": Input("string", _OF_A_MODEL, lambda case, _: clean(case.model)),
    "model.stream": Input("bool", _OF_A_MODEL, lambda case, _: case.stream),
    "model.max_tokens": Input("int", _OF_A_MODEL, _max_tokens),
    "call.kind": Input("string", _EVERYWHERE, lambda case, _: clean(case.kind)),
    "call.input_tokens": Input("int", _OF_A_MODEL, lambda case, _: case.input_tokens),
    "call.worst_cost": Input("double", _OF_A_MODEL, lambda case, _: case.worst_cost_nanos / NANOS),
    "tool": Input("string", _WITH_TOOL, lambda case, _: clean(case.tool)),
    "text": Input("string", _IN_A_CALL, _text),
    "reply.text": Input("string", frozenset({"reply"}), _reply_text),
    "outcome.type": Input("string", frozenset({"outcome"}), _known("outcome.type", "string")),
    "agent": Input("string", _EVERYWHERE, lambda case, _: clean(case.identity.agent)),
    "scopes": Input("list<string>", _EVERYWHERE, _scopes),
    "key": Input("string", _EVERYWHERE, lambda case, _: clean(case.identity.key)),
    "user": Input("string", _EVERYWHERE, lambda case, _: clean(case.identity.user)),
    "run.id": Input("string", _EVERYWHERE, lambda case, _: clean(case.identity.run)),
    "run.workflow": Input("string", _EVERYWHERE, lambda case, _: clean(case.identity.workflow)),
    "run.customer": Input("string", _EVERYWHERE, lambda case, _: clean(case.identity.customer)),
    "run.spent": Input("double", _IN_A_CALL, lambda case, _: case.spent_nanos() / NANOS),
    "run.calls": Input("int", _IN_A_CALL, lambda case, _: case.run_calls()),
    "run.depth": Input("int", _EVERYWHERE, lambda case, _: case.identity.depth),
    "run.tainted": Input("bool", _EVERYWHERE, _of_run("run.tainted", "bool", lambda flow: flow.tainted)),
    "run.labels": Input(
        "list<string>", _EVERYWHERE, _of_run("run.labels", "list<string>", lambda flow: list(flow.labels))
    ),
    "now": Input("timestamp", _EVERYWHERE, _now),
}


class Vocabulary:
    """What the conditions of one rule may name: the inputs of its stage, and the arguments of its tools.

    `args` is None where no table tells what the tool takes; then any argument may be named and may be anything.
    """

    def __init__(self, stage: str, args: Mapping[str, str] | None, tool: str = "") -> None:
        self.stage = stage
        self.args = args
        self.tool = tool
        self._inputs: dict[str, Input] = {}
        self._fields: dict[str, str] = {}  # an argument's input -> the argument

    def resolve(self, path: tuple[str, ...]) -> tuple[str, int]:
        """The input that a dotted name begins with, and how many of its steps that takes; raises BadCondition."""
        for length in (3, 2, 1):
            name = ".".join(path[:length])
            if length <= len(path) and name in INPUTS:
                return self._fixed(name), length
        if path[0] == "args" and len(path) > 1:
            return self._argument(path[1]), 2
        if path[:2] == ("provenance", "args") and len(path) > 2:
            return self._labelled(path[2]), 3
        raise BadCondition(self._unknown(path))

    def input(self, name: str) -> Input:
        """The input behind a name that `resolve` gave, or behind `has.` and `sources.` of one."""
        if name in self._inputs:
            return self._inputs[name]
        if name.startswith("has."):
            return self._presence(name.removeprefix("has."))
        if name.startswith("sources."):
            return Input("list<string>", _WITH_ARGS, self._origin(name.removeprefix("sources.")))
        return INPUTS[name]

    def _origin(self, name: str) -> Get:
        field = self._fields.get(name)
        return _known(f"sources.{name}", "list<string>") if field is None else _sources(field)

    def _presence(self, name: str) -> Input:
        field = self._fields.get(name)
        return Input("bool", _EVERYWHERE, _said(INPUTS[name].get) if field is None else _passed(field))

    def _fixed(self, name: str) -> str:
        if self.stage not in INPUTS[name].stages:
            stages = ", ".join(sorted(INPUTS[name].stages))
            raise BadCondition(f"There is no `{name}` on stage {self.stage}, so this never matches. It is on {stages}.")
        return name

    def _argument(self, field: str) -> str:
        if self.stage not in _WITH_ARGS:
            raise BadCondition(
                f"There is no `args` on stage {self.stage}, so this never matches. Say `on: tool`, or leave it out."
            )
        if self.args is not None and field not in self.args:
            whose = f"`{self.tool}` has no argument `{field}`." if self.tool else f"No tool here has `args.{field}`."
            raise BadCondition(f"{whose} {did_you_mean(field, self.args)}")
        name = spell("args", field)
        kind = "any" if self.args is None else self.args[field]
        self._inputs[name] = Input(cel_type(kind), _WITH_ARGS, _argument_of(field, kind))
        self._fields[name] = field
        return name

    def _labelled(self, field: str) -> str:
        self._argument(field)
        name = spell("provenance.args", field)
        self._inputs[name] = Input("string", _WITH_ARGS, _label(field))
        return name

    def _unknown(self, path: tuple[str, ...]) -> str:
        name = ".".join(path)
        if path[0] in _SIGNS:
            return f"Conditions have no word `{path[0]}`. Write `{_SIGNS[path[0]]}`."
        if path[0] in ("args", "provenance"):
            return f"`{name}` is not one input. Name a field of it, like `{path[0]}.{'args.' * (path[0] != 'args')}x`."
        fields = [known for known in INPUTS if known.startswith(f"{path[0]}.")]
        full = did_you_mean(".".join(path[:2]), fields or INPUTS)
        roots = {known.partition(".")[0] for known in INPUTS} | {"args", "provenance"}
        return f"There is no input `{name}`. {full if fields or 'mean' in full else did_you_mean(path[0], roots)}"


def _arguments(case: Case) -> Mapping[str, object]:
    if case.args is None:
        raise Missing("is not there: the arguments are not a JSON object")
    return case.args


def _argument_of(field: str, kind: str) -> Get:
    read = fit(kind)

    def get(case: Case, _scopes: Scopes) -> object:
        value = _arguments(case).get(field)
        if value is None:
            raise Missing("is null" if field in _arguments(case) else "is absent")
        return read(value)

    return get


def _passed(field: str) -> Get:
    """Whether an argument is there and not null, whatever its type."""

    def there(case: Case, _scopes: Scopes) -> bool:
        return _arguments(case).get(field) is not None

    return there


def _said(get: Get) -> Get:
    """Whether an input is there and says something; one that nothing fills yet stays missing."""

    def there(case: Case, scopes: Scopes) -> bool:
        try:
            return get(case, scopes) not in (None, "")
        except Missing as why:
            if str(why) in ABSENT:
                return False
            raise

    return there
