"""Conditions: CEL behind our own classes, the only place that knows the library.

What the library does that we do not want, and what stands here against it: its checker refuses `double > int`, so the
operators are declared anew with mixed numbers; its errors come back as values whose plain value is a truthy string, or
as exceptions, so anything that is not a BOOL is `Undecided`.
"""

import operator
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from comptroller.core.forks import LOADING
from comptroller.policies.syntax import BadCondition

Types = Mapping[str, str]  # input -> our name of its type

_SCALARS = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration")
_ORDERED = {"_<_": "less", "_<=_": "less_equals", "_>_": "greater", "_>=_": "greater_equals"}
_MIXED = (("int", "double"), ("double", "int"))
_ARITHMETIC = {"_+_": "add", "_-_": "subtract", "_*_": "multiply", "_/_": "divide"}
_TIMES = {
    "_+_": [
        ("timestamp", "duration", "timestamp"),
        ("duration", "timestamp", "timestamp"),
        ("duration", "duration", "duration"),
    ],
    "_-_": [
        ("timestamp", "timestamp", "duration"),
        ("timestamp", "duration", "timestamp"),
        ("duration", "duration", "duration"),
    ],
}
_ERROR_PLACE = re.compile(r"^\w+: (?:ERROR: <input>:-?\d+:-?\d+: )?|\s*\(in container ''\)|\s*\[\w+\]$")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '([^']*)'")
_OPERAND = re.compile(r"expression of type '([^']+)' cannot be the operand of a select operation")
_KINDS = {"google.protobuf.Timestamp": "moment", "google.protobuf.Duration": "length of time", "null_type": "null"}
_ERRORS = (RuntimeError, ValueError, TypeError, OverflowError)  # e.g. an iteration bomb stopped


class Undecided(Exception):
    """A condition came to no answer; says why."""


class Condition:
    """One compiled condition; raises BadCondition when it cannot be compiled or is not true or false."""

    __slots__ = ("_program", "text", "types")

    def __init__(self, text: str, types: Types) -> None:
        self.text = text
        self.types = types
        self._program = _compile(text, types)
        if self._program.return_type().name() != "BOOL":
            kind = self._program.return_type().name().lower()
            raise BadCondition(f"The condition gives a {kind}, not true or false. Compare it with something.")

    def holds(self, values: Mapping[str, object]) -> bool:
        """Whether it is true of the values; raises Undecided for anything but true and false."""
        answer = _evaluate(self._program, values)
        if isinstance(answer, bool):
            return answer
        raise Undecided(f"it gave a {type(answer).__name__}, not true or false")


class Fused:
    """Several conditions in one program: 100 cost 25 us together, 400 apart."""

    __slots__ = ("_program", "size")

    def __init__(self, conditions: Sequence[Condition]) -> None:
        types: dict[str, str] = {}
        for condition in conditions:
            types.update(condition.types)
        self.size = len(conditions)
        self._program = _compile("[" + ", ".join(condition.text for condition in conditions) + "]", types)

    def answers(self, values: Mapping[str, object]) -> list[bool]:
        """The answer of each; raises Undecided when a single one has none, and then each must be asked alone."""
        try:
            answers = self._program.eval(data=values).plain_value()  # that it is a list tells its type well enough
        except _ERRORS as error:
            raise Undecided(_plainly(str(error))) from None
        if isinstance(answers, list) and len(answers) == self.size and {*map(type, answers)} == {bool}:
            return answers
        raise Undecided("not all gave true or false")


def _compile(text: str, types: Types) -> Any:
    try:
        return _environment(tuple(sorted(types.items()))).compile(text)
    except (RuntimeError, ValueError) as error:
        raise BadCondition(_cause(str(error))) from None


def _evaluate(program: Any, values: Mapping[str, object]) -> object:
    try:
        value = program.eval(data=values)
        kind = value.type().name()
        plain = value.plain_value()
    except _ERRORS as error:
        raise Undecided(_plainly(str(error))) from None
    if kind == "BOOL" or kind.startswith("LIST"):  # a list tells the type of its elements too
        return plain
    raise Undecided(_plainly(str(plain)) if kind == "ERROR" else f"it gave a {kind}, not true or false")


def _plainly(message: str) -> str:
    first = message.splitlines()[0] if message else "no reason given"
    return _ERROR_PLACE.sub("", first).strip()[:200]  # what is told may quote what was given


def _cause(message: str) -> str:
    first = _ERROR_PLACE.sub("", message.splitlines()[0]).strip()
    mismatch = _OVERLOAD.search(first)
    if mismatch:
        return _mismatch(mismatch[1].strip("_@"), mismatch[2][1:-1].split(", "))
    operand = _OPERAND.search(first)
    if operand:
        return f"{_article(operand[1]).capitalize()} has no fields. Compare it as a whole."
    if "Syntax error" in first:
        told = first.split("Syntax error: ")[-1].split(" expecting")[0]
        told = "it ends too early" if "<EOF>" in told else told
        return f"The condition cannot be read: {told}. Mend it."
    return f"The condition cannot be used: {first.rstrip('.')}. Mend it."


def _mismatch(name: str, kinds: list[str]) -> str:
    name = {"_": "[]", "?_:": "? :"}.get(name, name)
    told = " and ".join(map(_article, kinds))
    if "null_type" in kinds:
        return f"`{name}` does not fit {told}. Ask `has(...)` whether something is there."
    return f"`{name}` does not fit {told}. Compare like with like."


def _article(kind: str) -> str:
    kind = _KINDS.get(kind, kind)
    return kind if kind == "null" else f"an {kind}" if kind[0] in "aiou" else f"a {kind}"


@lru_cache(maxsize=1024)
def _environment(types: tuple[tuple[str, str], ...]) -> Any:
    with LOADING:
        from cel_expr_python import cel  # 30 ms: only where there is a condition

    return cel.NewEnv(
        config=_config(),
        variables={name: cel.Type(kind) for name, kind in types},
        function_impls={f"{word}_{a}_{b}": _arithmetic(word) for word in _ARITHMETIC.values() for a, b in _MIXED},
    )


def _arithmetic(word: str) -> Any:
    return {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv}[word]


@lru_cache(maxsize=1)
def _config() -> Any:
    """The operators, declared anew in full with mixed numbers; the library's runtime compares those already."""
    from cel_expr_python import cel

    functions = [_function(name, overloads) for name, overloads in _declarations().items()]
    excluded = "\n".join(f'    - name: "{name}"' for name in _declarations())
    return cel.NewEnvConfigFromYaml(f"stdlib:\n  exclude_functions:\n{excluded}\nfunctions:\n" + "\n".join(functions))


_Overload = tuple[str, tuple[str, ...], str]


def _declarations() -> dict[str, list[_Overload]]:
    return {
        **{name: _comparison(word) for name, word in _ORDERED.items()},
        "_==_": _equality("equals"),
        "_!=_": _equality("not_equals"),
        "@in": [
            ("in_list", ("~A", "list<~A>"), "bool"),
            ("in_map", ("~A", "map<~A, ~B>"), "bool"),
            *((f"in_{a}_{b}", (a, f"list<{b}>"), "bool") for a, b in _MIXED),
        ],
        **{name: _sums(name, word) for name, word in _ARITHMETIC.items()},
    }


def _comparison(word: str) -> list[_Overload]:
    pairs = [*((kind, kind) for kind in _SCALARS), *_MIXED]
    return [(f"{word}_{a}_{b}", (a, b), "bool") for a, b in pairs]


def _equality(word: str) -> list[_Overload]:
    return [(word, ("~A", "~A"), "bool"), *((f"{word}_{a}_{b}", (a, b), "bool") for a, b in _MIXED)]


def _sums(name: str, word: str) -> list[_Overload]:
    found: list[_Overload] = [(f"{word}_{kind}", (kind, kind), kind) for kind in ("int", "uint", "double")]
    found += [(f"{word}_{a}_{b}", (a, b), "double") for a, b in _MIXED]
    found += [(f"{word}_{a}_{b}", (a, b), result) for a, b, result in _TIMES.get(name, [])]
    if name == "_+_":
        found += [(f"{word}_{kind}", (kind, kind), kind) for kind in ("string", "bytes", "list<~A>")]
    return found


def _function(name: str, overloads: list[_Overload]) -> str:
    lines = [f'  - name: "{name}"', "    overloads:"]
    for key, args, result in overloads:
        told = ", ".join(_type(arg) for arg in args)
        lines.append(f'      - {{id: "{re.sub("[^a-z0-9_]", "", key)}", args: [{told}], return: {_type(result)}}}')
    return "\n".join(lines)


def _type(name: str) -> str:
    if name.startswith("~"):
        return f"{{type_name: {name[1:]}, is_type_param: true}}"
    head, _, params = name.partition("<")
    if not params:
        return f"{{type_name: {head}}}"
    inner = ", ".join(_type(param) for param in params[:-1].split(", "))
    return f"{{type_name: {head}, params: [{inner}]}}"
