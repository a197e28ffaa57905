"""A rule as it is enforced: its condition compiled, its inputs bound, its verdict ready to hand out."""

from collections.abc import Mapping
from dataclasses import dataclass

from comptroller.core.judges import Question
from comptroller.core.verdict import Action, AskFor, Case, Verdict
from comptroller.policies.condition import Condition, Undecided
from comptroller.policies.inputs import Get, Scopes
from comptroller.policies.values import ABSENT, Missing


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One compiled rule. `condition` is None where it always matches."""

    id: str
    stage: str
    tool: str  # a name or a glob; "*" where it holds for all
    condition: Condition | None
    gets: Mapping[str, Get]
    shadow: bool
    on_error: Action
    said: Verdict  # when it matches
    ask: AskFor | None  # for an on_error of ask
    question: Question | None = None  # for judges, once the condition holds
    when: str = ""  # the condition as it was written

    def judge(self, case: Case, scopes: Scopes) -> Verdict | None:
        """What this rule alone says of a case."""
        if self.condition is None:
            return self.said
        values, missing = gather(self.gets, case, scopes)
        return self.judge_values(values, missing)

    def judge_values(self, values: Mapping[str, object], missing: Mapping[str, str]) -> Verdict | None:
        """What this rule alone says of inputs already gathered."""
        if self.condition is None:
            return self.said
        try:
            return self.said if self.condition.holds(values) else None
        except Undecided as why:
            return self._failed(self._reason(missing) or str(why))

    def _reason(self, missing: Mapping[str, str]) -> str:
        asked = (name for name in self.gets if name in missing and f"has.{name}" not in self.gets)
        named = [*asked] or [name for name in self.gets if name in missing and missing[name] not in ABSENT]
        return "; ".join(f"`{spoken(name)}` {missing[name]}" for name in named)

    def _failed(self, why: str) -> Verdict:
        because = f"{self.said.rule} could not be decided, so it says {self.on_error}: {why}."
        return Verdict(self.on_error, self.id, self.said.policy, because, self.said.place, True, self.ask)


def gather(gets: Mapping[str, Get], case: Case, scopes: Scopes) -> tuple[dict[str, object], dict[str, str]]:
    """The inputs that are there, and for each that is not why."""
    values: dict[str, object] = {}
    missing: dict[str, str] = {}
    for name, get in gets.items():
        try:
            values[name] = get(case, scopes)
        except Missing as why:
            missing[name] = str(why)
    return values, missing


def spoken(name: str) -> str:
    """An input as the author of a rule wrote it."""
    head, _, rest = name.partition(".")
    if head in ("has", "sources"):
        return f"{head}({spoken(rest)})"
    parent, _, last = name.rpartition(".")
    if last.startswith("q_") and parent.endswith("args"):
        return f'{parent}["{bytes.fromhex(last[2:]).decode("utf-8", "replace")}"]'
    return name
