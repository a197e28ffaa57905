"""The arguments of a call as a form: each by its type, and what is wrong with it in words before it is sent."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from comptroller.dashboards import frame
from comptroller.dashboards.look.markup import Markup, as_text, join, spelt, tag
from comptroller.office.approvals import why_unfit

LONG = 60  # letters: beyond them a text has several lines
MOST_SHOWN = 4_000
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_WHOLE = re.compile(r"-?(0|[1-9]\d*)")
ABSENT = object()
TYPES = {"string": "text", "int": "whole number", "double": "number", "number": "number", "bool": "yes or no"}


class Unfit(Exception):
    """What was typed is no such value; says why."""


@dataclass(frozen=True, slots=True)
class Field:
    """One argument: its type as declared, else as its value has it; ABSENT where the call does not give it."""

    name: str
    type: str
    value: Any

    @property
    def optional(self) -> bool:
        return self.type.endswith("?") or self.value is None

    @property
    def base(self) -> str:
        return self.type.removesuffix("?")

    @property
    def word(self) -> str:
        """The type as people call it."""
        return TYPES.get(self.base, "JSON") + (", may be left out" if self.type.endswith("?") else "")


@dataclass(frozen=True, slots=True)
class Change:
    """One argument that would be another; ABSENT where it is not given."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.after is ABSENT:
            return f"{self.name} taken out"
        return f"{self.name}: {written(self.before)} → {written(self.after)}"


def fields(args: Mapping[str, Any], types: Mapping[str, str] | None) -> list[Field]:
    """The arguments in the order of the call, then those that it could have had."""
    declared = types or {}
    given = [Field(name, declared.get(name) or _type_of(value), value) for name, value in args.items()]
    return [*given, *(Field(name, type, ABSENT) for name, type in declared.items() if name not in args)]


def value_of(field: Field, typed: str) -> Any:
    """What was typed, as a value of the argument's type. What was not changed stays as it is, to the last digit."""
    if field.value is not ABSENT and typed == text_of(field):
        return field.value
    if field.base == "string":
        return typed
    text = typed.strip()
    if field.base == "int":
        if not _WHOLE.fullmatch(text):
            raise Unfit(f"`{field.name}` is a whole number, and {_said(text)} is none.")
        return int(text)
    if field.base in ("double", "number"):
        if not _NUMBER.fullmatch(text):
            raise Unfit(f"`{field.name}` is a number, and {_said(text)} is none. Write it with a point: 12.50.")
        return json.loads(text)
    return _json(field, text)


def text_of(field: Field) -> str:
    """A value as it stands in its field."""
    if field.value is ABSENT or field.value is None:
        return ""
    return field.value if field.base == "string" and isinstance(field.value, str) else _dumped(field.value)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What differs, argument by argument."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = ((name, before.get(name, ABSENT), after.get(name, ABSENT)) for name in names)
    return [Change(*pair) for pair in pairs if _mark(pair[1]) != _mark(pair[2])]


def written(value: Any) -> str:
    """A value in a sentence."""
    return "nothing" if value is ABSENT else spelt(_dumped(value))


def shown(args: Mapping[str, Any], types: Mapping[str, str] | None, origins: Mapping[str, Markup]) -> None:
    """The arguments as they are, with where each came from."""
    frame.facts(
        (one.name, _value(one, origins.get(one.name))) for one in fields(args, types) if one.value is not ABSENT
    )


def edited(args: Mapping[str, Any], types: Mapping[str, str] | None, key: str) -> tuple[dict[str, Any], list[str]]:
    """The form; returns the arguments as they would be, and what is wrong with them."""
    found: dict[str, Any] = {}
    wrong = []
    for field in fields(args, types):
        try:
            value = _widget(field, f"{key}_{field.name}")
        except Unfit as why:
            wrong.append(str(why))
            continue
        if value is ABSENT:
            continue
        found[field.name] = value
        if value != field.value and (why_not := why_unfit(field.name, value, types)):
            wrong.append(f"{why_not[0].upper()}{why_not[1:]}.")
    return found, wrong


def _widget(field: Field, key: str) -> Any:
    label = as_text(f"{field.name} · {field.word}")
    if field.optional:
        absent = field.value is ABSENT or field.value is None
        if not st.checkbox(as_text(f"Give {field.name}"), value=not absent, key=f"{key}_given"):
            return None if field.value is None else ABSENT
    elif field.value is ABSENT and not st.checkbox(as_text(f"Give {field.name}"), key=f"{key}_given"):
        return ABSENT
    if field.base == "bool" and (field.value in (ABSENT, None) or isinstance(field.value, bool)):
        return st.checkbox(label, value=field.value is True, key=key)
    before = text_of(field)
    long = field.base not in TYPES or len(before) > LONG or "\n" in before
    typed = st.text_area(label, before, key=key) if long else st.text_input(label, before, key=key)
    return value_of(field, typed)


def _value(field: Field, origin: Markup | None) -> Markup:
    text = text_of(field) if field.value is not None else "null"
    more = len(text) - MOST_SHOWN
    said = tag("code", text[:MOST_SHOWN] or "(empty)", cls="ct-value-of", dir="auto")
    note = tag("span", f" … {more:,} letters more", cls="ct-sub") if more > 0 else None
    return join(said, note, " ", origin or "")


def _json(field: Field, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Unfit(f"`{field.name}` is not JSON{at}. Texts stand in quotes, true and false do not.") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, (int, float)) else "any"


def _said(text: str) -> str:
    return f"“{spelt(text[:40])}”" if text else "nothing"


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1 if isinstance(value, (dict, list)) and value else None)


def _mark(value: Any) -> object:
    return ABSENT if value is ABSENT else json.dumps(value, sort_keys=True)


def rows_of(found: list[Change]) -> Iterator[tuple[str, Markup]]:
    """What changes, to be read at a glance."""
    for change in found:
        before, after = written(change.before), written(change.after)
        yield change.name, join(tag("s", before, cls="ct-before"), " → ", tag("strong", after))
