"""Conditions that can never be true: a rule that looks like protection and is none."""

from fnmatch import fnmatchcase

from comptroller.policies.condition import Condition, Undecided
from comptroller.policies.syntax import FUNCTIONS, BadCondition
from comptroller.policies.tree import Comparison, Node, comparison_in, conjuncts, read_tree

_BOUNDS = frozenset({"<", "<=", "==", ">=", ">"})


def why_never(text: str, tool: str) -> str | None:
    """Why the condition is false whatever the call (of a tool of that name or glob); None where it may be true."""
    ranges: dict[str, _Range] = {}
    choices: dict[str, _Choice] = {}
    parts = conjuncts(read_tree(text))
    for part in parts:
        if _is_false(part):
            return f"`{part.text}` is never true"
        if any(part.kind == "not" and part.parts[0].text == other.text for other in parts):
            return f"`{part.parts[0].text}` cannot be true and false at once"
        found = comparison_in(part)
        if found is None or found.within or found.sized:
            continue
        why = _texts(part, found, choices, tool) or _numbers(found, ranges)
        if why:
            return why
    return None


def _texts(part: Node, found: Comparison, choices: dict[str, "_Choice"], tool: str) -> str | None:
    """Why no text is what is asked of a name."""
    listed = found.value if isinstance(found.value, list) else [found.value]
    if not all(isinstance(item, str) for item in listed) or found.sign not in ("==", "!=", "in"):
        return None
    words = [item for item in listed if isinstance(item, str)]
    if not words:
        return f"`{part.text}` is never true"
    if found.name == "tool" and found.sign != "!=" and not any(fnmatchcase(word, tool) for word in words):
        return f"the rule is for the tool `{tool}`, and `{part.text}` is never true of it"
    return choices.setdefault(found.name, _Choice()).narrow(found.name, found.sign, words)


def _numbers(found: Comparison, ranges: dict[str, "_Range"]) -> str | None:
    """Why no number is what is asked of a name."""
    value = found.value
    if isinstance(value, bool) or not isinstance(value, int | float) or found.sign not in _BOUNDS:
        return None
    bounds = ranges.setdefault(found.name, _Range())
    bounds.narrow(found.sign, float(value))
    return f"no number is what the condition asks of `{found.name}`" if bounds.empty else None


class _Choice:
    """The texts that comparisons leave."""

    def __init__(self) -> None:
        self.left: list[str] | None = None  # None is any
        self.out: set[str] = set()

    def narrow(self, name: str, sign: str, words: list[str]) -> str | None:
        """Take in one more; says why nothing is left."""
        before = self.left
        if sign == "!=":
            self.out.update(words)
        else:
            self.left = words if before is None else [word for word in before if word in words]
        if self.left is None or any(word not in self.out for word in self.left):
            return None
        if before is not None and len(before) == len(words) == 1 and sign == "==":
            return f"`{name}` cannot be both {before[0]!r} and {words[0]!r}"
        return f"no text is what the condition asks of `{name}`"


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


def _is_false(part: Node) -> bool:
    constants = {*FUNCTIONS, "true", "false", "null", "in"}
    if any(token.kind == "name" and token.text not in constants for token in part.tokens):
        return False
    try:
        return not Condition(part.text, {}).holds({})
    except (BadCondition, Undecided):
        return False
