"""What two books of policies say otherwise: rules, guards, budgets, limits, tools and agents, by meaning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from comptroller.policies.amounts import read_cap
from comptroller.policies.book import Book, Policy
from comptroller.policies.document import Budget
from comptroller.policies.looping import written
from comptroller.policies.syntax import tokens
from comptroller.policies.tree import spelled

Kind = Literal["rule", "guard", "budget", "limit", "loop", "memory", "judge", "tool", "agent", "setting"]
Key = tuple[Kind, str, str]
_SETTINGS = ("unlisted", "profile", "downgrade", "structured", "fallback", "tokens", "cache", "tools_offered")
_WORDING = frozenset({"because", "evidences"})  # they decide nothing


@dataclass(frozen=True, slots=True)
class Field:
    """One word of a file that is otherwise."""

    name: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that only one of two books says, or that both say otherwise."""

    kind: Kind
    what: Literal["added", "removed", "changed", "reworded"]
    policy: str
    id: str
    place: str  # in the later book, where it is there
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class _Item:
    policy: str
    place: str
    says: Mapping[str, object]


def compare(before: Book, after: Book) -> list[Difference]:
    """All that differs, in the order of the later book; what it no longer says comes last."""
    old, new = _items(before), _items(after)
    found = [_difference(key, old.get(key), item) for key, item in new.items()]
    found += [_difference(key, item, None) for key, item in old.items() if key not in new]
    return [one for one in found if one is not None]


def _difference(key: Key, old: _Item | None, new: _Item | None) -> Difference | None:
    item = new or old
    assert item is not None
    kind, _, id = key
    if old is None or new is None:
        said = tuple(
            Field(name, None if old is None else value, value if old is None else None)
            for name, value in item.says.items()
            if value not in (None, "", [], {}, False)
        )
        return Difference(kind, "added" if old is None else "removed", item.policy, id, item.place, said)
    names = [name for name in new.says if old.says.get(name) != new.says[name]]
    if not names:
        return None
    fields = tuple(Field(name, old.says.get(name), new.says[name]) for name in names)
    what: Literal["changed", "reworded"] = "reworded" if _WORDING.issuperset(names) else "changed"
    return Difference(kind, what, new.policy, id, new.place, fields)


def _items(book: Book) -> dict[Key, _Item]:
    found: dict[Key, _Item] = {}
    for policy in book.policies:
        for kind, id, place, says in _said(policy):
            key: Key = (kind, "" if kind == "rule" else policy.name, id)
            number = 2
            while key in found:  # two budgets of one scope are told apart by their order
                key, number = (kind, key[1], f"{id} ({number})"), number + 1
            found[key] = _Item(policy.name, place, says)
    return found


def _said(policy: Policy) -> Iterator[tuple[Kind, str, str, Mapping[str, object]]]:
    document = policy.document
    applies = _plain(document.applies)
    for number, rule in enumerate(document.rules):
        says = {**_plain(rule), "when": _spelled(rule.when), "policy": policy.name, "applies": applies}
        says.pop("id")
        yield "rule", rule.id, policy.place("rules", number), says
    for name, guard in document.guards.items():
        yield "guard", name, policy.place("guards", name), {**_plain(guard), "applies": applies}
    for number, budget in enumerate(document.budgets):
        yield "budget", _of(budget), policy.place("budgets", number), {**_plain(budget), "cap": read_cap(budget.cap)}
    for number, limit in enumerate(document.limits):
        yield "limit", f"per {limit.per}", policy.place("limits", number), _plain(limit)
    for way, loop in written(document):
        assert document.loops is not None, "it says so"
        yield "loop", f"loops.{way}", policy.place("loops", way), {**_plain(loop), "ignore": document.loops.ignore}
    for name, memory in document.memories.items():
        yield "memory", name, policy.place("memories", name), _plain(memory)
    for name, judge in document.judges.items():
        yield "judge", name, policy.place("judges", name), _plain(judge)
    for name, tool in (document.tools or {}).items():
        yield "tool", name, policy.place("tools", name), _plain(tool)
    for name, agent in document.agents.items():
        yield "agent", name, policy.place("agents", name), _plain(agent)
    for name in _SETTINGS:
        value = getattr(document, name)
        if value is not None:
            yield "setting", name, policy.place(name), {name: _plain(value) if isinstance(value, BaseModel) else value}


def _of(budget: Budget) -> str:
    return f"per {budget.per}" + (f" every {budget.every}" if budget.every else "") + f" in {read_cap(budget.cap)[0]}"


def _plain(frame: BaseModel) -> dict[str, object]:
    return frame.model_dump(by_alias=True)


def _spelled(condition: str) -> str:
    """A condition in one spelling: spaces and comments say nothing."""
    return spelled(tokens(condition))
