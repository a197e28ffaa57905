"""What policies say, one line for each rule, guard, budget and limit, with where it stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from comptroller.policies.book import Book, Policy
from comptroller.policies.document import Budget, Limit, Rule
from comptroller.policies.frame import Ask
from comptroller.policies.healing import fallbacks_in
from comptroller.policies.healing_frame import Retry
from comptroller.policies.judging import put_to
from comptroller.policies.looping import how_far, written
from comptroller.policies.memories import in_words


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that a file says, in its own words."""

    kind: Literal["rule", "guard", "budget", "limit", "loop", "healing", "memory", "token", "judge"]
    policy: str
    id: str  # of a rule; the name of a guard; what a budget or limit is per
    place: str  # file:line
    path: str
    line: int
    stage: str  # where it looks
    about: str  # the tool it is for, or who
    when: str
    then: str
    mode: Literal["enforce", "shadow"]
    because: str


def listed(book: Book) -> Iterator[Said]:
    """All of them, file by file, from top to bottom."""
    for policy in book.policies:
        said = [*_guards(policy), *_rules(policy), *_budgets(policy), *_limits(policy), *_loops(policy)]
        said += [*_healing(policy), *_memories(policy), *_judges(policy), *_tokens(policy)]
        yield from sorted(said, key=lambda one: one.line)


def _rules(policy: Policy) -> Iterator[Said]:
    for number, rule in enumerate(policy.document.rules):
        when = "" if rule.when == "true" else rule.when
        if rule.judge is not None:
            when = " and ".join([*([when] if when else []), put_to(rule.judge)])
        yield _said(
            policy, ("rules", number), "rule", rule.id, rule.on, rule.tool or "", when, _then(rule), rule.mode,
            rule.because,
        )  # fmt: skip


def _judges(policy: Policy) -> Iterator[Said]:
    for name, judge in policy.document.judges.items():
        spends = f"at most {judge.budget}{f' a {judge.every}' if judge.every else ''}" if judge.budget else ""
        yield _said(policy, ("judges", name), "judge", name, "models", judge.model, "", spends or "judges")


def _guards(policy: Policy) -> Iterator[Said]:
    for name, guard in policy.document.guards.items():
        then = ", ".join(f"{way}: {does}" for way, does in (("in", guard.into), ("out", guard.out)) if does != "allow")
        yield _said(policy, ("guards", name), "guard", name, "texts", "", "", (then or "allow") + _again(guard.retry))


def _budgets(policy: Policy) -> Iterator[Said]:
    for number, budget in enumerate(policy.document.budgets):
        yield _said(policy, ("budgets", number), "budget", f"per {budget.per}", "money", "", _cap(budget), budget.over)


def _limits(policy: Policy) -> Iterator[Said]:
    for number, limit in enumerate(policy.document.limits):
        yield _said(policy, ("limits", number), "limit", f"per {limit.per}", "rate", "", _rates(limit), "deny")


def _loops(policy: Policy) -> Iterator[Said]:
    for way, loop in written(policy.document):
        ask = f"ask ({_people(loop.ask)})" if loop.ask is not None else loop.then
        yield _said(policy, ("loops", way), "loop", f"loops.{way}", "runs", "", how_far(loop), ask, loop.mode)


def _tokens(policy: Policy) -> Iterator[Said]:
    tokens = policy.document.tokens
    if tokens is None:
        return
    kinds = ", ".join(tokens.of or ["all that `privacy` finds"])
    yield _said(policy, ("tokens",), "token", "tokens", "texts", "", kinds, f"a token, the same per {tokens.per}")
    for tool, args in tokens.back.items():
        where = "in no argument" if not args else "in all arguments" if "*" in args else f"in {', '.join(args)}"
        yield _said(policy, ("tokens", "back", tool), "token", "tokens.back", "tool", tool, "", f"put back {where}")


def _memories(policy: Policy) -> Iterator[Said]:
    for name, memory in policy.document.memories.items():
        who, then = in_words(memory)
        yield _said(policy, ("memories", name), "memory", name, "memories", "", who, then)


def _healing(policy: Policy) -> Iterator[Said]:
    shape = policy.document.structured
    if shape is not None:
        then = ("mend" if shape.mend else "") + _again(shape.retry)
        yield _said(
            policy, ("structured",), "healing", "structured", "reply", "", "", f"{then}, {shape.otherwise}".lstrip(", ")
        )
    for path, said in fallbacks_in(policy.document):
        then = f"{said.to} takes over" if said.to else f"hand over to {said.agent}"
        who = str(path[1]) if len(path) > 1 else ""
        failed = f"{said.after} failed tries in a run"
        yield _said(policy, path, "healing", "fallback", "runs", who, failed, then)


def _said(
    policy: Policy,
    path: tuple[str | int, ...],
    kind: Literal["rule", "guard", "budget", "limit", "loop", "healing", "memory", "token", "judge"],
    id: str,
    stage: str,
    about: str,
    when: str,
    then: str,
    mode: Literal["enforce", "shadow"] = "enforce",
    because: str = "",
) -> Said:
    place = policy.place(*path)
    line = place.rpartition(":")[2]
    return Said(
        kind, policy.name, id, place, policy.file.path, int(line) if line.isdigit() else 0, stage, about, when, then,
        mode, because,
    )  # fmt: skip


def _then(rule: Rule) -> str:
    then = f"{rule.then} ({_people(rule.ask)})" if rule.ask is not None else str(rule.then)
    return then + _again(rule.retry)


def _again(retry: Retry | None) -> str:
    if retry is None:
        return ""
    return f", asked again {'once' if retry.times == 1 else f'{retry.times} times'}"


def _people(ask: Ask) -> str:
    quorum = f"{ask.votes} of " if ask.votes else f"{ask.quorum} of " if ask.quorum > 1 else ""
    return f"{quorum}{', '.join(ask.of) or 'anybody'}"


def _cap(budget: Budget) -> str:
    return f"more than {budget.cap}" + (f" a {budget.every}" if budget.every and budget.every != "run" else "")


def _rates(limit: Limit) -> str:
    said: Mapping[str, object] = {"requests": limit.requests, "tokens": limit.tokens, "at a time": limit.concurrent}
    return "more than " + ", ".join(f"{value} {name}" for name, value in said.items() if value is not None)
