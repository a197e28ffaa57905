"""Conditions over a claim, its run and its evidence, and over a run alone."""

import re
from collections.abc import Mapping

from comptroller.core.outcome import WHOLE
from comptroller.office.verifiers.verdict import Hearing, Verdict
from comptroller.policies.condition import Condition, Undecided
from comptroller.policies.syntax import BadCondition
from comptroller.policies.values import Missing, clean, fit

RUN = {
    "run.id": "string",
    "run.workflow": "string",
    "run.customer": "string",
    "run.user": "string",
    "run.status": "string",
    "run.agents": "list<string>",
    "run.tools": "list<string>",
    "run.calls": "int",
    "run.failed": "int",
    "run.cost": "double",
    "run.seconds": "double",
}
CLAIM = {
    "claim.type": "string",
    "claim.subject": "string",
    "claim.degree": "double",
    "evidence": "map<string, dyn>",
}
_LATER = re.compile(r"\brun\.(status|tools|calls|failed|cost|seconds)\b")  # what only the books know


class Rule:
    """A compiled condition; BadCondition where it cannot be."""

    def __init__(self, text: str, inputs: Mapping[str, str]) -> None:
        self._condition = Condition(text, dict(inputs))
        self.needs_books = bool(_LATER.search(text))

    def holds(self, values: Mapping[str, object]) -> bool:
        """Whether it is true; Undecided says why there is no answer."""
        return self._condition.holds(values)


def claim_rule(text: str) -> Rule:
    """A condition that verifies a claim."""
    return Rule(text, {**CLAIM, **RUN})


def run_rule(text: str) -> Rule:
    """A condition that says whether a run is to be claimed."""
    return Rule(text, RUN)


def judge(rule: Rule, hearing: Hearing) -> Verdict | None:
    """The verdict of a condition; None where it asks how a run went that the books do not know, or that goes on."""
    if rule.needs_books and hearing.run.get("run.status", "open") == "open":
        return None
    if hearing.lost:
        return Verdict(False, "some of its evidence cannot be read any more")
    try:
        return Verdict(rule.holds(values_of(hearing)))
    except (Undecided, Missing) as error:
        return Verdict(False, f"its condition came to no answer: {error}")


def values_of(hearing: Hearing) -> dict[str, object]:
    """What a condition may name."""
    outcome = hearing.outcome
    known = {
        "run.id": clean(outcome.run),
        "run.workflow": clean(outcome.workflow),
        "run.customer": clean(outcome.customer),
        "run.agents": [clean(agent) for agent in outcome.agents],
    }
    claim = {
        "claim.type": clean(outcome.type),
        "claim.subject": clean(outcome.subject),
        "claim.degree": outcome.degree / WHOLE,
        "evidence": fit("object")(hearing.evidence),
    }
    return {**_EMPTY, **known, **hearing.run, **claim}


_EMPTY: Mapping[str, object] = {
    name: {"string": "", "int": 0, "double": 0.0}.get(kind, []) for name, kind in RUN.items()
}


__all__ = ["BadCondition", "Rule", "claim_rule", "judge", "run_rule", "values_of"]
