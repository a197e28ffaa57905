"""What holding a value against a JSON schema may take: an upper bound, walked before a validator does the work.

A step stands for a schema at a part of the value. It weighs more where the schema lists much or the part is long, as a
validator compares each with each, and keeps both in every mistake that it tells of.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import Any
from urllib.parse import unquote

import msgspec

MOST_STEPS = 20_000  # of a schema over a value: 20 ms at worst
MOST_PATTERNS = 64  # of one schema: each may take some milliseconds to be read
DEEPEST = 64
PIECE = 256  # bytes of a value that weigh as much as one more step
PER_STEP = 100  # states of a pattern times characters, 20 to 35 ns each
MOST_STATES = 5_000  # a larger pattern is refused when it is read
LONGEST = 1_000  # characters of a pattern that are looked at one by one
_REPEAT = re.compile(r"\{(\d{1,6})(?:,(\d{0,6}))?\}", re.ASCII)
_HERE = ("allOf", "anyOf", "oneOf", "prefixItems")
_ALONE = ("not", "if", "then", "else")
_EACH = (
    *("additionalProperties", "unevaluatedProperties"),
    *("items", "additionalItems", "contains", "unevaluatedItems"),
)
_BY_NAME = ("dependentSchemas", "dependencies")
_NAMES = ("required", "dependentRequired", "dependencies")


class Unchecked(ValueError):
    """Why a text cannot be held against a schema."""


def patterns_in(node: object) -> int:
    """How many patterns a schema may hold."""
    if isinstance(node, list):
        return sum(map(patterns_in, node))
    if not isinstance(node, dict):
        return 0
    named = node.get("patternProperties")
    own = isinstance(node.get("pattern"), str) + (len(named) if isinstance(named, dict) else 0)
    return own + sum(map(patterns_in, node.values()))


class Steps:
    """Walks a schema over a value as a validator would at worst, and gives up where that takes too long."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root, self._left = root, MOST_STEPS
        self._weights: dict[int, int] = {}

    def take(self, schema: object, value: object, deep: int = 0) -> None:
        """Raises Unchecked."""
        if not isinstance(schema, dict):
            return self._spend(1)
        if deep > DEEPEST:
            raise Unchecked("holding it against its schema would take too long")
        self._spend((self._weight(schema) + _missing(schema, value)) * (1 + _size(value) // PIECE))
        self._spend(_matching(schema, value))
        if schema is not self._root and _renames(schema):
            raise Unchecked("its schema refers to itself by names, not by places")
        for name in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(reference := schema.get(name), str):
                self.take(self._found(reference, name), value, deep + 1)
        for name in _HERE:
            for inner in _schemas(schema.get(name)):
                self.take(inner, value, deep + 1)
        for name in _ALONE:
            if name in schema:
                self.take(schema[name], value, deep + 1)
        for inner, child in _below(schema, value):
            self.take(inner, child, deep + 1)
        return None

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise Unchecked("holding it against its schema would take too long")

    def _weight(self, schema: dict[str, Any]) -> int:
        found = self._weights.get(id(schema))  # which its root keeps alive
        if found is None:
            found = self._weights[id(schema)] = _weight_of(schema)
        return found

    def _found(self, reference: str, keyword: str) -> object:
        """What a reference within the schema names. By another name (an anchor, an id) it may be anything."""
        node: object = self._root
        if keyword != "$ref" or not reference.startswith("#") or (len(reference) > 1 and reference[1] != "/"):
            raise Unchecked("its schema refers to itself by names, not by places")
        for step in unquote(reference[2:]).split("/") if len(reference) > 2 else ():
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):
                node = node[int(step)] if step.isascii() and step.isdigit() and int(step) < len(node) else None
            else:
                node = node.get(step) if isinstance(node, dict) else None
            if node is None or (node is not self._root and _renames(node)):
                raise Unchecked("its schema refers to itself by names, not by places")
        return node


def _renames(schema: object) -> bool:
    """Whether what stands below it is found by other places than it stands at."""
    return isinstance(schema, dict) and any(isinstance(schema.get(name), str) for name in ("$id", "id"))


def _weight_of(schema: dict[str, Any]) -> int:
    listed = sum(len(part) for part in schema.values() if isinstance(part, dict | list)) // 8
    told = sum(len(msgspec.json.encode(schema[name])) for name in ("enum", "const") if name in schema) // 64
    return 1 + listed + told


def _matching(schema: dict[str, Any], value: object) -> int:
    """Steps of matching patterns: in the worst case each state of one is looked at for each character."""
    if isinstance(value, str):
        pattern = schema.get("pattern")
        return _states(pattern) * len(value) // PER_STEP if isinstance(pattern, str) else 0
    named = schema.get("patternProperties") if isinstance(value, dict) else None
    if not isinstance(named, dict):
        return 0
    return sum(map(_states, named)) * sum(map(len, value)) // PER_STEP if isinstance(value, dict) else 0


@lru_cache(maxsize=512)
def _states(pattern: str) -> int:
    """How large a pattern may be once its counted repeats are written out; those of groups may hold others."""
    if len(pattern) > LONGEST:
        return MOST_STATES
    counts = [int(most or least) for least, most in _REPEAT.findall(pattern)]
    if "(" in pattern:
        return min(len(pattern) * prod(counts), MOST_STATES)
    return min(len(pattern) + sum(counts), MOST_STATES)


def _missing(schema: dict[str, Any], value: object) -> int:
    """Names that a part has to have and has not: each is a mistake of its own."""
    if not isinstance(value, dict):
        return 0
    count = 0
    for keyword in _NAMES:
        said = schema.get(keyword)
        for names in (said,) if isinstance(said, list) else said.values() if isinstance(said, dict) else ():
            count += sum(1 for name in names if name not in value) if isinstance(names, list) else 0
    return count


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if not isinstance(value, dict | list):
        return 0
    try:
        return len(msgspec.json.encode(value))
    except (ValueError, OverflowError, RecursionError):
        raise Unchecked("it holds what cannot be measured") from None


def _below(schema: Mapping[str, Any], value: object) -> Iterator[tuple[object, object]]:
    """The parts of a value, each with every schema for such parts: an upper bound of what is looked at."""
    if isinstance(value, dict):
        named = schema.get("properties")
        for name, inner in named.items() if isinstance(named, dict) else ():
            if name in value:
                yield inner, value[name]
        for name in value if "propertyNames" in schema else ():
            yield schema["propertyNames"], name
        for inner in _listed(schema, "patternProperties"):
            for child in value.values():
                yield inner, child
        for group in _BY_NAME:
            for inner in _listed(schema, group):
                yield inner, value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for name in _EACH:
        for inner in _schemas(schema.get(name)):
            for child in children:
                yield inner, child
    if schema.get("uniqueItems") is True and isinstance(value, list):
        yield from ((None, None) for _ in range(min(len(value) ** 2, MOST_STEPS + 1)))


def _listed(schema: Mapping[str, Any], group: str) -> list[object]:
    listed = schema.get(group)
    return [inner for inner in listed.values() if isinstance(inner, dict)] if isinstance(listed, dict) else []


def _schemas(node: object) -> list[object]:
    return node if isinstance(node, list) else [node] if isinstance(node, dict) else []
