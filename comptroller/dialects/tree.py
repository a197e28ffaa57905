"""JSON as a tree: read with care, changed by path, written so that what did not change keeps its bytes."""

import re
from base64 import b64decode, b64encode
from collections.abc import Hashable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from comptroller.dialects.dialect import Unreadable

Path = tuple[str | int, ...]

_decode = msgspec.json.Decoder().decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[Raw]).decode
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD][89a-fA-F]..|.)", re.DOTALL)
_LONE = re.compile("[\ud800-\udfff]")
_MOST = 2**53  # above this no count is a count


def load(data: bytes | Raw) -> Any:
    """The value of a JSON text. Lone surrogates, which JavaScript clients do send, become U+FFFD."""
    return _guarded(_decode, data)


def fields(data: bytes | Raw) -> dict[str, Raw]:
    """The fields of a JSON object, their values still as bytes."""
    found: dict[str, Raw] = _guarded(_decode_fields, data)
    if isinstance(data, bytes) and not data.isascii():
        _check_utf8(data)  # fields that stay bytes are skipped over, not looked into
    return found


def items(data: bytes | Raw) -> list[Raw]:
    """The elements of a JSON array, still as bytes."""
    found: list[Raw] = _guarded(_decode_items, data)
    return found


def value(found: Mapping[str, Raw], name: str) -> Any:
    """The value of a field; None where it is absent."""
    return load(found[name]) if name in found else None


def dump(node: object) -> bytes:
    """Compact JSON; numbers and text a strict reader would reject are replaced, never an error."""
    try:
        return msgspec.json.encode(node, enc_hook=str)
    except UnicodeEncodeError:
        return msgspec.json.encode(_mended(node), enc_hook=str)


def clean(text: str) -> str:
    """The text without lone surrogates, so that it can be written as UTF-8."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def put(node: Any, path: Path, text: str) -> None:
    """Replace what stands at `path`: a string by `text`, an object by the object `text` describes."""
    for step in path[:-1]:
        node = node[step]
    last = path[-1]
    before = node[last]
    if isinstance(before, str) and before.startswith("data:text/"):
        text = "data:text/plain;base64," + b64encode(text.encode()).decode()
    node[last] = text if isinstance(before, str) else as_object(text)


def text_in(url: str) -> str:
    """The text of a `data:text/...` URL; the URL itself where it cannot be told."""
    head, _, body = url.partition(",")
    if not head.lower().endswith(";base64"):
        return unquote(body)
    try:
        return b64decode(body + "=" * (-len(body) % 4)).decode("utf-8", "replace")
    except ValueError:
        return url


def as_object(text: str) -> dict[str, Any]:
    """The JSON object in a text; any other text becomes the one field `text` of an object."""
    found = object_or_none(text)
    return {"text": text} if found is None else found


def object_or_none(text: str) -> dict[str, Any] | None:
    """The JSON object in a text, or None where it is not one."""
    try:
        found = load(clean(text).encode())
    except Unreadable:
        return None
    return found if isinstance(found, dict) else None


def replaced(found: dict[str, Raw], texts: Mapping[Hashable, str], listed: str = "messages") -> dict[str, Raw]:
    """The fields with texts replaced by path; elements of the array `listed` without a change keep their bytes."""
    by_root: dict[Path, list[tuple[Path, str]]] = {}
    for path, text in texts.items():
        assert isinstance(path, tuple)
        depth = 2 if path[0] == listed and len(path) > 1 else 1
        by_root.setdefault(path[:depth], []).append((path[depth - 1 :], text))
    out = dict(found)
    messages = items(found[listed]) if any(len(root) > 1 for root in by_root) else []
    for root, changes in by_root.items():
        name, at = str(root[0]), root[-1]
        holder = {at: load(messages[at] if isinstance(at, int) else found[name])}
        for path, text in changes:
            put(holder, path, clean(text))
        if isinstance(at, int):
            messages[at] = Raw(dump(holder[at]))
        else:
            out[name] = Raw(dump(holder[at]))
    if messages:
        out[listed] = Raw(dump(messages))
    return out


def appended(data: bytes, listed: str, node: object) -> bytes:
    """The object with one more element in its array `listed`; all else keeps its bytes."""
    top = fields(data)
    top[listed] = Raw(dump([*items(top[listed]), node]))
    return dump(top)


def strings(node: Any, path: Path, skip: frozenset[str] = frozenset()) -> Iterator[tuple[Path, str]]:
    """Every non-empty string below a node with its path, in order; fields named in `skip` are left out."""
    if isinstance(node, str):
        if node:
            yield path, node
    elif isinstance(node, dict):
        for name, child in node.items():
            if name not in skip:
                yield from strings(child, (*path, name), skip)
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from strings(child, (*path, number), skip)


def text_of(node: object) -> str:
    """The node where it is a string, else nothing."""
    return node if isinstance(node, str) else ""


def count_of(node: object) -> int:
    """A whole number of zero or more, also out of a float or a string; anything else is zero."""
    try:
        number = 0 if isinstance(node, bool) else int(node)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 0 < number <= _MOST else 0


def count_or_none(node: object) -> int | None:
    """Like `count_of`, but None for what is not a number at all."""
    if isinstance(node, bool) or not isinstance(node, (int, float, str)):
        return None
    try:
        return max(min(int(node), _MOST), 0)
    except (ValueError, OverflowError):
        return None


def is_object(data: bytes) -> bool:
    """True for the bytes of a complete JSON object."""
    try:
        return isinstance(load(data), dict)
    except Unreadable:
        return False


def dict_of(node: object) -> dict[str, Any]:
    """The node where it is an object, else an empty one."""
    return node if isinstance(node, dict) else {}


def list_of(node: object) -> list[Any]:
    """The node where it is an array, else an empty one."""
    return node if isinstance(node, list) else []


def _guarded(decode: Any, data: bytes | Raw) -> Any:
    try:
        return decode(data)
    except RecursionError:
        raise Unreadable("The JSON is nested too deeply.") from None
    except UnicodeDecodeError:
        raise Unreadable("The JSON is not valid UTF-8.") from None
    except msgspec.DecodeError:
        return _second_look(decode, bytes(data))


def _check_utf8(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        raise Unreadable("The JSON is not valid UTF-8.") from None


def _second_look(decode: Any, data: bytes) -> Any:
    mended = _ESCAPE.sub(_without_lone, data)
    try:
        return decode(mended)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("The JSON is malformed or not of the expected kind.") from None


def _without_lone(match: re.Match[bytes]) -> bytes:
    escape = match[0]
    lone = len(escape) == 6 and escape[1:2] == b"u"
    return b"\\ufffd" if lone else escape


def _mended(node: Any) -> Any:
    if isinstance(node, str):
        return clean(node)
    if isinstance(node, dict):
        return {_mended(name): _mended(child) for name, child in node.items()}
    if isinstance(node, (list, tuple)):
        return [_mended(child) for child in node]
    return node
