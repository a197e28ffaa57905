"""What policies say of a call off its path, as tests, explanations and transcripts ask it: its rules and its memory.

On the path of a call the memory is looked at entry by entry, each traced by itself; here the call is all there is.
"""

from collections.abc import Mapping
from dataclasses import replace

from comptroller.core.memory import CALLS, COMMANDS, Doing, Terms
from comptroller.core.origin import worst
from comptroller.core.verdict import STRICTNESS, Case, Decision, Verdict
from comptroller.policies.book import Book
from comptroller.policies.memories import memories_for


def decided(book: Book, case: Case) -> Decision:
    """What the policies say of a case, those of memory included."""
    decision = book.decide(case)
    verdict = of_memory(book, case)
    if verdict is None:
        return decision
    if STRICTNESS[verdict.action] <= STRICTNESS[decision.action]:
        return replace(decision, notes=(*decision.notes, verdict))
    before = (decision.verdict,) if decision.verdict is not None else ()
    return replace(decision, action=verdict.action, verdict=verdict, notes=(*before, *decision.notes))


def of_memory(book: Book, case: Case) -> Verdict | None:
    """What is said of the memory a call goes to; None where it goes to none, or nothing is said against it."""
    way = _way(book, case) if case.stage == "tool" else None
    if way is None:
        return None
    does, terms = way
    refused = terms.may_read if does == "read" else terms.may_write
    if refused is not None or does != "write":
        return refused
    return terms.tainted if terms.tainted is not None and _is_tainted(case) else None


def _way(book: Book, case: Case) -> tuple[Doing, Terms] | None:
    memories = memories_for(book, case.identity)
    if memories is None:
        return None
    args, agent = case.args or {}, case.identity.agent
    if case.tool not in CALLS:
        said = args.get("command")
        return memories.of_tool(agent, case.tool, COMMANDS.get(said) if isinstance(said, str) else None)
    terms = memories.of(agent, _names(args))
    return (CALLS[case.tool], terms) if terms is not None else None


def _names(args: Mapping[str, object]) -> tuple[str, ...] | None:
    """All that policies may call the store of a call; None where it does not say, so that all are meant."""
    store, within = (str(args.get(name) or "") for name in ("store", "collection"))
    parts = within.split("/") if within else []
    beneath = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    both = [f"{store}/{name}" for name in beneath] if store else []
    return tuple(name for name in (store, *beneath, *both) if name) or None


def _is_tainted(case: Case) -> bool:
    """Whether untrusted text had a hand in what is written: it stands there, or the model wrote it after reading it."""
    origins, args = case.origins, case.args or {}
    if origins is None:
        return False
    found = [origins.of(name) for name in (("text",) if case.tool in CALLS else args)]
    label = worst([one.label for one in found if one is not None] or ["model"])
    return label == "untrusted" or (label == "model" and origins.tainted)
