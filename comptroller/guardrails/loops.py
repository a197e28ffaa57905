"""Loops: how often a run did the same, how its agents hand over, and what it spent in vain. Counts and hashes, no text.

Marks are Python's own keyed hashes, which nobody outside the process can aim at. All of it is bounded: a run of a
million calls takes no more memory than one of a few hundred.
"""

from collections import OrderedDict, deque

from comptroller.core.forks import lock_over_forks
from comptroller.core.loops import Bound, Way
from comptroller.core.rounds import Rounds

CALLS = 100  # of an agent's last tool calls: those in which the same one is looked for
FAILED = 64  # calls of an agent that failed and were not seen to work since
SAID = 4  # replies of an agent: one that is among the last of these is said again
AGENTS = 64  # of a run that are watched; the one silent for longest is forgotten
PARENTS = 1_000

_TURN = lock_over_forks()  # one for all: what it guards takes microseconds


class _Agent:
    """What one agent did last."""

    __slots__ = ("calls", "counts", "failed", "grown", "rounds", "said", "size")

    def __init__(self) -> None:
        self.calls: deque[int] = deque()
        self.counts: dict[int, int] = {}  # of each in `calls`
        self.failed: OrderedDict[int, int] = OrderedDict()  # how often on end
        self.rounds = Rounds()
        self.said: deque[int] = deque(maxlen=SAID)
        self.size = self.grown = 0

    def count(self, mark: int) -> None:
        if len(self.calls) >= CALLS:
            self._one_less(self.calls.popleft())
        self.calls.append(mark)
        self.counts[mark] = self.counts.get(mark, 0) + 1

    def uncount(self, mark: int) -> None:
        if mark in self.counts:
            self.calls.remove(mark)
            self._one_less(mark)

    def _one_less(self, mark: int) -> None:
        left = self.counts.pop(mark) - 1
        if left:
            self.counts[mark] = left

    def forget(self, mark: int) -> None:
        """It is as if this call had never been made."""
        while mark in self.counts:
            self.uncount(mark)


class Watch:
    """One run, over all its agents."""

    __slots__ = ("_agents", "_children", "_handed", "_last", "_spent", "quiet")

    def __init__(self) -> None:
        self.quiet = True  # nothing came again or to nothing, so that no count is above one: most runs end like this
        self._agents: OrderedDict[str, _Agent] = OrderedDict()
        self._children: dict[str, int] = {}  # agents under way beneath one
        self._handed: Rounds | None = None  # from agent to agent, with what was said last
        self._last = ""  # the agent that asked a model last
        self._spent: dict[str, list[int]] = {}  # all, and in vain; by currency

    # -- what happens

    def asks(self, agent: str, model: str, size: int) -> None:
        """An agent asks a model something so long."""
        with _TURN:
            self._hand_over(agent)
            known = self._of(agent)
            known.rounds.push(hash(("model", model)), does=False)
            if size <= known.size:
                known.grown = 0
            known.size = size

    def calls(self, agent: str, mark: int) -> None:
        """An agent calls a tool."""
        with _TURN:
            known = self._of(agent)
            known.count(mark)
            if known.rounds.push(mark) or known.counts[mark] > 1:
                self.quiet = False

    def parked(self, agent: str, mark: int) -> None:
        """That call waits for a person: making it again is what its caller was told to do."""
        with _TURN:
            known = self._of(agent)
            known.uncount(mark)
            known.rounds.clear()

    def says(self, agent: str, mark: int) -> None:
        """A model said something, or asked for calls."""
        with _TURN:
            known = self._of(agent)
            known.grown = known.grown + 1 if mark in known.said else 0
            if known.grown:
                self.quiet = False
            known.said.append(mark)

    def spend(self, cost: int, currency: str, in_vain: bool) -> None:
        """A call was paid for."""
        with _TURN:
            spent = self._spent.setdefault(currency, [0, 0])
            spent[0] += cost
            if in_vain:
                spent[1] += cost
                self.quiet = False

    def ended(self, agent: str, mark: int, failed: bool) -> None:
        """A call is over."""
        with _TURN:
            if failed:
                self.quiet = False
                fails = self._of(agent).failed
                fails[mark] = fails.pop(mark, 0) + 1
                if len(fails) > FAILED:
                    fails.popitem(last=False)
            elif (known := self._agents.get(agent)) is not None and known.failed:
                known.failed.pop(mark, None)

    def opened(self, parent: str) -> None:
        """An agent opens beneath another."""
        with _TURN:
            if len(self._children) < PARENTS or parent in self._children:
                self._children[parent] = self._children.get(parent, 0) + 1

    def closed(self, parent: str) -> None:
        """It is done."""
        with _TURN:
            left = self._children.get(parent, 0) - 1
            if left > 0:
                self._children[parent] = left
            else:
                self._children.pop(parent, None)

    # -- how far it went

    def count(self, way: Way, agent: str, mark: int = 0) -> tuple[int, int]:
        """How often, and how many calls make a round."""
        known = self._agents.get(agent)
        if way == "ping_pong":
            return self._handed.told() if self._handed is not None else (0, 0)
        if known is None:
            return 0, 0
        if way == "rounds":
            return known.rounds.told()
        if way == "growth":
            return known.grown, 0
        return (known.counts if way == "repeat" else known.failed).get(mark, 0), 0

    def wasted(self, currency: str) -> tuple[int, int]:
        """What was spent in a currency in all, and what of it in vain."""
        all_of_it, in_vain = self._spent.get(currency, (0, 0))
        return all_of_it, in_vain

    def currencies(self) -> tuple[str, ...]:
        """Those it was charged in."""
        return tuple(self._spent)

    def children(self, parent: str) -> int:
        """Agents under way beneath one."""
        return self._children.get(parent, 0)

    def pardon(self, bound: Bound, agent: str, mark: int = 0) -> None:
        """Somebody said that it may go on, or let it go on: from here it counts anew."""
        with _TURN:
            known = self._of(agent)
            if bound.way == "ping_pong":
                self._handed = None
            elif bound.way == "rounds":
                known.rounds.clear()
            elif bound.way == "growth":
                known.grown = 0
                known.said.clear()
            elif bound.way == "repeat":
                known.forget(mark)
            elif bound.way == "retries":
                known.failed.pop(mark, None)
            elif bound.way == "waste":
                self._spent.clear()

    def _of(self, agent: str) -> _Agent:
        known = self._agents.get(agent)
        if known is None:
            known = self._agents[agent] = _Agent()
            if len(self._agents) > AGENTS:
                self._agents.popitem(last=False)
        elif next(reversed(self._agents)) != agent:
            self._agents.move_to_end(agent)
        return known

    def _hand_over(self, agent: str) -> None:
        """Another agent's turn. What the one before said last is part of the mark: new words are no repetition."""
        last, self._last = self._last, agent
        if not last or not agent or last == agent:
            return
        said = self._of(last).said
        if not said:
            return
        if self._handed is None:
            self._handed = Rounds()
        if self._handed.push(hash((last, said[-1]))):
            self.quiet = False
