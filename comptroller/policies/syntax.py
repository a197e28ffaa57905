"""The words of a condition: which inputs it names, with tests for presence turned into inputs of their own.

CEL checks types only on flattened inputs (`args.amount` declared as one name), and there `has(args.amount)` would ask
for the input itself. So `has(args.x)` becomes the input `has.args.x`, and `sources(args.x)` the input
`sources.args.x`; a name no identifier can spell, `args["user-id"]`, becomes one that can.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from comptroller.core.mistakes import did_you_mean

MAX_LENGTH = 8_000
MAX_DEPTH = 24

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<string>[bB]?[rR]?(?:\"\"\"(?s:.*?)\"\"\"|'''(?s:.*?)''')
              |(?:[rR][bB]?|[bB][rR])(?:"[^"\n]*"|'[^'\n]*')
              |[bB]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
  | (?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[uU]?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<mark>&&|\|\||[<>=!]=|[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# fmt: off
_RESERVED = frozenset({
    "in", "true", "false", "null", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
})
# fmt: on
_MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})
_TYPES = frozenset({"int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type", "dyn"})
FUNCTIONS = frozenset(
    {"size", "int", "uint", "double", "string", "bool", "bytes", "type", "dyn", "timestamp", "duration", "matches"}
)
METHODS = frozenset(
    {"size", "contains", "startsWith", "endsWith", "matches"}
    | {"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"}
    | {"getHours", "getMinutes", "getSeconds", "getMilliseconds"}
)


class BadCondition(Exception):
    """A condition that cannot be used: the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A condition as CEL is to see it, and the inputs it names in the order they first appear."""

    text: str
    inputs: tuple[str, ...]


# Given the steps of a name, as in ("args", "order", "id"): the input and how many steps it takes up.
Resolve = Callable[[tuple[str, ...]], tuple[str, int]]


def spell(parent: str, name: str) -> str:
    """The input for a field: itself where CEL can spell it, else a name made of its code points."""
    if _NAME.fullmatch(name) and name not in _RESERVED:
        return f"{parent}.{name}"
    return f"{parent}.q_{name.encode('utf-8', 'surrogatepass').hex()}"


def tokens(text: str) -> list[Token]:
    """The tokens of a condition, spaces and comments left out."""
    if len(text) > MAX_LENGTH:
        raise BadCondition(f"The condition is longer than {MAX_LENGTH} characters. Split the rule.")
    found, at, depth = [], 0, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            raise BadCondition(f"`{text[at : at + 12]}` is not part of a condition. {_hint(text[at:])}")
        at = match.end()
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match[0]))
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > MAX_DEPTH:
            raise BadCondition(f"The condition is nested deeper than {MAX_DEPTH} brackets. Split the rule.")
    return found


def _hint(rest: str) -> str:
    if rest[0] in "&|=":
        return "Write `&&`, `||` or `==`."
    if rest[0] in "\"'":
        return "Close the quotes."
    return "Remove it."


def read_condition(text: str, resolve: Resolve) -> Reading:
    """Find every input a condition names and rewrite what CEL should see; raises BadCondition."""
    return _Rewriter(tokens(text), resolve).read()


class _Rewriter:
    def __init__(self, found: list[Token], resolve: Resolve) -> None:
        self.tokens = [*found, *[Token("end", "")] * 5]  # as far as anything below looks ahead
        self.resolve = resolve
        self.at = 0
        self.inputs: dict[str, None] = {}
        self.bound = frozenset(self._bound())

    def read(self) -> Reading:
        out: list[str] = []
        while self.tokens[self.at].kind != "end":
            out.append(self._next(out[-1] if out else ""))
        return Reading(" ".join(out), tuple(self.inputs))

    def _bound(self) -> Iterator[str]:
        """Names that macros such as `list.exists(x, ...)` bind."""
        for i, token in enumerate(self.tokens[:-3]):
            if token.text == "." and self.tokens[i + 1].text in _MACROS and self.tokens[i + 2].text == "(":
                yield self.tokens[i + 3].text

    def _next(self, before: str) -> str:
        token = self.tokens[self.at]
        if token.kind != "name" or token.text in ("true", "false", "null", "in"):
            self.at += 1
            return token.text
        if before == ".":  # a field of a value, or a method
            if self.tokens[self.at + 1].text == "(" and token.text not in METHODS | _MACROS:
                raise BadCondition(f"There is no method `{token.text}`. {did_you_mean(token.text, METHODS | _MACROS)}")
            self.at += 1
            return token.text
        if self.tokens[self.at + 1].text == "(":
            return self._call(token.text)
        if token.text in self.bound:
            self._refuse_shadow(token.text)
            self.at += 1
            return token.text
        if token.text in _TYPES:
            self.at += 1
            return token.text
        return self._input()

    def _refuse_shadow(self, name: str) -> None:
        try:
            self.resolve((name,))
        except BadCondition:
            return
        raise BadCondition(f"`{name}` is an input and cannot name an element too. Call the element `x`.")

    def _call(self, name: str) -> str:
        if name in ("has", "sources"):
            return self._presence(name)
        if name not in FUNCTIONS:
            raise BadCondition(f"There is no function `{name}`. {did_you_mean(name, {*FUNCTIONS, 'has', 'sources'})}")
        self.at += 1
        return name

    def _presence(self, name: str) -> str:
        self.at += 2
        path, end = self._path()
        variable, used = self.resolve(path)
        if self.tokens[end].text != ")" or (name == "sources" and used < len(path)):
            raise BadCondition(f"`{name}(...)` takes one input. Write it like `{name}(args.x)`.")
        self.at = end + 1
        asked = f"{name}.{variable}"
        self.inputs[asked] = None
        if used == len(path):
            return asked
        self.inputs[variable] = None
        return f"({asked} && has({variable}.{'.'.join(path[used:])}))"

    def _input(self) -> str:
        path, end = self._path()
        variable, used = self.resolve(path)
        self.inputs[variable] = None
        self.at = end
        return ".".join([variable, *path[used:]])

    def _path(self) -> tuple[tuple[str, ...], int]:
        """The steps of a dotted name from here on, and the token after it; `args["x"]` is a step too."""
        steps, at = [self.tokens[self.at].text], self.at + 1
        while True:
            mark, name, after = self.tokens[at : at + 3]
            if mark.text == "." and name.kind == "name" and after.text != "(":
                steps.append(name.text)
                at += 2
            elif mark.text == "[" and name.kind == "string" and after.text == "]" and steps[-1] == "args":
                steps.append(_unquote(name.text))
                at += 3
            else:
                return tuple(steps), at


def _unquote(text: str) -> str:
    inner = text[1:-1]
    if text[0] not in "\"'" or "\\" in inner or text[:3] in ('"""', "'''"):
        raise BadCondition(f"`args[{text}]` needs a plain name in quotes, without escapes.")
    return inner
