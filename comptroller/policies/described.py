"""Tool tables held against how tools are described by those who serve them: wrong types, and what changed since."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from comptroller.core.mistakes import did_you_mean
from comptroller.policies.book import Book, Policy
from comptroller.policies.document import Tool
from comptroller.policies.schemas import Schema

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.<>-]*\??")


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something to look at. `wrong`: the table says what cannot be; else what may be meant so."""

    place: str
    text: str
    wrong: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


def doubts(book: Book, schemas: Iterable[Schema]) -> list[Doubt]:
    """Everything in which tables and descriptions do not agree, table by table."""
    known = {schema.name: schema for schema in schemas}
    found = [doubt for policy in book.policies for doubt in _of(policy, known)]
    listed = {name for policy in book.policies for name in policy.document.tools or {}}
    if listed:  # without any table nobody meant to list tools
        found += [_unlisted(schema) for name, schema in known.items() if name not in listed]
    return found


def _of(policy: Policy, known: Mapping[str, Schema]) -> Iterator[Doubt]:
    for name, table in (policy.document.tools or {}).items():
        schema, place = known.get(name), policy.place("tools", name)
        if schema is not None:
            yield from _drift(policy, name, table, schema)
            yield from _arguments(policy, name, table, schema)
        elif table.digest:
            text = f"`{name}` is no longer described. Ask whoever serves it what became of it."
            yield Doubt(place, text)
        elif near := get_close_matches(name, sorted(known), n=1, cutoff=0.8):
            yield Doubt(place, f"No tool `{name}` is described. Did you mean `{near[0]}`?")


def _drift(policy: Policy, name: str, table: Tool, schema: Schema) -> Iterator[Doubt]:
    if table.digest and table.digest != schema.digest:
        text = (
            f"`{name}` is described otherwise than when its table was written (digest {table.digest}, now "
            f"{schema.digest} in {schema.origin}): {_how(table, schema)}. Read what models are told of it now; "
            f"if all is well, write `digest: {schema.digest}`."
        )
        yield Doubt(policy.place("tools", name, "digest"), text)


def _how(table: Tool, schema: Schema) -> str:
    old, new = dict(table.args or {}), dict(schema.args)
    said = [f"`{arg}` is new" for arg in new if arg not in old] if table.args is not None else []
    said += [f"`{arg}` is gone" for arg in old if arg not in new]
    said += [f"`{arg}` was {old[arg]} and is {new[arg]}" for arg in new if arg in old and old[arg] != new[arg]]
    return ", ".join(said) or "its arguments are the same, so its description or its details are not"


def _arguments(policy: Policy, name: str, table: Tool, schema: Schema) -> Iterator[Doubt]:
    for arg, kind in (table.args or {}).items():
        place = policy.place("tools", name, "args", arg)
        if arg not in schema.args:
            text = f"`{name}` is described without an argument `{arg}`. {did_you_mean(arg, schema.args)}"
            yield Doubt(place, text, wrong=True)
            continue
        real = schema.args[arg]
        if not _fits(real.removesuffix("?"), kind.removesuffix("?")):
            text = f"`{arg}` of `{name}` is {kind} here and {real} in {schema.origin}. Write `{arg}: {real}`."
            yield Doubt(place, text, wrong=True)
        elif real.endswith("?") and not kind.endswith("?"):
            text = (
                f"`{arg}` of `{name}` may be left out, and a rule that reads it then refuses. Write `{arg}: {kind}?`."
            )
            yield Doubt(place, text)
    missing = [arg for arg in schema.args if table.args is not None and arg not in table.args]
    if missing:
        listed = ", ".join(f"`{arg}`" for arg in missing)
        yield Doubt(policy.place("tools", name), f"`{name}` takes {listed} too, and no rule can look at that. Add it.")


def _fits(real: str, written: str) -> bool:
    """Whether every value of the real type is one of the written type."""
    if written in ("any", real) or (real, written) == ("int", "double"):
        return True
    if real.startswith("list") and written.startswith("list"):
        inner = written[5:-1] or "any"
        return _fits(real[5:-1] or "any", inner)
    return False


def _unlisted(schema: Schema) -> Doubt:
    text = f"`{schema.name}` stands in no tool table, so `unlisted` decides on it. List it under `tools`."
    return Doubt(schema.origin, text)


def drafted(schemas: Iterable[Schema]) -> str:
    """A tool table for these tools, as YAML for a person to complete."""
    lines = ["tools:"]
    for schema in schemas:
        args = ", ".join(f"{_word(arg)}: {_word(kind)}" for arg, kind in schema.args.items())
        effect = "read" if schema.reads else "write"
        lines.append(f"  {_word(schema.name)}: {{effect: {effect}, args: {{{args}}}, digest: {_word(schema.digest)}}}")
    return "\n".join(lines) + "\n"


def _word(text: str) -> str:
    """Text as YAML reads it back: bare where it is a plain word, else as JSON writes it."""
    bare = _PLAIN.fullmatch(text) and text.lower() not in ("null", "true", "false")
    return text if bare else json.dumps(text)
