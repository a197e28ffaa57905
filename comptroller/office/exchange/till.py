"""The till: what goes into another system's books goes there once, whatever dies on the way.

Before anything is sent a fact says so, and after it another; what has the first and not the second is sent again under
the same key, for as long as the other side remembers keys. Later it is looked up there; where that cannot be done it
is left in doubt for a person, and not sent.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from comptroller.core.clock import Clock
from comptroller.core.errors import ComptrollerError
from comptroller.core.facts import EXCHANGE_REFUSED, EXCHANGE_SENDING, EXCHANGE_SENT, Fact
from comptroller.core.jws import canonical

KINDS = "exchange."
REMEMBERS_NS = 23 * 3600 * 1_000_000_000  # Stripe forgets an idempotency key after a day at the earliest

Kind = Literal["invoice_item", "meter_event"]


class Refused(ComptrollerError):
    """The other side said no, and kept nothing."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be put into another system's books; `id` is the same whoever works it out."""

    id: str
    kind: Kind
    params: Mapping[str, object]

    @property
    def digest(self) -> str:
        return hashlib.sha256(canonical(dict(self.params))).hexdigest()[:32]

    @property
    def key(self) -> str:
        """The idempotency key."""
        return hashlib.sha256(f"{self.id} {self.digest}".encode()).hexdigest()[:48]


class Port(Protocol):
    """Another system's books."""

    @property
    def name(self) -> str: ...
    def put(self, item: Item) -> str: ...
    def find(self, item: Item) -> str | None: ...


@dataclass(slots=True)
class Slips:
    """What was sent and what is under way: the fold of facts."""

    sent: dict[str, str] = field(default_factory=dict)  # item -> the other side's id
    under_way: dict[str, tuple[int, str]] = field(default_factory=dict)  # item -> since when, and its digest

    def fold(self, facts: Iterable[Fact]) -> "Slips":
        """Take these facts in, in order; again, they change nothing."""
        for fact in facts:
            id = str(fact.data.get("item"))
            if fact.kind == EXCHANGE_SENT:
                self.sent.setdefault(id, str(fact.data.get("object", "")))
                self.under_way.pop(id, None)
            elif fact.kind == EXCHANGE_SENDING and id not in self.sent:
                self.under_way.setdefault(id, (fact.at, str(fact.data.get("digest", ""))))
            elif fact.kind == EXCHANGE_REFUSED:
                self.under_way.pop(id, None)
        return self


@dataclass(slots=True)
class Done:
    """What came of it."""

    sent: list[str] = field(default_factory=list)
    before: int = 0  # sent earlier
    refused: dict[str, str] = field(default_factory=dict)  # with what the other side said
    doubtful: list[str] = field(default_factory=list)  # may be there, and nobody can tell


class Ledger(Protocol):
    """What a till needs of a ledger."""

    def sync(self, fact: Fact) -> None: ...


class Till:
    """Sends items to one port."""

    def __init__(self, ledger: Ledger, clock: Clock, port: Port, slips: Slips) -> None:
        self._ledger, self._clock, self._port, self._slips = ledger, clock, port, slips

    def send(self, items: Iterable[Item]) -> Done:
        """Send what was not sent yet. A failure of the way there is raised: run it again, nothing goes twice."""
        done = Done()
        for item in items:
            if item.id in self._slips.sent:
                done.before += 1
            else:
                self._send(item, done)
        return done

    def _send(self, item: Item, done: Done) -> None:
        known = self._slips.under_way.get(item.id)
        if known is None:
            self._note(EXCHANGE_SENDING, item, digest=item.digest)
        elif known[1] != item.digest or self._clock.now_ns() - known[0] > REMEMBERS_NS:
            found = self._port.find(item)
            if found is None and (item.kind == "meter_event" or known[1] != item.digest):
                done.doubtful.append(item.id)
                return
            if found is not None:
                self._sent(item, found, done)
                return
        try:
            self._sent(item, self._port.put(item), done)
        except Refused as refused:
            done.refused[item.id] = str(refused)
            self._note(EXCHANGE_REFUSED, item, error=str(refused))

    def _sent(self, item: Item, theirs: str, done: Done) -> None:
        self._note(EXCHANGE_SENT, item, object=theirs)
        done.sent.append(item.id)

    def _note(self, kind: str, item: Item, **more: object) -> None:
        now = self._clock.now_ns()
        data: dict[str, object] = {"item": item.id, "to": self._port.name, **more}
        fact = Fact(kind, f"{item.id}:{kind.rpartition('.')[2]}:{now}", now, data=data)
        self._ledger.sync(fact)
        self._slips.fold([fact])
