"""Conditions that can never be true: a rule that looks like protection and is none."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from comptroller.policies.condition import Condition, Undecided
from comptroller.policies.syntax import FUNCTIONS, BadCondition, Token, tokens

_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


def why_never(text: str, tool: str) -> str | None:
    """Why the condition is false whatever the call (of a tool of that name or glob); None where it may be true."""
    ranges: dict[str, _Range] = {}
    words: dict[str, str] = {}
    for part in _conjuncts(tokens(text)):
        spelled = " ".join(token.text for token in part)
        if _is_false(part, spelled):
            return f"`{spelled}` is never true"
        name, sign, value = _comparison(part)
        if value.startswith(("'", '"')) and sign == "==":
            if words.setdefault(name, value[1:-1]) != value[1:-1]:
                return f"`{name}` cannot be both {words[name]!r} and {value}"
            if name == "tool" and not fnmatchcase(value[1:-1], tool):
                return f"the rule is for the tool `{tool}`, and `{spelled}` is never true of it"
        elif sign and not value.startswith(("'", '"')):
            bounds = ranges.setdefault(name, _Range())
            bounds.narrow(sign, float(value))
            if bounds.empty:
                return f"no number is what the condition asks of `{name}`"
    return None


class _Range:
    """The numbers that bounds leave."""

    def __init__(self) -> None:
        self.low, self.low_in = float("-inf"), True
        self.high, self.high_in = float("inf"), True

    def narrow(self, sign: str, value: float) -> None:
        if sign in (">", ">=", "==") and (value > self.low or (value == self.low and sign == ">")):
            self.low, self.low_in = value, sign != ">"
        if sign in ("<", "<=", "==") and (value < self.high or (value == self.high and sign == "<")):
            self.high, self.high_in = value, sign != "<"

    @property
    def empty(self) -> bool:
        return self.low > self.high or (self.low == self.high and not (self.low_in and self.high_in))


def _conjuncts(found: list[Token]) -> Iterator[list[Token]]:
    """The parts that must all be true; the whole where it is not a plain conjunction."""
    depth = 0
    parts: list[list[Token]] = [[]]
    for token in found:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if depth == 0 and token.text in ("||", "?"):
            yield found
            return
        if depth == 0 and token.text == "&&":
            parts.append([])
        else:
            parts[-1].append(token)
    yield from parts


def _is_false(part: Iterable[Token], spelled: str) -> bool:
    constants = {*FUNCTIONS, "true", "false", "null", "in"}
    if any(token.kind == "name" and token.text not in constants for token in part):
        return False
    try:
        return not Condition(spelled, {}).holds({})
    except (BadCondition, Undecided):
        return False


def _comparison(part: list[Token]) -> tuple[str, str, str]:
    """Name, sign and literal of `args.x > 5` or `5 < args.x`; empty where it is something else."""
    at = next((i for i, token in enumerate(part) if token.text in _TURNED), None)
    if at is None:
        return "", "", ""
    left, sign, right = part[:at], part[at].text, part[at + 1 :]
    if _literal(left):
        left, sign, right = right, _TURNED[sign], left
    value = _literal(right)
    if not value or any(token.kind != "name" and token.text != "." for token in left):
        return "", "", ""
    return "".join(token.text for token in left), sign, value


def _literal(part: list[Token]) -> str:
    minus, rest = ("-", part[1:]) if part and part[0].text == "-" else ("", part)
    if len(rest) != 1 or rest[0].kind not in ("number", "string"):
        return ""
    text = rest[0].text
    if rest[0].kind == "string":
        return text if not minus and text[0] in "\"'" and "\\" not in text and text[:3] not in ('"""', "'''") else ""
    return "" if text.lower().startswith("0x") else minus + text.rstrip("uU")
