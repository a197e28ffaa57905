"""The tree of a condition: what is joined by `&&`, `||` and `!`, and what each of its leaves compares with what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from comptroller.policies.syntax import Token, tokens

_OPEN = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
_SIGNS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a condition that is true or false."""

    kind: Literal["or", "and", "not", "leaf"]
    tokens: tuple[Token, ...]
    parts: tuple["Node", ...] = ()

    @property
    def text(self) -> str:
        """As people write it, which is how CEL reads it too."""
        return spelled(self.tokens)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A leaf that holds a name against a literal: `args.amount > 100`, `tool in ["a", "b"]`, `"x" in scopes`."""

    name: str
    sign: str
    value: object
    within: bool = False  # the literal is what is looked for in the named list
    sized: bool = False  # it is the name's size that is compared


@dataclass(frozen=True, slots=True)
class Method:
    """A leaf that asks a text: `text.contains("x")`."""

    name: str
    method: str
    value: str


def read_tree(text: str) -> Node:
    """The tree of a condition that is known to be one."""
    return _node(tuple(tokens(text)))


def spelled(part: Sequence[Token]) -> str:
    """Tokens in one spelling, whatever the spaces between them were."""
    told, before = "", ""
    for token in part:
        close = token.text in (".", ",", ")", "]") or before in (".", "(", "[", "!", "")
        called = token.text == "(" and before.isidentifier() and before != "in"
        told, before = f"{told}{'' if close or called else ' '}{token.text}", token.text
    return told


def conjuncts(node: Node) -> tuple[Node, ...]:
    """The parts that must all be true; the whole where it is not a plain conjunction."""
    return node.parts if node.kind == "and" else (node,)


def comparison_in(leaf: Node) -> Comparison | None:
    """What a leaf compares, where one side is a name and the other a literal."""
    part = leaf.tokens
    at = next((i for i, depth in _depths(part) if depth == 0 and part[i].text in _SIGNS), None)
    if at is None:
        return None
    left, sign, right = part[:at], part[at].text, part[at + 1 :]
    value, name = literal(right), _name(left)
    if value is not None and name:
        return Comparison(name[0], sign, value[0], sized=name[1])
    value, name = literal(left), _name(right)
    if value is not None and name:
        return Comparison(name[0], _TURNED.get(sign, sign), value[0], within=sign == "in", sized=name[1])
    return None


def method_in(leaf: Node) -> Method | None:
    """What a leaf asks of a text, where it is asked with a literal."""
    part = leaf.tokens
    if len(part) < 6 or part[-1].text != ")" or part[-3].text != "(" or part[-5].text != ".":
        return None
    name, value = _name(part[:-5]), literal(part[-2:-1])
    if name is None or name[1] or value is None or not isinstance(value[0], str):
        return None
    return Method(name[0], part[-4].text, value[0])


def name_in(leaf: Node) -> str:
    """The name that a leaf is, where it is nothing but one."""
    found = _name(leaf.tokens)
    return found[0] if found is not None and not found[1] else ""


def literal(part: Sequence[Token]) -> tuple[object] | None:
    """The value of a literal, in a tuple as it may be null or false; None where it is none we read."""
    if len(part) > 1 and part[0].text == "[" and part[-1].text == "]":
        items = [literal(item) for item in _split(part[1:-1], ",")] if len(part) > 2 else []
        return None if any(item is None for item in items) else ([item[0] for item in items if item is not None],)
    minus = bool(part) and part[0].text == "-"
    rest = part[1:] if minus else part
    if len(rest) != 1:
        return None
    token = rest[0]
    if token.kind == "number":
        return _number(token.text, minus)
    if minus:
        return None
    if token.kind == "string":
        return _string(token.text)
    return (_WORDS[token.text],) if token.text in _WORDS else None


def _number(text: str, minus: bool) -> tuple[object] | None:
    if text.lower().startswith("0x"):
        return None
    text = text.rstrip("uU")
    value = int(text) if text.isdigit() else float(text)
    return (-value if minus else value,)


def _string(text: str) -> tuple[object] | None:
    raw = text[0] in "rR"
    text = text[1:] if raw else text
    plain = text[:1] in ("'", '"') and text[:3] not in ("'''", '"""') and (raw or "\\" not in text)
    return (text[1:-1],) if plain else None


def _name(part: Sequence[Token]) -> tuple[str, bool] | None:
    """A dotted name, and whether it is its size that is meant."""
    words = [token.text for token in part]
    if words[:2] == ["size", "("] and words[-1:] == [")"]:
        inner = _name(part[2:-1])
        return None if inner is None or inner[1] else (inner[0], True)
    if words[-4:] == [".", "size", "(", ")"]:
        inner = _name(part[:-4])
        return None if inner is None or inner[1] else (inner[0], True)
    dotted = all(token.kind == "name" if i % 2 == 0 else token.text == "." for i, token in enumerate(part))
    return ("".join(words), False) if len(part) % 2 and dotted and words[0] not in _WORDS else None


def _node(part: tuple[Token, ...]) -> Node:
    while len(part) > 2 and part[0].text == "(" and _closes(part) == len(part) - 1:
        part = part[1:-1]
    if any(depth == 0 and part[i].text == "?" for i, depth in _depths(part)):
        return Node("leaf", part)
    for kind, mark in (("or", "||"), ("and", "&&")):
        split = _split(part, mark)
        if len(split) > 1:
            return Node("or" if kind == "or" else "and", part, tuple(map(_node, split)))
    if part and part[0].text == "!" and not any(depth == 0 and part[i].text in _SIGNS for i, depth in _depths(part)):
        return Node("not", part, (_node(part[1:]),))
    return Node("leaf", part)


def _closes(part: Sequence[Token]) -> int:
    """Where the bracket that opens first is closed."""
    depth = 0
    for at, token in enumerate(part):
        depth += _OPEN.get(token.text, 0) if token.kind == "mark" else 0
        if depth == 0:
            return at
    return -1


def _split(part: Sequence[Token], mark: str) -> list[tuple[Token, ...]]:
    parts: list[list[Token]] = [[]]
    for at, depth in _depths(part):
        if depth == 0 and part[at].text == mark:
            parts.append([])
        else:
            parts[-1].append(part[at])
    return [tuple(item) for item in parts]


def _depths(part: Sequence[Token]) -> list[tuple[int, int]]:
    """Each token's place, and how many brackets stand around it."""
    found, depth = [], 0
    for at, token in enumerate(part):
        step = _OPEN.get(token.text, 0) if token.kind == "mark" else 0
        found.append((at, depth + min(step, 0) if step < 0 else depth + step))
        depth += step
    return found
