"""A plan: everything that can apply to one kind of case, fused so that a decision is one evaluation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from comptroller.core.judges import Question
from comptroller.core.verdict import ALLOWED, STRICTNESS, Case, Decision, Verdict
from comptroller.policies.condition import Condition, Fused, Undecided
from comptroller.policies.inputs import Get, Scopes
from comptroller.policies.judging import tried
from comptroller.policies.profile import Judge
from comptroller.policies.rule import Rule, gather
from comptroller.policies.syntax import BadCondition

GROUP = 200  # rules in one program: keeps a program, and the cost of one that errs, within bounds


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Rules whose conditions are evaluated together."""

    rules: tuple[Rule, ...]
    fused: Fused | None
    gets: Mapping[str, Get]

    def judge(self, case: Case, scopes: Scopes) -> list[tuple[Rule, Verdict]]:
        """What each of the rules says, in their order; those that say nothing are left out."""
        values, missing = gather(self.gets, case, scopes)
        if self.fused is not None:
            try:
                answers = self.fused.answers(values)
            except Undecided:
                pass
            else:
                if True not in answers:
                    return []
                return [(rule, rule.said) for rule, matched in zip(self.rules, answers, strict=True) if matched]
        alone = ((rule, rule.judge_values(values, missing)) for rule in self.rules)
        return [(rule, verdict) for rule, verdict in alone if verdict is not None]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What applies to a stage, tool, workflow and agent."""

    groups: tuple[Group, ...] = ()
    always: tuple[tuple[Rule | None, Verdict], ...] = ()  # rules without a condition, and the tables' own verdicts
    needs: tuple[tuple[str, Verdict], ...] = ()  # scopes the tool wants, and what is said without them
    scopes: Scopes = None  # what the agents' tables leave
    settled: Decision = field(default=ALLOWED)  # the answer when no condition matches
    judges: tuple[Judge, ...] = ()  # profiles, and what they say of this tool
    judged: tuple[tuple[Rule, Question], ...] = ()  # rules that a model has the last word on

    def decide(self, case: Case) -> Decision:
        """The strictest of all that is said, and the rest."""
        said: list[tuple[Rule | Judge | None, Verdict]] = []
        for group in self.groups:
            said += group.judge(case, self.scopes)
        held = case.identity.scopes
        if self.needs and held is not None:
            said += [(None, verdict) for scope, verdict in self.needs if scope not in held]
        for judge in self.judges:
            if (verdict := judge.judge(case)) is not None:
                said.append((judge, verdict))
        decision = sum_up([*self.always, *said]) if said else self.settled
        return tried(self.judged, case, self.scopes, decision) if self.judged else decision

    def never(self, held: Scopes) -> bool:
        """True where the answer is to deny whatever the arguments, for one who holds these scopes."""
        lacking = held is not None and any(scope not in held for scope, _ in self.needs)
        return lacking or self.settled.action == "deny"


class Speaker(Protocol):
    """Whoever says something, in earnest or not."""

    @property
    def shadow(self) -> bool: ...


def sum_up(said: Sequence[tuple[Speaker | None, Verdict]]) -> Decision:
    """One decision of many verdicts: the strictest enforced one wins, the earliest of equals."""
    shadows = tuple(verdict for rule, verdict in said if rule is not None and rule.shadow)
    enforced = [verdict for rule, verdict in said if rule is None or not rule.shadow]
    if not enforced:
        return Decision(shadows=shadows) if shadows else ALLOWED
    winner = max(enforced, key=lambda verdict: STRICTNESS[verdict.action])
    notes = tuple(verdict for verdict in enforced if verdict is not winner)
    return Decision(winner.action, winner, notes, shadows)


def group_rules(rules: Iterable[Rule]) -> tuple[Group, ...]:
    """Fuse the conditions of rules; those whose tables give one argument two types cannot share a program."""
    drafts: list[tuple[list[Rule], dict[str, str], dict[str, Get]]] = []
    for rule in rules:
        if rule.condition is None:
            continue
        draft = next((d for d in drafts if len(d[0]) < GROUP and _agree(d[1], rule.condition)), None)
        if draft is None:
            draft = ([], {}, {})
            drafts.append(draft)
        draft[0].append(rule)
        draft[1].update(rule.condition.types)
        draft[2].update(rule.gets)
    return tuple(Group(tuple(held), _fuse(held), gets) for held, _, gets in drafts)


def _agree(types: Mapping[str, str], condition: Condition) -> bool:
    return all(types.get(name, kind) == kind for name, kind in condition.types.items())


def _fuse(rules: Sequence[Rule]) -> Fused | None:
    if len(rules) < 2:
        return None
    try:
        return Fused([rule.condition for rule in rules if rule.condition is not None])
    except BadCondition:  # together they pass a limit of the library that each alone keeps
        return None
