"""What a tool returned, taken apart where it is JSON, YAML or Python's own spelling."""

import ast
import json
from collections.abc import Iterator
from typing import Any

import yaml

MOST_LEAVES = 20_000
MOST_CHARS = 400_000  # longer texts are taken as they are
DEEPEST = 40
_PYTHON = 50_000  # characters; its reader is slow and uses memory
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Leaf = tuple[str, str]  # the field it stands under, "" for none; the text. A key is a leaf of the field `KEY`
KEY = "\0key"


def leaves_of(text: str) -> list[Leaf] | None:
    """The leaves of a structured text; None where it is none, or too much to look at."""
    start = text.lstrip()[:1]
    if not start or len(text) > MOST_CHARS or not (start in "[{-" or ": " in text[:200] or ":\n" in text[:200]):
        return None
    value = _read(text.strip())
    if not isinstance(value, dict | list):
        return None
    found: list[Leaf] = []
    for leaf in _leaves(value, "", 0):
        if len(found) >= MOST_LEAVES:  # aliases can make a small text hold more than there is memory
            return None
        found.append(leaf)
    return found


def _read(text: str) -> object:
    for read in (_json, _python, _yaml) if text[0] in "{[" else (_yaml,):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, yaml.YAMLError, TypeError):
            continue
    return None


def _json(text: str) -> object:
    return json.loads(text)


def _python(text: str) -> object:
    if len(text) > _PYTHON:
        raise ValueError("too long")
    return ast.literal_eval(text)


def _yaml(text: str) -> object:
    return yaml.load(text, _Loader)


def _leaves(value: object, field: str, depth: int) -> Iterator[Leaf]:
    if depth > DEEPEST:
        yield field, "..."
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield KEY, str(key)
            yield from _leaves(inner, str(key), depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _leaves(inner, field, depth + 1)
    elif value is not None and not isinstance(value, bool):
        yield field, value if isinstance(value, str) else str(value)
