"""What a tool returned, taken apart where it is JSON, YAML or Python's own spelling.

Whoever wrote a text chose its shape: nothing here recurses with it, builds what it describes or follows its aliases.
"""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

MOST_LEAVES = 10_000
MOST_CHARS = 200_000  # longer texts are taken as they are
DEEPEST = 40
_PYTHON = 50_000  # characters; its reader is slow and uses memory
_PILED = re.compile(r"[-+~(\[{\s]{100}")  # what could only be meant to break a reader
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Leaf = tuple[str, str]  # the field it stands under, "" for none; the text. A key is a leaf of the field `KEY`
KEY = "\0key"


class _TooMuch(Exception):
    """More than is looked at."""


def leaves_of(text: str) -> list[Leaf] | None:
    """The leaves of a structured text; None where it is none, or too much to look at."""
    start = text.lstrip()[:1]
    if not start or len(text) > MOST_CHARS or not (start in "[{-" or ": " in text[:200] or ":\n" in text[:200]):
        return None
    for read in (_json, _python, _yaml) if start in "{[" else (_yaml,):
        try:
            return _bounded(read(text.strip()))
        except _TooMuch:
            return None
        except (ValueError, SyntaxError, MemoryError, RecursionError, yaml.YAMLError, TypeError):
            continue
    return None


def _bounded(leaves: Iterator[Leaf]) -> list[Leaf]:
    found: list[Leaf] = []
    for leaf in leaves:
        if len(found) >= MOST_LEAVES:
            raise _TooMuch
        found.append(leaf)
    return found


def _json(text: str) -> Iterator[Leaf]:
    return _leaves(_some(json.loads(text)), "", 0)


def _python(text: str) -> Iterator[Leaf]:
    if len(text) > _PYTHON or _PILED.search(text):
        raise ValueError("too much to read")
    return _leaves(_some(ast.literal_eval(text)), "", 0)


def _some(value: object) -> object:
    if not isinstance(value, dict | list):
        raise ValueError("no structure")
    return value


def _leaves(value: object, field: str, depth: int) -> Iterator[Leaf]:
    if depth > DEEPEST:
        raise _TooMuch
    if isinstance(value, dict):
        for key, inner in value.items():
            yield KEY, str(key)
            yield from _leaves(inner, str(key), depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _leaves(inner, field, depth + 1)
    elif value is not None and not isinstance(value, bool):
        yield field, value if isinstance(value, str) else str(value)


def _yaml(text: str) -> Iterator[Leaf]:
    """From the events of the parser: it keeps its place by itself, where a builder of nodes would recurse."""
    open_: list[tuple[bool, str]] = []  # whether each is a mapping, and the field it stands under
    key: str | None = None  # of the innermost mapping, once it was said
    some = False
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            field = key if key is not None else open_[-1][1] if open_ else ""
            open_.append((isinstance(event, yaml.MappingStartEvent), field))
            some, key = True, None
            if len(open_) > DEEPEST:
                raise _TooMuch
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            open_.pop()
            key = None
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            if not some:
                raise ValueError("no structure")
            value = event.value if isinstance(event, yaml.ScalarEvent) else ""
            if open_[-1][0] and key is None:
                key = value
                yield KEY, value
                continue
            if value:
                yield key if key is not None else open_[-1][1], value
            key = None
