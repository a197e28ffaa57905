"""Threads of a conversation: a request that continues an earlier one names it instead of repeating its messages."""

from collections import OrderedDict
from itertools import takewhile

from comptroller.core.forks import lock_over_forks

KEPT = 64  # conversations a run has under way at once; one that is forgotten is written out in full again
WORTH = 3  # messages that must be shared before naming the earlier call is shorter than repeating them

REPLIES = 1_024  # likewise replies that a provider keeps

_TURN = lock_over_forks()  # one for all: what it guards takes microseconds


class Thread:
    """The last requests of a run's agents, by their messages' digests.

    Without this a conversation of n turns would put the square of n digests on record.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], tuple[str, list[str]]] = OrderedDict()
        self._kept: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def answered(self, reply: str, call: str, count: int) -> None:
        """Remember a reply its provider keeps: with it the conversation has `count` messages."""
        with _TURN:
            self._kept[reply] = (call, count)
            if len(self._kept) > REPLIES:
                self._kept.popitem(last=False)

    def knows(self, reply: str) -> bool:
        """Whether what goes on with this reply can name its call."""
        return reply in self._kept

    def follow(self, agent: str, call: str, digests: list[str], reply: str = "") -> tuple[list[object], list[str]]:
        """([earlier call, n], the messages that come after its first n), or ([], all).

        A request that names the reply before it brings only what is new: all of its messages come after that.
        """
        kept = self._kept.get(reply) if reply else None
        if kept is not None:
            return [*kept], digests
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
