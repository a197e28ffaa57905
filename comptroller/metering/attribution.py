"""Attribution: one fee, split over the agents that earned it; and what an outcome cost, failed attempts included."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from comptroller.core.money import largest_remainder
from comptroller.core.outcome import Outcome

_COUNTED = frozenset(("verified", "billed", "final", "disputed", "disputed_unbilled"))
Weights = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What one agent did in a run."""

    agent: str
    cost: int = 0  # nanos
    last: int = 0  # when it was last at work, ns since 1970


def weights(split: str, agents: Sequence[str], work: Iterable[Work], said: Weights = ()) -> Weights:
    """How a fee is split: by last touch, equally, by cost, as the claim declares or as a verifier found.

    What a way of splitting cannot say (no cost is known, nothing was declared) falls back on equal shares. The claim
    names its agents in the order they came, so the last of them is the last touch where no work is known.
    """
    done = {each.agent: each for each in work if each.agent}
    names = list(dict.fromkeys([*agents, *done]))
    if split in ("declared", "verifier") and (told := [(name, weight) for name, weight in said if weight > 0]):
        return tuple(sorted(told))
    if split == "last" and names:
        latest = max(names, key=lambda name: (done[name].last if name in done else 0, names.index(name)))
        return ((latest, 1),)
    if split == "cost" and any(each.cost > 0 for each in done.values()):
        return tuple(sorted((each.agent, each.cost) for each in done.values() if each.cost > 0))
    return tuple(sorted((name, 1) for name in names))


def split(nanos: int, weights: Weights, unit: int = 1) -> dict[str, int]:
    """The parts of an amount by agent, which sum to it exactly.

    By largest remainder in whole `unit`s (nanos of the currency's minor unit); equal remainders go to the agents first
    in the alphabet, and what is less than a unit to the first of all.
    """
    if not weights:
        return {"": nanos} if nanos else {}
    names = sorted(weights)
    sign = -1 if nanos < 0 else 1
    whole, rest = divmod(abs(nanos), unit)
    parts = largest_remainder(whole, [weight for _, weight in names])
    amounts = {name: sign * part * unit for (name, _), part in zip(names, parts, strict=True)}
    amounts[names[0][0]] += sign * rest
    return amounts


def served(outcomes: Iterable[Outcome]) -> dict[str, tuple[str, ...]]:
    """The runs each outcome that counts stands on: its own, and those of attempts at the same that came to nothing.

    An attempt serves the first outcome of the same customer, type and subject that was verified after it was claimed;
    what was tried again after the last of them served nothing.
    """
    tried: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        tried.setdefault((outcome.tenant, outcome.customer, outcome.type, outcome.subject), []).append(outcome)
    found: dict[str, tuple[str, ...]] = {}
    for attempts in tried.values():
        waiting: list[str] = []
        for outcome in sorted(attempts, key=lambda each: (each.claimed_at, each.key)):
            waiting.append(outcome.run)
            if outcome.state in _COUNTED:
                found[outcome.key] = tuple(dict.fromkeys(run for run in waiting if run))
                waiting = []
    return found


def loaded(outcomes: Iterable[Outcome], costs: Mapping[str, int]) -> dict[str, int]:
    """What each outcome that counts cost, in nanos. A run that several stand on is shared between them equally."""
    runs = served(outcomes)
    shared: dict[str, list[str]] = {}
    for key, stood_on in runs.items():
        for run in stood_on:
            shared.setdefault(run, []).append(key)
    cost = dict.fromkeys(runs, 0)
    for run, keys in shared.items():
        keys.sort()
        for key, part in zip(keys, largest_remainder(costs.get(run, 0), [1] * len(keys)), strict=True):
            cost[key] += part
    return cost
