"""Weaviate's GraphQL, as far as a query has to be read: which classes it gets, and where each lists its fields."""

import re
from collections.abc import Iterator

from comptroller.core.memory import STAMP
from comptroller.dialects.dialect import Unreadable

LONGEST = 200_000  # characters of a query
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*|[_A-Za-z][_0-9A-Za-z]*|\.\.\.|-?[0-9][0-9.eE+-]*|[{}()\[\]:!$=@|&]|\S',
    re.DOTALL,
)
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
Token = tuple[str, int]


def with_stamp(query: str) -> tuple[str, dict[str, str]]:
    """The query with the stamp among the fields of each class it gets, and these classes by the name of their reply."""
    if len(query) > LONGEST:
        raise Unreadable("its query is longer than is read")
    tokens = [(match[0], match.end()) for match in _TOKEN.finditer(query) if match[0][0] not in "#,"]
    at, classes, places = _to_fields(tokens), dict[str, str](), list[int]()
    if _after(tokens, at) != len(tokens):
        raise Unreadable("it holds more than one operation, or fragments. Write one with its fields")
    for name, shown, inner in _selections(tokens, at):
        if name != "Get" or shown != "Get":
            raise Unreadable(f"`{name[:40]}` of GraphQL tells of entries without their stamps. Use `Get`")
        for kind, known_as, fields in _selections(tokens, inner):
            classes[known_as] = kind
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


def _selections(tokens: list[Token], at: int) -> Iterator[tuple[str, str, int]]:
    """Name, name in the reply, and where its own fields begin, of each field in a list that begins at `at`."""
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
        while at < len(tokens) and tokens[at][0] != "{":
            if tokens[at][0] != "(":
                raise Unreadable("its query uses directives, or what is not known here. Write the fields out")
            at = _after(tokens, at)
        if at >= len(tokens):
            raise Unreadable("its query breaks off")
        yield name, shown, at
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
