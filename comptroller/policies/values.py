"""Values on their way into a condition: made plain, and held against the type that was declared for them.

What JSON cannot say (NaN, infinities, objects) or what is too much to look at is refused, never guessed at: the input
is then missing, and a rule that needs it is a decision error.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal

MAX_DEPTH = 32
MAX_VALUES = 10_000  # passing 10,000 values to the library costs 7 ms
_INT64 = range(-(2**63), 2**63)


ABSENT = frozenset({"is absent", "is null"})  # what `has(...)` asks about; every other reason is an error to it too


class Missing(Exception):
    """An input that a condition cannot have; says why."""


Fit = Callable[[object], object]

_ELEMENTS = ("string", "int", "double", "bool", "any", "object")
_SHAPE = re.compile(r"(?:list<(?P<element>[a-z]+)>|(?P<plain>[a-z]+))(?P<optional>\?)?")
_CEL = {
    "string": "string",
    "int": "int",
    "double": "double",
    "bool": "bool",
    "any": "dyn",
    "object": "map<string, dyn>",
    "list": "list<dyn>",
}


def check_type(text: str) -> str:
    """Return the type of an argument as written, or raise ValueError with the remedy."""
    shape = _SHAPE.fullmatch(text.strip())
    if not shape or (shape["plain"] or "list") not in _CEL or (shape["element"] or "any") not in _ELEMENTS:
        raise ValueError(
            f"`{text}` is not a type. Use string, int, double, bool, object, any, list or list<string>, "
            "with a `?` behind it where the argument may be absent or null"
        )
    return text.strip()


def cel_type(text: str) -> str:
    """The type a condition is checked with."""
    text = text.removesuffix("?")
    if text.startswith("list<"):
        return f"list<{_CEL[text[5:-1]]}>"
    return _CEL[text]


def fit(text: str) -> Fit:
    """What makes an actual value fit a declared type, or raises Missing."""
    text = text.removesuffix("?")
    if text.startswith("list<"):
        return _list_of(_FITS[text[5:-1]])
    return _FITS[text]


def clean(text: str) -> str:
    """Text without lone surrogates; whole pairs become the character they stand for, as in JSON.

    The evaluator ends a text at its first NUL, so what stands behind one would be hidden from every rule.
    """
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _string(value: object) -> str:
    if isinstance(value, str):
        return clean(str.__str__(value))
    raise Missing(f"is {_told(value)}, not a string")


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Missing(f"is {_told(value)}, not true or false")


def _int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Missing(f"is {_told(value)}, not a whole number")
    if not math.isfinite(value) or value != int(value):
        raise Missing("is not a whole number")
    if int(value) not in _INT64:
        raise Missing("is a larger number than 64 bits hold")
    return int(value)


def _double(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Missing(f"is {_told(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Missing("is not a finite number")
    return number


def _list(value: object) -> list[object]:
    if isinstance(value, list | tuple | set | frozenset):
        return plain(value)  # type: ignore[return-value]
    raise Missing(f"is {_told(value)}, not a list")


def _object(value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        return plain(value)  # type: ignore[return-value]
    raise Missing(f"is {_told(value)}, not an object")


def _list_of(element: Fit) -> Fit:
    def whole(value: object) -> object:
        try:
            return [element(item) for item in _list(value)]
        except Missing as why:
            raise Missing(f"holds something that {why}" if isinstance(value, list | tuple) else str(why)) from None

    return whole


def plain(value: object) -> object:
    """The same value in what JSON has: lists, objects with text as keys, text, finite numbers, true, false, null."""
    return _plain(value, 0, [MAX_VALUES])


def _plain(value: object, depth: int, left: list[int]) -> object:
    left[0] -= 1
    if left[0] < 0:
        raise Missing(f"holds more than {MAX_VALUES} values")
    if depth > MAX_DEPTH:
        raise Missing(f"is nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean(str.__str__(value))
    if isinstance(value, int):
        return int(value) if int(value) in _INT64 else _double(value)
    if isinstance(value, float | Decimal):
        return _number(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, depth + 1, left) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1, left) for item in value]
    if isinstance(value, set | frozenset):  # in an order that does not change from run to run
        return [_plain(item, depth + 1, left) for item in sorted(value, key=repr)]
    return _other(value)


def _number(value: float | Decimal) -> object:
    number = _double(value)
    whole = isinstance(value, Decimal) and value == int(value) and int(value) in _INT64
    return int(value) if whole else number


def _key(key: object) -> str:
    if isinstance(key, str):
        return clean(str.__str__(key))
    words = {None: "null", True: "true", False: "false"}
    if key is None or isinstance(key, bool):
        return words[key]
    if isinstance(key, int | float):
        return str(key)
    raise Missing(f"has {_told(key)} for a key")


def _other(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise Missing(f"holds {_told(value)}, which JSON cannot say")


def _told(value: object) -> str:
    names = {str: "a string", bool: "true or false", int: "a number", float: "a number", dict: "an object"}
    names |= {list: "a list", tuple: "a list", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")


_FITS: Mapping[str, Fit] = {
    "string": _string,
    "int": _int,
    "double": _double,
    "bool": _bool,
    "any": plain,
    "object": _object,
    "list": _list,
}
