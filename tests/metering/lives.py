"""Outcomes in tests: a type written down, events in a line, and the others a step may ask about."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from comptroller.core.outcome import WHOLE, Method, Outcome, OutcomeEvent
from comptroller.metering.identity import month_of
from comptroller.metering.outcome_types import OutcomeType, load_types
from comptroller.metering.outcomes import is_live, step

HOUR = 3_600 * 1_000_000_000
DAY = 24 * HOUR
NOW = 1_767_225_600 * 1_000_000_000  # 2026-01-01
FEE = [10_000_000_000, "USD"]

TYPE = """
outcome: loan.decided
means: A loan was decided.
deadline: 3d
lookback: 10d
dispute: 30d
resolve: 5d
checks:
  - {id: decided, by: cel, when: has(evidence.decision)}
attest:
  - {by: customer}
  - {by: human}
  - {by: third_party}
  - {by: judge}
  - {by: silence, after: 24h}
factors: {silence: 0.5}
clawback: {reasons: [fraud], share: 0.5}
"""


def made(text: str = TYPE, **changes: str) -> OutcomeType:
    """The type, with some of its lines changed or added."""
    parts = re.split(r"\n(?=\w)", text.strip())
    lines = [part for part in parts if part.partition(":")[0] not in changes]
    lines += [f"{name}: {value}" for name, value in changes.items() if value]
    return next(iter(load_types([("type.yaml", "\n".join(lines))]).values()))


@dataclass
class Lives:
    """All outcomes of a test: the fold of what is told."""

    type: OutcomeType = field(default_factory=made)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    told: list[tuple[OutcomeEvent, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    step: Any = step

    def live(self, identity: str) -> str:
        return next((o.key for o in self.outcomes.values() if o.identity == identity and is_live(o)), "")

    def verified(self, outcome: Outcome, at: int, method: Method | None = None) -> int:
        return sum(
            o.verified_at > 0
            and (o.customer, o.type) == (outcome.customer, outcome.type)
            and month_of(o.verified_at, "UTC") == month_of(at, "UTC")
            and method in (None, o.method)
            for o in self.outcomes.values()
        )

    def tell(self, event: OutcomeEvent) -> str:
        """Apply an event; returns why it was ignored."""
        if event.id in self.seen:
            return "told before"
        self.seen.add(event.id)
        outcome, why = self.step(self.outcomes.get(event.outcome), event, self.type, self)
        if outcome is not None:
            self.outcomes[event.outcome] = outcome
        self.told.append((event, why))
        return str(why)

    def claim(self, key: str = "c1", subject: str = "s1", at: int = NOW, **data: object) -> str:
        known = {"tenant": "t", "customer": "acme", "type": self.type.name, "subject": subject, "agents": ["clerk"]}
        data = {**known, "identity": subject, "degree": WHOLE, **data}
        return self.tell(OutcomeEvent(f"{key}:claim", key, "claim", at, evidence=("e0",), data=data))

    def do(self, type: str, key: str = "c1", at: int = NOW + HOUR, id: str = "", **more: Any) -> str:
        """An event of a type, as it usually comes."""
        names = ("actor", "attestor", "method", "evidence")
        said = {name: more.pop(name) for name in names if name in more}
        if type.startswith("verify_"):
            said.setdefault("method", "deterministic")
            more.setdefault("verifier", "decided")
        if type in ("confirm", "human", "third_party", "judge"):
            said.setdefault("attestor", "somebody")
        more = {"fee": FEE, "price": "p1", **more}
        return self.tell(OutcomeEvent(id or f"{key}:{len(self.told)}", key, type, at, data=more, **said))

    def play(self, words: str, key: str = "c1") -> "Lives":
        """Claim, then the events in order, each an hour after the one before."""
        self.claim(key)
        for number, word in enumerate(words.split(), 1):
            why = self.do(word, key, NOW + number * HOUR)
            assert not why, f"{word}: {why}"
        return self

    def __getitem__(self, key: str) -> Outcome:
        return self.outcomes[key]

    @property
    def one(self) -> Outcome:
        return self.outcomes["c1"]


def states(outcomes: Iterable[Outcome]) -> dict[str, str]:
    return {outcome.key: outcome.state for outcome in outcomes}
