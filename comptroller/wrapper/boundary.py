"""The tool boundary of one run: tool calls a model asked for, decided once, waiting for what came of them."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comptroller.core.call import Identity
from comptroller.core.forks import lock_over_forks

if TYPE_CHECKING:
    from comptroller.wrapper.entry import Entry

MOST = 4096  # tool calls without a result that a run remembers; an agent that never answers must not fill memory

_TURN = lock_over_forks()  # one for all: what it guards takes microseconds


@dataclass(slots=True, eq=False)
class Asked:
    """A tool call that was allowed at the boundary and not answered yet."""

    call: str  # our id of the tool call
    call_id: str  # the provider's id
    name: str
    digest: str  # of name and arguments
    entry: "Entry"  # its record, closed by whoever sees what came of it
    taken: bool = False  # a governed function is executing it, and will record it

    def is_for(self, identity: Identity) -> bool:
        """Whether the decision was made for this agent, with these scopes."""
        whose = self.entry.identity
        return whose.agent == identity.agent and whose.scopes == identity.scopes


class Boundary:
    """Allowed tool calls by provider id, each consumed once: by a governed function, or by its result."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, str], Asked] = OrderedDict()
        self._answered: OrderedDict[str, None] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()  # of tools, by call id

    def allow(self, asked: Asked) -> list[Asked]:
        """Remember an allowed tool call; returns those pushed out because too many are unanswered."""
        with _TURN:
            self._open[(asked.call_id, asked.call)] = asked
            self._name(asked.call_id, asked.name)
            dropped = []
            while len(self._open) > MOST:
                dropped.append(self._open.popitem(last=False)[1])
            return dropped

    def named(self, call_id: str) -> str:
        """The tool of a call id: a request that brings only what is new does not say it again."""
        return self._names.get(call_id, "")

    def name(self, call_id: str, tool: str) -> None:
        """Learn the tool of a call that was allowed before this process."""
        with _TURN:
            self._name(call_id, tool)

    def take(self, name: str, digest: str, identity: Identity) -> Asked | None:
        """The decision for a call that is about to be executed with just these arguments; given out once.

        Only to the agent it was made for: another one's call is decided anew.
        """
        with _TURN:
            for asked in self._open.values():
                if not asked.taken and asked.digest == digest and asked.name == name and asked.is_for(identity):
                    asked.taken = True
                    return asked
        return None

    def answer(self, call_id: str) -> Asked | None:
        """The allowed call that a tool result in a later request answers; None where it was recorded already."""
        with _TURN:
            for key, asked in self._open.items():
                if key[0] == call_id:
                    del self._open[key]
                    return None if asked.taken else asked
        return None

    def withdraw(self, call_id: str, call: str) -> Asked | None:
        """Forget a call that was allowed in a reply nobody gets; None where it is not open any more."""
        with _TURN:
            return self._open.pop((call_id, call), None)

    def waits_for(self, call_id: str) -> bool:
        """True while the call was allowed here and its result was not seen yet."""
        with _TURN:
            return any(key[0] == call_id for key in self._open)

    def first_sight(self, call_id: str) -> bool:
        """True the first time a result for this call id is seen: history repeats in every request."""
        with _TURN:
            if call_id in self._answered:
                return False
            self._seen(call_id)
            return True

    def drain(self) -> list[Asked]:
        """All that were never answered, when the run closes."""
        with _TURN:
            left = [asked for asked in self._open.values() if not asked.taken]
            self._open.clear()
            return left

    def _name(self, call_id: str, tool: str) -> None:
        self._names[call_id] = tool
        if len(self._names) > 4 * MOST:
            self._names.popitem(last=False)

    def _seen(self, call_id: str) -> None:
        self._answered[call_id] = None
        if len(self._answered) > 4 * MOST:
            self._answered.popitem(last=False)
