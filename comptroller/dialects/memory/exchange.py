"""What is asked of a memory: the entries a request writes, and those its reply brings, each where it can be changed."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from comptroller.core.memory import STAMP, Doing
from comptroller.dialects.dialect import Unreadable

MOST = 10_000  # entries of one request or reply
MOST_PIECES = 100_000  # of one entry
LONG = 6  # characters of a number, an id or the name of a field from which on it is looked at as text
_WORD = re.compile(r"[#_]?[A-Za-z]+(?:[_-][A-Za-z]+){0,3}")
_HOLDING = (str, dict, list)
Spot = tuple[Any, Any]  # a list or an object, and where in it a value stands
Names = tuple[str, ...]


def as_text(value: Any) -> str:
    """A text or number as it is looked at; stores give whole numbers back as fractions."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_long(value: Any) -> bool:
    return isinstance(value, (int, float)) and len(as_text(value)) >= LONG


def _is_whole(value: Any) -> bool:
    """A number in a list that is none of a vector's."""
    return _is_long(value) and (isinstance(value, int) or value.is_integer())


@dataclass(slots=True, eq=False)
class Item:
    """One entry: the object its stamp stands in, and what else of it is content."""

    id: str
    holder: dict[str, Any]
    more: Sequence[tuple[str, Spot]] = ()  # content beside the holder, each with its name
    not_ours: frozenset[str] = frozenset()  # keys of the holder that the store itself fills in

    def content(self) -> list[tuple[str, Any]]:
        """All that somebody wrote, with the name of its field."""
        beside = [(name, box[key]) for name, (box, key) in self.more]
        held = self.holder.items()
        return beside + [(name, value) for name, value in held if name != STAMP and name not in self.not_ours]

    def spots(self) -> Iterator[Spot]:
        """Every text of the content, where it stands, and every number long enough to be an account's or a phone's."""
        ahead = deque(spot for _, spot in self.more)
        ahead += [(self.holder, name) for name in self.holder if name != STAMP and name not in self.not_ours]
        for _ in range(MOST_PIECES):
            if not ahead:
                return
            box, key = ahead.popleft()
            value = box[key]
            if isinstance(value, str) or (isinstance(box, dict) and _is_long(value)) or _is_whole(value):
                yield box, key
            elif isinstance(value, dict):
                ahead.extend((value, name) for name in value)
            elif isinstance(value, list):
                ahead.extend((value, at) for at, one in enumerate(value) if isinstance(one, _HOLDING) or _is_whole(one))
        raise Unreadable("an entry holds more pieces than are looked at")

    def text(self) -> str:
        """All its texts, a line each."""
        return "\n".join(as_text(box[key]) for box, key in self.spots())

    def labels(self) -> list[str]:
        """Its id and the names of its fields, where they say more than a plain word: text can be hidden there too."""
        ahead: list[Any] = [value for _, value in self.content()]
        names = [self.id, *(name for name, _ in self.content())]
        while ahead and len(names) < MOST_PIECES:
            value = ahead.pop()
            if isinstance(value, dict):
                names += value
            if isinstance(value, (dict, list)):
                ahead += [one for one in (value.values() if isinstance(value, dict) else value) if one]
        return [name for name in dict.fromkeys(names) if len(name) >= LONG and not _WORD.fullmatch(name)]


@dataclass(slots=True, eq=False)
class Batch:
    """Entries of a reply that stand together, and how some are left out."""

    items: list[Item]
    leave_out: Callable[[frozenset[int]], None]


@dataclass(slots=True, eq=False)
class Exchange:
    """One request to a memory, read."""

    does: Doing
    names: Names | None = ()  # of the collection and what is beneath it; None where it cannot be told
    ids: list[str] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)  # that are written
    instead: list[Item] = field(default_factory=list)  # what is known to be overwritten or deleted
    asks: str = ""  # what a search says in words
    body: Any = None  # as it goes on; changed in place
    pack: Callable[[Any], bytes] | None = None  # else JSON
    loose: bool = False  # the store writes something else than it is given
    found: Callable[[Any], Iterable[Batch]] | None = None  # the entries of a reply; None where it brings none
    bare: bool = False  # the reply was asked for without its entries' fields, which are taken out of it again
    plain: bytes | None = None  # to ask again, should the store not know the field of the stamp
    others: list[Names] = field(default_factory=list)  # further collections that the same request is about

    def packed(self) -> bytes | None:
        """The body as it goes on; None where there is none."""
        if self.body is None:
            return None
        return msgspec.json.encode(self.body) if self.pack is None else self.pack(self.body)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to a memory as it came."""

    method: str
    path: str
    query: str
    body: bytes
    host: str = ""

    def parameters(self) -> dict[str, list[str]]:
        """What stands behind the `?`."""
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return found

    def parameter(self, name: str) -> str:
        """The one value of it; servers differ in which of two they take."""
        values = self.parameters().get(name, [""])
        if len(values) > 1:
            raise Unreadable(f"it says `{name}` more than once")
        return values[0]

    def json(self) -> dict[str, Any]:
        """The body, where it is an object."""
        return as_object(parsed(self.body))


def parsed(body: bytes) -> Any:
    """A body as JSON; refuses what is none, or nested beyond use."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        raise Unreadable("its body is no JSON") from None


def as_object(value: Any) -> dict[str, Any]:
    """The value, where it is an object."""
    if not isinstance(value, dict):
        raise Unreadable("an object was expected where there is none")
    return value


def as_list(value: Any, most: int = MOST) -> list[Any]:
    """The value, where it is a list that is not too long."""
    if not isinstance(value, list):
        raise Unreadable("a list was expected where there is none")
    if len(value) > most:
        raise Unreadable(f"it holds more than {most} entries")
    return value


def texts_in(value: Any) -> list[str]:
    """A list of names as it stands in a request; one alone counts as a list."""
    return [str(one) for one in (value if isinstance(value, list) else [value]) if one is not None]


def holder_in(box: dict[str, Any], key: str) -> dict[str, Any]:
    """The object at a key, made where there is none: the stamp has to stand somewhere."""
    if box.get(key) is None:
        box[key] = {}
    return as_object(box[key])


def batch_of(entries: list[Any], read: Callable[[dict[str, Any]], Item]) -> Batch:
    """A list of entries, each one object."""

    def leave_out(gone: frozenset[int]) -> None:
        entries[:] = [entry for number, entry in enumerate(entries) if number not in gone]

    return Batch([read(as_object(entry)) for entry in as_list(entries)], leave_out)


def wants(box: dict[str, Any], key: str, names: Sequence[str] = (STAMP,)) -> None:
    """Have a list of wanted fields name the stamp as well."""
    box[key] = [*as_list(box[key]), *[name for name in names if name not in box[key]]]
