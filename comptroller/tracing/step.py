"""The nouns of a run that is looked into: its steps, how it ended, and what it spent."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

FAILED = frozenset(("error", "cut", "cancelled", "expired", "abandoned"))  # the last of inner runs
REFUSED = frozenset(("denied", "over_budget", "rate_limited", "pending"))
TROUBLE = FAILED | REFUSED
CONTAINERS = frozenset(("agent", "tool", "run"))  # what others happen within; a model call only asks for them
DEEPEST = 100  # levels that are followed upwards: facts may claim anything

Costs = dict[str, int]  # nanos by currency, sums never mix


@dataclass(frozen=True, slots=True)
class Step:
    """An agent, a call or an inner run, as the books have it. `asked` and `answered` are equal where the texts were."""

    id: str
    parent: str
    kind: str  # agent | model | tool | external | run
    name: str
    status: str
    started: datetime
    ended: datetime | None = None
    agent: str = ""
    model: str = ""
    rule: str = ""
    because: str = ""
    place: str = ""  # of the rule
    error: str = ""
    nanos: int = 0
    currency: str = ""
    asked: int | None = None  # what went in; None where no digest was kept
    answered: int | None = None  # what came back
    attempt: int = 1
    upstream_status: int | None = None
    policy: str = ""
    price: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: ok, error, open or abandoned, and what its program raised."""

    id: str
    status: str
    error: str = ""
    workflow: str = ""


@dataclass(frozen=True, slots=True)
class Handover:
    """An agent that gave up its work, and who took it over."""

    agent: str
    to: str
    because: str
    at: str = ""  # the refused call that said so, else the agent's last block before; empty where there is none


def costs_of(steps: Iterable[Step]) -> Costs:
    """What the steps cost together."""
    sums: Counter[str] = Counter()
    for step in steps:
        if step.nanos:
            sums[step.currency] += step.nanos
    return dict(sums)


def homes_of(steps: Iterable[Step]) -> dict[str, str]:
    """For each step the agent, tool or run it happened in; "" is the run itself.

    A tool call names the model call that asked for it: both happened in the same agent.
    """
    known = {step.id: step for step in steps}
    return {id: _home(step, known) for id, step in known.items()}


def path_of(step: Step, known: dict[str, Step], homes: dict[str, str]) -> tuple[Step, ...]:
    """What a step happened in, the outermost first, and the step itself."""
    path = [step]
    while (home := homes.get(path[-1].id, "")) and len(path) < DEEPEST and known[home] not in path:
        path.append(known[home])
    return tuple(reversed(path))


def _home(step: Step, known: dict[str, Step]) -> str:
    for _ in range(DEEPEST):
        above = known.get(step.parent)
        if above is None:
            return ""
        if above.kind in CONTAINERS:
            return above.id
        step = above
    return ""
