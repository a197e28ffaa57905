"""Ways out of a condition: what of a call would have to be otherwise for it to come out as wanted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

from comptroller.policies.condition import Condition, Undecided
from comptroller.policies.rule import spoken
from comptroller.policies.syntax import BadCondition
from comptroller.policies.tree import Comparison, Method, Node, comparison_in, method_in, name_in

MOST = 64  # ways looked at for one condition
_NOT = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "in": "not in", "not in": "in"}
_LABELS = ("user", "trusted")


class Gone:
    """Stands for a value that is left out."""

    def __repr__(self) -> str:
        return "nothing"


GONE = Gone()


@dataclass(frozen=True, slots=True)
class Change:
    """One input that is otherwise: an example of what it could be, and what all such values have in common."""

    name: str
    value: object = field(compare=False)
    told: str


Way = tuple[Change, ...]


def ways_to(node: Node, want: bool, saw: Mapping[str, object], types: Mapping[str, str]) -> list[Way]:
    """Each set of changes after which a part of a condition would be as wanted; none where no such set is found."""
    if _now(node, saw, types) is want:
        return [()]
    if node.kind == "not":
        return ways_to(node.parts[0], not want, saw, types)
    if node.kind == "leaf":
        return [(change,) for change in _turn(node, want, saw, types)]
    each = [ways_to(part, want, saw, types) for part in node.parts]
    if (node.kind == "and") is want:  # all parts must be as wanted
        joined = (tuple(change for way in ways for change in way) for ways in islice(product(*each), MOST))
        return [tuple(dict.fromkeys(way)) for way in joined]
    return [way for ways in each for way in ways][:MOST]


def _now(node: Node, saw: Mapping[str, object], types: Mapping[str, str]) -> bool | None:
    """What it is of the values as they are; None where that cannot be told."""
    try:
        return Condition(node.text, types).holds(saw)
    except (BadCondition, Undecided):
        return None


def _turn(leaf: Node, want: bool, saw: Mapping[str, object], types: Mapping[str, str]) -> Iterator[Change]:
    """Changes that turn one leaf."""
    alone = name_in(leaf)
    if alone.startswith("has."):
        yield from _presence(alone.removeprefix("has."), want, types)
    elif alone:
        yield Change(alone, want, _flag(alone, want))
    elif (compared := comparison_in(leaf)) is not None:
        yield from _compare(compared, want, saw, types)
    elif (asked := method_in(leaf)) is not None:
        yield from _ask(asked, want)


def _presence(name: str, want: bool, types: Mapping[str, str]) -> Iterator[Change]:
    if want:
        yield Change(name, some(types.get(name, "string")), f"{told_name(name)} is given")
    else:
        yield Change(name, GONE, f"{told_name(name)} is left out")


def _flag(name: str, want: bool) -> str:
    if name == "run.tainted":
        return "the run has read something untrusted" if want else "the run has read nothing untrusted"
    return f"{told_name(name)} is {'true' if want else 'false'}"


def _compare(found: Comparison, want: bool, saw: Mapping[str, object], types: Mapping[str, str]) -> Iterator[Change]:
    sign = found.sign if want else _NOT[found.sign]
    if found.within:
        yield from _member(found, sign == "in", saw)
    elif found.sized:
        yield from _size(found, sign, saw)
    elif isinstance(found.value, list):
        yield from _choice(found, sign == "in")
    else:
        value = _beside(sign, found.value, types.get(found.name, ""), found.name)
        if value is not None:
            yield Change(found.name, value, _told(found.name, sign, found.value))


def _member(found: Comparison, want: bool, saw: Mapping[str, object]) -> Iterator[Change]:
    """A list that is to hold something, or not to."""
    held = saw.get(found.name)
    now = list(held) if isinstance(held, Sequence) and not isinstance(held, str) else []
    kept = [item for item in now if item != found.value]
    what = "the agent holds" if found.name == "scopes" else f"{told_name(found.name)} holds"
    what = what if want else what.replace("holds", "does not hold")
    scope = "the scope " if found.name == "scopes" else ""
    yield Change(found.name, [*kept, found.value] if want else kept, f"{what} {scope}{shown(found.value)}")


def _size(found: Comparison, sign: str, saw: Mapping[str, object]) -> Iterator[Change]:
    held, size = saw.get(found.name), _beside(sign, found.value, "int", found.name)
    if isinstance(held, str | list) and isinstance(size, int) and 0 <= size <= len(held):
        yield Change(found.name, held[:size], f"size({told_name(found.name)}) {_word(sign)} {shown(found.value)}")


def _choice(found: Comparison, want: bool) -> Iterator[Change]:
    choices = found.value if isinstance(found.value, list) else []
    listed = ", ".join(shown(item) for item in choices[:6]) + (", ..." if len(choices) > 6 else "")
    if want and choices:
        yield Change(found.name, choices[0], f"{told_name(found.name)} is one of {listed}")
    elif not want:
        other = next((label for label in _LABELS if label not in choices), "another")
        value = other if not choices or isinstance(choices[0], str) else _unlike(choices)
        yield Change(found.name, value, f"{told_name(found.name)} is none of {listed}")


def _unlike(choices: Sequence[object]) -> object:
    numbers = [item for item in choices if isinstance(item, int | float)]
    return max(numbers, default=0) + 1


def _beside(sign: str, value: object, kind: str, name: str) -> object:
    """A value that is so: the literal itself, or the nearest on the right side of it."""
    if sign in ("==", "<=", ">="):
        return value
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        step = 1 if kind == "int" else 0.01
        return value - step if sign == "<" else value + step
    if sign == "!=" and isinstance(value, str):
        if name.startswith("provenance."):
            return next(label for label in _LABELS if label != value)
        return f"{value}-other" if value else "other"
    return None


def _ask(asked: Method, want: bool) -> Iterator[Change]:
    """A text that is to hold a word or pattern, or not to."""
    verb = {"contains": "contain", "startsWith": "begin with", "endsWith": "end with", "matches": "match"}[asked.method]
    if not want:
        yield Change(asked.name, " ", f"{told_name(asked.name)} does not {verb} {shown(asked.value)}")
    elif asked.method != "matches":
        yield Change(asked.name, asked.value, f"{told_name(asked.name)} {_third(verb)} {shown(asked.value)}")


def _third(verb: str) -> str:
    head, _, rest = verb.partition(" ")
    return f"{head}s{' ' if rest else ''}{rest}"


def some(kind: str) -> object:
    """A value of a type."""
    kinds: Mapping[str, object] = {"int": 1, "double": 1.0, "bool": True, "string": "x"}
    if kind.startswith("list"):
        return [some(kind[5:-1])] if kind[5:-1] in kinds else []
    return {} if kind.startswith("map") else kinds.get(kind, "x")


def _told(name: str, sign: str, value: object) -> str:
    """One requirement in words."""
    if name.startswith("provenance.args."):
        where = "comes from" if sign == "==" else "does not come from what is"
        return f"{told_name(name.removeprefix('provenance.'))} {where} {value}"
    return f"{told_name(name)} {_word(sign)} {shown(value)}"


def _word(sign: str) -> str:
    return {"==": "is", "!=": "is not"}.get(sign, sign)


def told_name(name: str) -> str:
    """An input as people call it: an argument by its name alone."""
    return f"`{spoken(name).removeprefix('args.')}`"


def shown(value: object) -> str:
    """A literal as people write it, cut short where it is long."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
