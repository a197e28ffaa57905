"""Which rules are evidence for which controls of a scheme, and what a control asks for that no rule can give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from comptroller.policies.book import Book, Policy


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing a file says, the controls it is evidence for, and the name it has on record."""

    controls: tuple[str, ...]
    kind: str  # rule | guard | budget | limit
    rule: str  # as decisions name it; of a budget or limit, all of one scope share it
    policy: str
    place: str
    shadow: bool = False


def evidence_in(book: Book) -> Iterator[Evidence]:
    """All that is said in a book to be evidence, file by file."""
    for policy in book.policies:
        yield from (one for one in _said(policy) if one.controls)


def needs_in(book: Book) -> Mapping[str, str]:
    """What controls ask for beyond rules, as the files say it."""
    found: dict[str, str] = {}
    for policy in book.policies:
        for control, text in policy.document.needs.items():
            known = found.get(control)
            found[control] = text if known in (None, text) else f"{known} {text}"
    return found


def _said(policy: Policy) -> Iterator[Evidence]:
    document, name = policy.document, policy.name
    for number, rule in enumerate(document.rules):
        place, shadow = policy.place("rules", number), rule.mode == "shadow"
        yield Evidence(tuple(rule.evidences), "rule", rule.id, name, place, shadow)
    for title, guard in document.guards.items():
        yield Evidence(tuple(guard.evidences), "guard", f"guards.{title}", name, policy.place("guards", title))
    for number, budget in enumerate(document.budgets):
        place = policy.place("budgets", number)
        yield Evidence(tuple(budget.evidences), "budget", f"budget.{budget.per}", name, place)
    for number, limit in enumerate(document.limits):
        yield Evidence(tuple(limit.evidences), "limit", f"limit.{limit.per}", name, policy.place("limits", number))
