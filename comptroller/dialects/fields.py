"""The fields of a request or a reply that are no part of its conversation: guards see their strings all the same."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Raw

from comptroller.core.call import Part
from comptroller.dialects import tree
from comptroller.dialects.tree import Path

FIELD = "field"  # the role of such a part: it is not something anybody said
MARKS = frozenset({"type", "id", "file_id", "file_data", "data", "format", "detail", "cache_control", "signature"})


def beside(top: Mapping[str, Raw], known: frozenset[str]) -> Iterator[Part]:
    """What stands in fields a dialect does not read. Objects (a tool, say) stay one piece of JSON: one look-up each."""
    for name in top.keys() - known:
        yield from _parts(top[name], (name,))


def walk(node: Any, path: Path, skip: frozenset[str] = MARKS) -> Iterator[Part]:
    """Every string below a node."""
    for place, text in tree.strings(node, path, skip):
        yield Part("text", text, place, FIELD)


def walk_rest(node: Mapping[str, Any], known: frozenset[str], path: Path) -> Iterator[Part]:
    """Every string below the fields that are not known."""
    if node.keys() <= known:
        return
    for name in node.keys() - known:
        yield from walk(node[name], (*path, name))


def _parts(raw: Raw, path: Path) -> Iterator[Part]:
    data = bytes(raw)
    first = data[:1]
    if first == b'"':
        yield from walk(tree.load(data), path)
    elif first == b"{" and data != b"{}":
        yield Part("tool_call", data.decode(), path, FIELD)
    elif first == b"[":
        for number, item in enumerate(tree.items(raw)):
            yield from _parts(item, (*path, number))
