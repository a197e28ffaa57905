"""A call heard by the policies: what they say of it, why, and what would let it pass."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from comptroller.core.verdict import STRICTNESS, Action, Case, Decision
from comptroller.guardrails.chain import Chain, Inspection
from comptroller.policies.book import Book
from comptroller.policies.plan import Plan
from comptroller.policies.reasons import Passing, Reason, in_words, passing, reasons
from comptroller.policies.recollection import decided
from comptroller.wrapper import tokens

Row = dict[str, Any]
_HIDE: Mapping[str, Action] = {"secrets": "redact"}


@dataclass(frozen=True, slots=True)
class Heard:
    """One case of a call, as the policies see it."""

    case: Case
    decision: Decision
    reasons: tuple[Reason, ...]
    ways: tuple[Passing, ...]
    found: Inspection | None = None  # by the guards
    unknown: tuple[str, ...] = ()  # inputs that some rule asks for and nobody can tell

    @property
    def action(self) -> Action:
        """The strictest of what rules and guards say."""
        guards: Action = self.found.action if self.found is not None else "allow"
        return max(self.decision.action, guards, key=STRICTNESS.__getitem__)

    @property
    def rule(self) -> str:
        """Who said it."""
        if self.found is not None and STRICTNESS[self.found.action] > STRICTNESS[self.decision.action]:
            return f"guards.{self.found.failed or self.found.findings[0].guard}"
        return self.decision.verdict.rule if self.decision.verdict is not None else ""

    @property
    def because(self) -> str:
        """As the refused reader is told."""
        if self.found is not None and self.rule.startswith("guards."):
            return self.found.because
        return self.decision.verdict.because if self.decision.verdict is not None else ""

    @property
    def stopped(self) -> bool:
        """Whether it does not pass as it is."""
        return STRICTNESS[self.action] >= STRICTNESS["ask"]


def hear(book: Book, case: Case, chain: Chain, lacks: frozenset[str] = frozenset()) -> Heard:
    """What rules, tables, profiles and guards say of one case."""
    decision = decided(book, case)
    found = _guarded(book, case, chain)
    ways = tuple(passing(book, case))
    why = tuple(_without_secrets(one, chain) for one in reasons(book, case))
    return Heard(case, decision, why, ways, found, unknown(book, case, lacks))


def _without_secrets(reason: Reason, chain: Chain) -> Reason:
    """What a rule saw is shown to people: keys and passwords are not."""
    saw = ((name, chain.inspect(value, _HIDE).text if isinstance(value, str) else value) for name, value in reason.saw)
    return replace(reason, saw=tuple(saw))


def unknown(book: Book, case: Case, lacks: frozenset[str]) -> tuple[str, ...]:
    """Inputs that rules for such a case ask for, of those nobody can tell."""
    return tuple(sorted(inputs_of(book.plan(case)) & lacks)) if lacks else ()


def inputs_of(plan: Plan) -> frozenset[str]:
    """All that the conditions of a plan look at."""
    rules = [rule for group in plan.groups for rule in group.rules] + [rule for rule, _ in plan.judged]
    return frozenset(name for rule in rules for name in rule.gets)


def _guarded(book: Book, case: Case, chain: Chain) -> Inspection | None:
    way = "out" if case.stage in ("tool", "reply") else "in"
    plan = book.guards(case.identity, "out" if way == "out" else "in")
    if way == "in":
        found = tokens.told(chain, book, case.identity, case.text(), plan)
    elif not plan:
        return None
    elif case.stage == "tool":
        found = chain.inspect_json(msgspec.json.encode(case.args or {}).decode(), plan)
    else:
        found = chain.inspect(case.reply_text(), plan)
    return found if found.findings or found.failed else None


def as_json(heard: Heard) -> Row:
    """For machines."""
    return {
        "stage": heard.case.stage,
        "tool": heard.case.tool,
        "decision": heard.action,
        "rule": heard.rule,
        "because": heard.because,
        "reasons": [_reason(one) for one in heard.reasons],
        "guards": counts(heard.found),
        "ways": [{"changes": list(way.changes), "of": list(way.of), "quorum": way.quorum} for way in heard.ways],
        "remedy": remedy(heard),
        "unknown": list(heard.unknown),
    }


def remedy(heard: Heard) -> str:
    """The least that would let it pass, in a sentence; where nothing in the call would, which line to change."""
    if not heard.stopped:
        return ""
    told = in_words(heard.ways)
    if heard.rule.startswith("guards."):
        clean = "Take out what the guards found."
        return f"{clean} Then: {told}" if told else clean
    if told:
        return told
    verdict = heard.decision.verdict
    place = f" in {verdict.place}" if verdict is not None and verdict.place else ""
    return f"Nothing that we can find in the call itself would let it pass: see `{heard.rule}`{place}."


def counts(found: Inspection | None) -> list[Row]:
    """What the guards found, without the texts."""
    if found is None:
        return []
    seen = Counter((one.guard, one.kind) for one in found.findings)
    return [{"guard": guard, "kind": kind, "count": count} for (guard, kind), count in seen.items()]


def _reason(one: Reason) -> Row:
    told: Mapping[str, object] = {
        "rule": one.rule,
        "policy": one.policy,
        "place": one.place,
        "says": one.says,
        "action": one.action,
        "shadow": one.shadow,
        "when": one.when,
        "saw": dict(one.saw),
        "missing": dict(one.missing),
        "because": one.because,
    }
    return dict(told)


def strictest(heard: Sequence[Heard]) -> Heard:
    """The case that decides on a call."""
    return max(heard, key=lambda one: STRICTNESS[one.action])
