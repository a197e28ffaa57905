"""Deadlines: what time alone does to an outcome. Nothing is kept of it; what is due follows from the outcomes."""

import heapq

from comptroller.core.outcome import Outcome, OutcomeEvent
from comptroller.office.outcomes import Registry

BY_TIME = {"claimed": "deadline", "pending": "deadline", "billed": "window_end"}


class Schedule:
    """Says when a deadline is past. The time an event carries is its deadline's, whoever notices it, and when."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._due: list[tuple[int, str]] = []
        self._known: dict[str, int] = {}
        registry.listeners.append(self._heard)
        for outcome in registry.outcomes.values():
            self._heard(None, outcome)

    def next_due(self) -> int:
        """When the next deadline falls, ns since 1970; 0 where none does."""
        self._forget()
        return self._due[0][0] if self._due else 0

    def tick(self, now_ns: int) -> int:
        """Tell all that is past by now; returns how many events that were."""
        with self.registry.turn:  # nobody moves a deadline meanwhile
            return self._tick(now_ns)

    def _tick(self, now_ns: int) -> int:
        told = 0
        while (due := self.next_due()) and due <= now_ns:
            _, key = heapq.heappop(self._due)
            del self._known[key]
            for event in events_of(self.registry.outcomes[key]):
                if not self.registry.said(event.id):
                    self.registry.tell(event, durable=False)
                    told += 1
                if self.registry.outcomes[key].state != BY_STATE[event.type]:
                    break
        return told

    def _heard(self, before: Outcome | None, outcome: Outcome, event: OutcomeEvent | None = None) -> None:
        if outcome.due_at and outcome.state in BY_TIME and self._known.get(outcome.key) != outcome.due_at:
            self._known[outcome.key] = outcome.due_at
            heapq.heappush(self._due, (outcome.due_at, outcome.key))

    def _forget(self) -> None:
        """Drop what was due and no longer is."""
        while self._due:
            due, key = self._due[0]
            outcome = self.registry.outcomes.get(key)
            if outcome is not None and outcome.due_at == due and outcome.state in BY_TIME:
                return
            heapq.heappop(self._due)
            if self._known.get(key) == due:
                del self._known[key]


BY_STATE = {"silence": "pending", "deadline": "expired", "window_end": "final"}


def events_of(outcome: Outcome) -> list[OutcomeEvent]:
    """What happens to an outcome at its deadline: silence speaks first, and where it may not, the outcome expires."""
    names = [BY_TIME[outcome.state]]
    if outcome.state == "pending" and outcome.terms is not None and outcome.terms.silence_ns:
        names.insert(0, "silence")
    return [
        OutcomeEvent(f"{outcome.key}:{name}:{outcome.due_at}", outcome.key, name, outcome.due_at, actor="schedule")
        for name in names
    ]
