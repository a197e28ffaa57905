"""What comes up when: which department gets which piece of work, for whom, and how it will go."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from comptroller.cli.demo_world.play import Work
from comptroller.cli.demo_world.script import Case, Workflow, filled

DAY_S, HOUR_S = 86_400, 3_600
QUIET = (5, 6)  # days of the week on which little comes up
# The key is made up; it has the form that the guards look for.
STANDING: dict[str, Any] = {"key": "AKIA" + "Q3EGRIVTTHKJ7B2M", "state": "new", "checks": 4}


@dataclass(frozen=True, slots=True)
class Due:
    """A piece of work and the second at which it comes up."""

    at: float
    work: Work


class Planner:
    """Draws work; from the same seed the same."""

    def __init__(self, workflows: Sequence[Workflow], seed: int) -> None:
        self._workflows, self._random = workflows, random.Random(seed)
        self._numbers = dict.fromkeys((flow.workflow for flow in workflows), 1_000)

    def days(self, begin_s: int, days: int, share: float = 1) -> Iterator[Due]:
        """All that comes up in so many days, the last of which is today; in order."""
        for day in range(days):
            offset, weekday = day - days + 1, (begin_s // DAY_S + day + 3) % 7
            due = [
                Due(begin_s + day * DAY_S + self._second(), work)
                for flow in self._workflows
                for work in self._of_day(flow, offset, share * (0.3 if weekday in QUIET else 1.2))
            ]
            yield from sorted(due, key=lambda due: due.at)

    def next(self) -> Work:
        """The next piece of work of a day like today."""
        flow = self._random.choices(self._workflows, [flow.per_day for flow in self._workflows])[0]
        rare = [case for case in flow.cases if case.days and not case.outcome]
        case = self._random.choice(rare) if rare and self._random.random() < 0.15 else self._case(flow, 0)
        return self._work(flow, case)

    def work(self, workflow: str, case: str) -> Work:
        """A piece of work that goes in a certain way."""
        flow = next(flow for flow in self._workflows if flow.workflow == workflow)
        return self._work(flow, next(known for known in flow.cases if known.name == case))

    def _of_day(self, flow: Workflow, offset: int, busy: float) -> Iterator[Work]:
        for case in flow.cases:
            if offset in case.days:
                yield self._work(flow, case)
        expected = flow.per_day * busy
        for _ in range(int(expected) + (self._random.random() < expected % 1)):
            yield self._work(flow, self._case(flow, offset))

    def _case(self, flow: Workflow, offset: int) -> Case:
        fitting = [case for case in flow.cases if case.weight > 0 and case.since <= offset <= case.until]
        return self._random.choices(fitting, [case.weight for case in fitting])[0]

    def _work(self, flow: Workflow, case: Case) -> Work:
        drawn = self._random
        customer = case.customer or drawn.choices(list(flow.customers), list(flow.customers.values()))[0]
        self._numbers[flow.workflow] += drawn.randint(1, 9)
        values = STANDING | {name: drawn.choice(known) for name, known in flow.values.items()}
        values |= {"n": self._numbers[flow.workflow]} | case.values
        return Work(flow, case, customer, drawn.choice(flow.users or [""]), filled(values, values))

    def _second(self) -> int:
        """Within working hours, most of it around noon."""
        return int(self._random.triangular(7, 19, 12) * HOUR_S)

    def word(self, work: Work) -> str:
        """What the customer will make of its outcome."""
        words = work.workflow.words
        if work.case.outcome or not words:
            return work.case.outcome
        return self._random.choices(list(words), [word.weight for word in words.values()])[0]
