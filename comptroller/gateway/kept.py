"""Replies that a provider keeps: whose they are and what went before them, also after a restart."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from comptroller.core.call import Identity
from comptroller.core.errors import StoreError
from comptroller.core.facts import CALL_CLOSED, Fact
from comptroller.office.follower import Follower, Place
from comptroller.store import segment
from comptroller.store.ledger import Ledger
from comptroller.wrapper.capture import KEEPING
from comptroller.wrapper.context import RunState
from comptroller.wrapper.desk import Desk

MOST = 50_000  # replies remembered
SEGMENTS = 2  # of the journal are read again after a restart: what is older begins a new run
Mark = tuple[object, object, object]


@dataclass(frozen=True, slots=True)
class Past:
    """One reply and what its conversation holds with it."""

    run: str
    call: str
    count: int  # messages of the conversation up to and with this reply
    model: str
    reply: tuple[str, ...]  # digests


class _Use(msgspec.Struct):
    id: str = ""
    name: str = ""


class _Said(msgspec.Struct):
    tool_calls: list[_Use] = msgspec.field(default_factory=list)


class KeptReplies:
    """The replies of this gateway's calls by their ids, the oldest forgotten first."""

    def __init__(self, desk: Desk, most: int = MOST) -> None:
        self._desk, self._most = desk, most
        self._past: OrderedDict[Mark, Past] = OrderedDict()
        self._whose: OrderedDict[str, tuple[str, str]] = OrderedDict()  # tenant and customer, by the reply alone
        self._follower: Follower | None = None
        self._reading = asyncio.Lock()

    def watch(self, fact: Fact) -> None:
        """Remember a reply."""
        data = fact.data
        upstream = data.get("upstream")
        if fact.kind != CALL_CLOSED or data.get("dialect") not in KEEPING or not isinstance(upstream, dict):
            return
        if "reply" in upstream:
            mark = (data["tenant"], data.get("key", ""), upstream["reply"])
            self._past[mark] = _past(fact)
            if len(self._past) > self._most:
                self._past.popitem(last=False)
            self._whose[str(upstream["reply"])] = str(data["tenant"]), str(data.get("customer", ""))
            if len(self._whose) > self._most:
                self._whose.popitem(last=False)

    def find(self, who: Identity, reply: str) -> Past | None:
        """A reply of the caller's own: of its tenant, and made with its key."""
        return self._past.get((who.tenant, who.key, reply))

    def is_others(self, who: Identity, reply: str) -> bool:
        """True for a reply that was made for another tenant or customer: the provider tells us from nobody else, and
        would let whoever names it go on with their conversation."""
        tenant, customer = self._whose.get(reply, (who.tenant, ""))
        differs = tenant != who.tenant or (customer and who.customer and customer != who.customer)
        return bool(differs) and self.find(who, reply) is None

    def forget(self, who: Identity, reply: str) -> None:
        """The provider keeps it no longer."""
        self._past.pop((who.tenant, who.key, reply), None)

    async def recall(self, who: Identity, run: RunState, before: str, is_shared: bool = False) -> None:
        """Tell a run what the reply before was, where it was opened anew or another worker has asked for that."""
        if run.thread.knows(before):
            return
        past = self.find(who, before)
        if past is None and is_shared:
            for fact in await self._read_on():
                self.watch(fact)
                self._desk.kept.watch(fact)  # the length of that conversation bounds what going on with it costs
            past = self.find(who, before)
        if past is None:
            return
        run.thread.answered(before, past.call, past.count)
        for use in self._uses(past):
            run.boundary.name(use.id, use.name)

    def _uses(self, past: Past) -> Iterable[_Use]:
        """The tool calls of a reply, as the vault has it."""
        for digest in past.reply:
            try:
                body = self._desk.ledger.fetch(digest)
                yield from msgspec.json.decode(body, type=_Said).tool_calls if body else ()
            except (StoreError, msgspec.DecodeError, UnicodeDecodeError):
                continue  # erased, or kept as a digest only

    async def look_back(self, tell: Iterable[Callable[[Fact], None]]) -> int:
        """Read what was on record before this process began; returns how many replies there were."""
        facts = await self._read_on()
        for fact in facts[-self._most :]:
            for watch in tell:
                watch(fact)
        return len(facts)

    async def _read_on(self) -> list[Fact]:
        """What came into the journal since the last time; it holds every reply that a client has."""
        if not isinstance(self._desk.ledger, Ledger):
            return []
        async with self._reading:
            if self._follower is None:
                self._follower = _at_the_newest(Path(self._desk.settings.ledger))
            return await asyncio.to_thread(_read, self._follower)


def _past(fact: Fact) -> Past:
    data = fact.data
    after, asked, reply = data.get("request_after"), data.get("request"), data.get("reply")
    before = after[1] if isinstance(after, list | tuple) and after else 0
    own, said = (list(digests) if isinstance(digests, list | tuple) else [] for digests in (asked, reply))
    return Past(fact.run, fact.call, int(before) + len(own) + len(said), str(data.get("name", "")), tuple(said))


def _at_the_newest(ledger: Path) -> Follower:
    numbers = segment.numbers(ledger) or [1]
    follower = Follower(ledger, CALL_CLOSED)
    follower.go(Place(numbers[-SEGMENTS:][0], 0, b""))
    return follower


def _read(follower: Follower) -> list[Fact]:
    return [fact for fact in follower.read() if fact.data.get("dialect") in KEEPING]
