"""Weaviate's GraphQL, as far as a query has to be read: which classes it gets, and where each lists its fields."""

import re
from collections.abc import Iterator

from comptroller.core.memory import STAMP
from comptroller.dialects.dialect import Unreadable
from comptroller.dialects.memory.exchange import Names

LONGEST = 200_000  # characters of a query
_TOKEN = re.compile(
    r'"""|"(?:[^"\\\n\r]|\\.)*"|#[^\n\r]*|[_A-Za-z][_0-9A-Za-z]*|\.\.\.|-?[0-9][0-9.eE+-]*|[{}()\[\]:!$=@|&]|\S',
    re.DOTALL,
)
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# What an object may tell of itself beside its fields; the rest of `_additional` brings, or is made from, other objects.
_ITS_OWN = frozenset(
    {"id", "vector", "vectors", "certainty", "distance", "score", "explainScore", "isConsistent"}
    | {"creationTimeUnix", "lastUpdateTimeUnix"}
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
Token = tuple[str, int]


def with_stamp(query: str) -> tuple[str, dict[str, Names | None]]:
    """The query with the stamp among the fields of each class it gets, and these classes by the name of their reply.

    With its tenant, where one is named; None where that is not said plainly.
    """
    if len(query) > LONGEST:
        raise Unreadable("its query is longer than is read")
    if _ODD.search(query):
        raise Unreadable("its query holds control characters")
    tokens = [(match[0], match.end()) for match in _TOKEN.finditer(query) if match[0][0] not in "#,"]
    if any(text in ('"""', STAMP) for text, _ in tokens):
        raise Unreadable("its query uses block strings or the stamp. Write texts between single quotation marks")
    at, classes, places = _to_fields(tokens), dict[str, Names | None](), list[int]()
    if _after(tokens, at) != len(tokens):
        raise Unreadable("it holds more than one operation, or fragments. Write one with its fields")
    for name, shown, _, inner in _selections(tokens, at):
        if name != "Get" or shown != "Get":
            raise Unreadable(f"`{name[:40]}` of GraphQL tells of entries without their stamps. Use `Get`")
        for kind, known_as, began, fields in _selections(tokens, inner):
            _look_at_fields(tokens[fields : _after(tokens, fields)])
            classes[known_as] = _with_tenant(kind, tokens[began:fields])
            places.append(tokens[fields][1])
    if not classes:
        raise Unreadable("it gets no class")
    for place in reversed(places):
        query = f"{query[:place]} {STAMP} {query[place:]}"
    return query, classes


def _to_fields(tokens: list[Token]) -> int:
    """Where the one operation lists its fields."""
    if not tokens:
        raise Unreadable("its query is empty")
    if tokens[0][0] == "{":
        return 0
    if tokens[0][0] != "query":
        raise Unreadable("it does more than ask")
    at = 1
    while at < len(tokens) and tokens[at][0] != "{":
        at = _after(tokens, at)
    return at


def _look_at_fields(tokens: list[Token]) -> None:
    """Refuse fields of a class that bring more than the object itself."""
    for at, (text, _) in enumerate(tokens):
        if text == "...":
            raise Unreadable("it follows references to objects of other classes. Get those by themselves")
        if text == "_additional":
            inner = [name for name, _ in tokens[at + 1 : _after(tokens, at + 1)]]
            if inner[0] != "{" or any(name not in _ITS_OWN and name not in "{}" for name in inner):
                raise Unreadable("`_additional` would tell more than of the object itself. Ask for its id or distance")


def _with_tenant(kind: str, arguments: list[Token]) -> Names | None:
    """The class, and the tenant its arguments name; None where that is a variable."""
    said = [text for text, _ in arguments]
    if "tenant" not in said:
        return (kind,)
    at = said.index("tenant")
    named = said[at + 2] if said[at + 1 : at + 2] == [":"] and at + 2 < len(said) else ""
    plain = len(named) > 2 and named[0] == '"' and "\\" not in named and said.count("tenant") == 1
    return (kind, named[1:-1]) if plain else None


def _selections(tokens: list[Token], at: int) -> Iterator[tuple[str, str, int, int]]:
    """Name, name in the reply, where its arguments and its own fields begin, of each field in a list."""
    if at >= len(tokens) or tokens[at][0] != "{":
        raise Unreadable("its query breaks off")
    at += 1
    while at < len(tokens) and tokens[at][0] != "}":
        name = shown = tokens[at][0]
        if not _NAME.fullmatch(name):
            raise Unreadable("its query uses fragments, or what is not known here. Write the fields out")
        at += 1
        if at + 1 < len(tokens) and tokens[at][0] == ":":
            name, at = tokens[at + 1][0], at + 2
        began = at
        while at < len(tokens) and tokens[at][0] != "{":
            if tokens[at][0] != "(":
                raise Unreadable("its query uses directives, or what is not known here. Write the fields out")
            at = _after(tokens, at)
        if at >= len(tokens):
            raise Unreadable("its query breaks off")
        yield name, shown, began, at
        at = _after(tokens, at)
    if at >= len(tokens):
        raise Unreadable("its query breaks off")


def _after(tokens: list[Token], at: int) -> int:
    """What comes after a token and, where it opens something, all that is inside."""
    open_: list[str] = []
    while at < len(tokens):
        text = tokens[at][0]
        at += 1
        if text in _CLOSING:
            open_.append(_CLOSING[text])
        elif open_ and text == open_[-1]:
            open_.pop()
        if not open_:
            return at
    raise Unreadable("its query breaks off")
