"""Threads of a conversation: a request that continues an earlier one names it instead of repeating its messages."""

from collections import OrderedDict
from itertools import takewhile

from comptroller.core.forks import lock_over_forks

KEPT = 64  # conversations a run has under way at once; one that is forgotten is written out in full again
WORTH = 3  # messages that must be shared before naming the earlier call is shorter than repeating them

_TURN = lock_over_forks()  # one for all: what it guards takes microseconds


class Thread:
    """The last requests of a run's agents, by their messages' digests.

    Without this a conversation of n turns would put the square of n digests on record.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], tuple[str, list[str]]] = OrderedDict()

    def follow(self, agent: str, call: str, digests: list[str]) -> tuple[list[object], list[str]]:
        """([earlier call, n], the messages that come after its first n), or ([], all)."""
        if not digests:
            return [], []
        key = (agent, digests[0])
        with _TURN:
            before = self._last.pop(key, None)
            self._last[key] = (call, digests)
            if len(self._last) > KEPT:
                self._last.popitem(last=False)
        if before is None:
            return [], digests
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before[1], digests, strict=False)))
        if shared < WORTH:
            return [], digests
        return [before[0], shared], digests[shared:]
