"""What policies say about calls that fail: checked, and gathered for whoever the files apply to."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from comptroller.core import healing
from comptroller.core.call import Identity
from comptroller.core.healing import SHAPE, Healing, Retry
from comptroller.policies.globs import any_of

if TYPE_CHECKING:  # a process without policies has no use for pydantic's frames, 30 ms of an import
    from comptroller.policies import healing_frame as frame
    from comptroller.policies.book import Book, Policy
    from comptroller.policies.document import Document

Path = tuple[str | int, ...]
STAGES = ("reply", "tool")


def heals(document: "Document") -> bool:
    """Whether a file says anything of it."""
    retries = any(rule.retry for rule in document.rules) or any(guard.retry for guard in document.guards.values())
    return retries or document.structured is not None or any(fallbacks_in(document))


def mistakes_in(document: "Document", currencies: frozenset[str] | None) -> Iterator[tuple[Path, str]]:
    """What a single key cannot tell, with where it stands."""
    for number, rule in enumerate(document.rules):
        if rule.retry is not None and (rule.on not in STAGES or rule.then != "deny"):
            text = f"Rule `{rule.id}` refuses no reply that could be asked for again. Write `on: reply` or `on: tool` "
            yield ("rules", number, "retry"), f"{text}with `then: deny`, or remove `retry`."
    for name, guard in document.guards.items():
        if guard.retry is not None and guard.out != "deny":
            text = f"The guard `{name}` refuses no reply that could be asked for again. Write `out: deny`, or remove "
            yield ("guards", name, "retry"), f"{text}`retry`."
    for path, said in fallbacks_in(document):
        if said.agent is not None and len(path) > 1 and any_of([str(path[1])])(said.agent):
            yield (*path, "agent"), f"Agent `{said.agent}` would hand over to itself. Name another agent."


def healing_for(book: "Book", identity: Identity) -> Healing | None:
    """What happens to an agent's calls that fail; None where no policy says so."""
    return book.gathered(_gather, identity) if book.heals else None


def _gather(policies: "Sequence[Policy]") -> Healing | None:
    found = Healing({**_rules(policies), **_guards(policies)}, _structured(policies), tuple(_takers(policies)))
    if found.structured is not None and found.structured.retry is not None:
        found = Healing({**found.retries, SHAPE: found.structured.retry}, found.structured, found.fallbacks)
    return found if found.asks_again or found.fallbacks else None


def _rules(policies: "Sequence[Policy]") -> dict[str, Retry]:
    rules = (rule for policy in policies for rule in policy.document.rules)
    return {rule.id: _retry(rule.retry) for rule in rules if rule.retry is not None}


def _guards(policies: "Sequence[Policy]") -> dict[str, Retry]:
    """A guard asks again where all files that have it refuse say so; the fewest tries hold."""
    said: dict[str, list[frame.Retry | None]] = {}
    for policy in policies:
        for name, guard in policy.document.guards.items():
            if guard.out == "deny":
                said.setdefault(f"guards.{name}", []).append(guard.retry)
    return {name: retry for name, all_of in said.items() if (retry := _fewest(all_of)) is not None}


def _structured(policies: "Sequence[Policy]") -> healing.Structured | None:
    """The strictest of what files say: nothing is mended that one of them wants as it came."""
    found = [(policy, policy.document.structured) for policy in policies if policy.document.structured is not None]
    if not found:
        return None
    said = [one for _, one in found if one is not None]
    strict = next(((policy, one) for policy, one in found if one is not None and one.otherwise == "deny"), found[0])
    mend, retry = all(one.mend for one in said), _fewest([one.retry for one in said])
    return healing.Structured(
        mend, retry, "deny" if any(one.otherwise == "deny" for one in said) else "pass", strict[0].name,
        strict[0].place("structured"),
    )  # fmt: skip


def _takers(policies: "Sequence[Policy]") -> Iterator[healing.Fallback]:
    for policy in policies:
        for path, said in fallbacks_in(policy.document):
            who = str(path[1]) if len(path) > 1 else "*"
            yield healing.Fallback(
                said.to or "", said.agent or "", said.after, said.until or 0, any_of([who]), policy.name,
                policy.place(*path),
            )  # fmt: skip


def fallbacks_in(document: "Document") -> "Iterator[tuple[Path, frame.Fallback]]":
    """Those of single agents, which are nearer to them, before that of the file."""
    for name, agent in document.agents.items():
        if agent.fallback is not None:
            yield ("agents", name, "fallback"), agent.fallback
    if document.fallback is not None:
        yield ("fallback",), document.fallback


def _fewest(said: "Sequence[frame.Retry | None]") -> Retry | None:
    """One that says nothing of trying again has it refused for good."""
    retries = [_retry(one) for one in said if one is not None]
    if not retries or len(retries) < len(said):
        return None
    hints = dict.fromkeys(retry.hint for retry in retries if retry.hint)
    return Retry(min(retry.times for retry in retries), " ".join(hints))


def _retry(said: "frame.Retry") -> Retry:
    return Retry(said.times, said.hint.strip())
