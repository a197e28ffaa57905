"""Conditions that can never be true: a rule that looks like protection and is none."""

from fnmatch import fnmatchcase

from comptroller.policies.condition import Condition, Undecided
from comptroller.policies.syntax import FUNCTIONS, BadCondition
from comptroller.policies.tree import Node, comparison_in, conjuncts, read_tree

_BOUNDS = frozenset({"<", "<=", "==", ">=", ">"})


def why_never(text: str, tool: str) -> str | None:
    """Why the condition is false whatever the call (of a tool of that name or glob); None where it may be true."""
    ranges: dict[str, _Range] = {}
    words: dict[str, str] = {}
    for part in conjuncts(read_tree(text)):
        if _is_false(part):
            return f"`{part.text}` is never true"
        found = comparison_in(part)
        if found is None or found.within or found.sized:
            continue
        name, value = found.name, found.value
        if isinstance(value, str) and found.sign == "==":
            if words.setdefault(name, value) != value:
                return f"`{name}` cannot be both {words[name]!r} and {value!r}"
            if name == "tool" and not fnmatchcase(value, tool):
                return f"the rule is for the tool `{tool}`, and `{part.text}` is never true of it"
        elif isinstance(value, int | float) and not isinstance(value, bool) and found.sign in _BOUNDS:
            bounds = ranges.setdefault(name, _Range())
            bounds.narrow(found.sign, float(value))
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


def _is_false(part: Node) -> bool:
    constants = {*FUNCTIONS, "true", "false", "null", "in"}
    if any(token.kind == "name" and token.text not in constants for token in part.tokens):
        return False
    try:
        return not Condition(part.text, {}).holds({})
    except (BadCondition, Undecided):
        return False
