"""The guards in a row: one text in, what was found and what is to happen out; a guard that breaks refuses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from comptroller.core.clock import SYSTEM, Clock
from comptroller.core.verdict import STRICTNESS, Action, Finding
from comptroller.guardrails import jsontext
from comptroller.guardrails.bench import Bench, GuardFailed
from comptroller.guardrails.disguise import behind, could_hide
from comptroller.guardrails.guard import Guard, Installed
from comptroller.guardrails.redact import Spot, because, findings, merge, redact, settle
from comptroller.guardrails.scanner import BUILT_IN, SCANNER, Scanner
from comptroller.guardrails.window import Window

Plan = Mapping[str, Action]
"""Guard name -> what happens to its findings in this direction. Guards not named, or named `allow`, do not run."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the guards say of one text. `failed` names a guard that broke: then the action is `deny`."""

    action: Action
    findings: tuple[Finding, ...]
    text: str  # redacted where the plan says so, else the same object
    because: str = ""
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The guards of a plan that share an action; their findings are merged with one another."""

    action: Action
    names: frozenset[str]
    built_in: frozenset[str]
    extra: tuple[Guard | Installed, ...]


class Chain:
    """Runs guards over texts. Thread-safe; free of cost until the first text."""

    def __init__(
        self,
        extra: Sequence[Guard | Installed] = (),
        limit_ms: int = 250,
        clock: Clock = SYSTEM,
        scanner: Scanner = SCANNER,
        memory_mb: int = 512,
    ) -> None:
        self._extra = {guard.name: guard for guard in extra}
        self._limit_ms = limit_ms
        self._clock = clock
        self.scanner = scanner
        self._bench = Bench(limit_ms, memory_mb, clock)
        self._groups: dict[tuple[tuple[str, Action], ...], tuple[Group, ...]] = {}

    def warm(self) -> None:
        """Load the scanner in the background, so that no call waits for it."""
        self.scanner.warm()

    def close(self) -> None:
        """End the processes of guards from elsewhere; a text that comes all the same starts them anew."""
        self._bench.close()

    def inspect(self, text: str, plan: Plan) -> Inspection:
        """Look at one text."""
        try:
            groups = self.groups(plan)
            spots = self.examine(text, groups) if groups else {}
        except GuardFailed as failure:
            return refused(failure, text)
        return _summary(text, spots, redact(text, spots.get("redact", []))) if spots else _clean(text)

    def inspect_json(self, text: str, plan: Plan) -> Inspection:
        """Look at the strings, numbers and keys of a JSON text as they read once decoded; redaction keeps it JSON."""
        leaves = jsontext.read(text)
        if leaves is None:
            return self.inspect(text, plan)
        try:
            groups = self.groups(plan)
            spots = self.examine(leaves.flat, groups) if groups else {}
        except GuardFailed as failure:
            return refused(failure, text)
        if not spots:
            return _clean(text)
        found = {action: leaves.locate(listed) for action, listed in spots.items()}
        return _summary(text, found, leaves.write(spots.get("redact", [])))

    def window(self, plan: Plan) -> Window:
        """A look at a text that arrives in pieces."""
        return Window(self, plan)

    def groups(self, plan: Plan) -> tuple[Group, ...]:
        """The plan sorted by action; a guard that nobody knows is a failure, not a gap."""
        key = tuple(plan.items())
        known = self._groups.get(key)
        if known is None:
            if len(self._groups) > 256:
                self._groups.clear()
            actions = [action for action in dict.fromkeys(plan.values()) if action != "allow"]
            known = self._groups[key] = tuple(self._group(action, plan) for action in actions)
        return known

    def _group(self, action: Action, plan: Plan) -> Group:
        names = [name for name, wanted in plan.items() if wanted == action]
        unknown = [name for name in names if name not in BUILT_IN and name not in self._extra]
        if unknown:
            raise GuardFailed(
                unknown[0],
                f"no guard is called {unknown[0]!r}. Install the package that brings it, or take it out of `guards`.",
            )
        extra = tuple(self._extra[name] for name in names if name in self._extra)
        return Group(action, frozenset(names), frozenset(names).intersection(BUILT_IN), extra)

    def examine(self, text: str, groups: Sequence[Group]) -> dict[Action, list[Spot]]:
        """Merged findings by action; empty where nothing was found."""
        wanted = groups[0].built_in if len(groups) == 1 else frozenset().union(*(group.built_in for group in groups))
        tick = self.timer(len(text), wanted)  # one limit for a text, however often it is gone over
        spots = self._built_in(text, wanted, tick) if wanted else []
        spots += [spot for group in groups for guard in group.extra for spot in self._bench.run(guard, text)]
        return self.sort_out(spots, text, groups, tick) if spots else {}

    def sort_out(
        self, spots: Sequence[Spot], text: str, groups: Sequence[Group], tick: Callable[[], None]
    ) -> dict[Action, list[Spot]]:
        """Spots by the action of their guard, each list merged: a finding only noted must not hide one to redact."""
        found: dict[Action, list[Spot]] = {}
        for group in groups:
            mine = [spot for spot in spots if spot.guard in group.names]
            if mine:
                found[group.action] = self._merged(mine, text, group, tick)
        return found

    def _merged(self, spots: list[Spot], text: str, group: Group, tick: Callable[[], None]) -> list[Spot]:
        if not group.built_in:
            return merge(spots)
        return settle(spots, text, lambda part: self._built_in(part, group.built_in, tick), tick)

    def _built_in(self, text: str, guards: frozenset[str], tick: Callable[[], None]) -> list[Spot]:
        try:
            spots = self.scanner.find(text, guards, tick)
            if could_hide(text):
                spots = [*spots, *behind(text, lambda part: self.scanner.find(part, guards, tick), tick)]
            return spots
        except GuardFailed:
            raise
        except Exception as error:
            raise GuardFailed("+".join(sorted(guards)), f"{type(error).__name__}: {error}") from error

    def timer(self, size: int, guards: frozenset[str]) -> Callable[[], None]:
        """A call that fails once this thread has worked for as long as a text of that size may take.

        Time of the processor, not of the wall: a loaded machine must not refuse an honest text. A large one may take
        a tenth more per megabyte: 46 MB of clean JSON took 230 ms. Asking for it is a call of the system, the wall's is
        not: it is asked once the wall says that so much could have passed, hence after twice that time at the latest.
        """
        clock, allowed_ns = self._clock, self._limit_ms * 1_000_000 * (10 + (size >> 20)) // 10
        wall_ns = clock.monotonic_ns() + allowed_ns
        deadline: int | None = None

        def tick() -> None:
            nonlocal deadline
            if clock.monotonic_ns() <= wall_ns:
                return
            busy_ns = clock.busy_ns()
            if deadline is None:
                deadline = busy_ns + allowed_ns
            elif busy_ns > deadline:
                raise GuardFailed(
                    "+".join(sorted(guards)),
                    f"a text of {size} characters took longer than limits.guard_ms ({self._limit_ms} ms). "
                    "Raise the limit or send less text.",
                )

        return tick


def refused(failure: GuardFailed, text: str) -> Inspection:
    """What follows from a guard that broke."""
    return Inspection("deny", (), text, failure.told, failure.guard)


def _clean(text: str) -> Inspection:
    return Inspection("allow", (), text)


def _summary(text: str, spots: Mapping[Action, list[Spot]], redacted: str) -> Inspection:
    action = max(spots, key=STRICTNESS.__getitem__)
    found = sorted((f for listed in spots.values() for f in findings(listed)), key=lambda f: (f.start, f.end, f.guard))
    deciding = findings(spots[action])
    return Inspection(action, tuple(found), redacted if "redact" in spots else text, because(deciding))
