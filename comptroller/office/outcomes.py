"""The registry of outcomes: every outcome as it stands, folded from its events in the journal, and the way to add one.

An event is on record durably before anything follows from it. Two who say the same at once do no harm: ids say what
is the same, and the order of the journal decides which was first.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from comptroller.core.facts import OUTCOME, Fact
from comptroller.core.money import Money
from comptroller.core.outcome import Method, Outcome, OutcomeEvent, Terms
from comptroller.metering.attribution import Weights
from comptroller.metering.identity import month_of
from comptroller.metering.outcome_types import OutcomeType, load_types
from comptroller.metering.outcomes import ATTESTS, is_live, step
from comptroller.office.feed import feed_of
from comptroller.wrapper.desk import Desk

log = logging.getLogger("comptroller.outcomes")
AHEAD_NS = 300 * 1_000_000_000  # how far a clock elsewhere may be ahead of ours
Listener = Callable[[Outcome | None, Outcome, OutcomeEvent], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """An event on record."""

    event: OutcomeEvent
    recorded_at: int
    ignored: str = ""  # why it changed nothing


class Agreed(Protocol):
    """What contracts say of outcomes. ValueError where a fee cannot be told, in words."""

    def terms(self, tenant: str, customer: str, type: OutcomeType, at: int) -> tuple[str, Terms]:
        """The contract an outcome claimed then is under, and the type's terms as it narrows them."""
        ...

    def quote(self, outcome: Outcome, at: int, before: Iterable[Outcome]) -> tuple[str, Money | None]:
        """The version of the price, and the whole fee; `before` are those verified for the same, in order."""
        ...


class NoContracts:
    """Nobody agreed on anything: outcomes are counted and cost nothing."""

    def terms(self, tenant: str, customer: str, type: OutcomeType, at: int) -> tuple[str, Terms]:
        return "", type.terms

    def quote(self, outcome: Outcome, at: int, before: Iterable[Outcome]) -> tuple[str, Money | None]:
        return "", None


class Registry:
    """All outcomes of a ledger. Thread-safe.

    `listeners` are told of each event that counted: the outcome before it, after it, and the event. They are told in
    the order of the journal and, after a start, of everything again, so what they do must be known by the event's id.
    They may write facts of their own, but tell the registry nothing.
    """

    def __init__(
        self, desk: Desk, types: Mapping[str, OutcomeType] | None = None, agreed: Agreed | None = None
    ) -> None:
        self.desk = desk
        self.types = load_types(desk.settings.outcomes) if types is None else types
        self.agreed = agreed or NoContracts()
        self.weigh: Callable[[Outcome, OutcomeEvent], Weights] | None = None
        self.listeners: list[Listener] = []
        self._feed = feed_of(desk, OUTCOME)
        self.turn = threading.RLock()
        self._clear()

    def _clear(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._seen: dict[str, str] = {}  # event -> its outcome
        self._live: dict[str, str] = {}
        self._counts: dict[tuple[object, ...], int] = {}
        self._verified: dict[tuple[str, str, str], list[str]] = {}

    # -- reading

    def type(self, name: str) -> OutcomeType | None:
        """A type by its name."""
        return self.types.get(name)

    def events(self, key: str) -> list[Entry]:
        """All that was said of an outcome, in the order it came, what was ignored included."""
        with self.turn:
            return list(self._entries.get(key, ()))

    def said(self, id: str) -> bool:
        """True where an event of this id is on record."""
        return id in self._seen

    def catch_up(self) -> None:
        """Fold what came into the journal since the last time."""
        with self.turn:
            if not self._feed.intact():
                self._feed.restart()
                self._clear()
            for fact in self._feed.read():
                if fact.kind == OUTCOME:
                    self._fold(event_of(fact), fact.at)

    def live(self, identity: str) -> str:
        """The key of the live outcome of this identity."""
        return self._live.get(identity, "")

    def verified(self, outcome: Outcome, at: int, method: Method | None = None) -> int:
        """How many of its customer and type were verified in the month of `at`."""
        assert outcome.terms is not None, "a claim freezes the terms"
        return self._counts.get((*_kind(outcome), month_of(at, outcome.terms.zone), method), 0)

    def verified_before(self, outcome: Outcome) -> Iterator[Outcome]:
        """Those of its customer and type that were ever verified, in order; most prices ask for none of them."""
        keys = self._verified.get(_kind(outcome), ())
        return (self.outcomes[key] for key in keys if key != outcome.key)

    # -- writing

    def tell(self, event: OutcomeEvent, durable: bool = True) -> Outcome | None:
        """Put an event on record and return what became of its outcome.

        The same event again changes nothing; another one under its id is on record as a conflict, and the first stands.
        What anybody would conclude again from the facts before it need not be `durable` at once.
        """
        with self.turn:
            self.catch_up()
            if event.id in self._seen:
                other = self._conflict(event)
                if other is None:
                    return self.outcomes.get(event.outcome)
                event = other
            event = self._quoted(self._checked(event))
            known = self.outcomes.get(event.outcome)
            made, why = step(known, event, self._type_of(event, known), self)
            write = self.desk.ledger.sync if durable else self.desk.ledger.record
            write(fact_of(event, self.desk.clock.now_ns(), made, why))
            self.catch_up()
            return self.outcomes.get(event.outcome)

    def tell_all(self, events: Iterable[OutcomeEvent]) -> None:
        """Put many events on record, each of another outcome; durable with the next fact that is synced."""
        with self.turn:
            self.catch_up()
            for event in events:
                if event.id not in self._seen:
                    known = self.outcomes.get(event.outcome)
                    made, why = step(known, event, self._type_of(event, known), self)
                    self.desk.ledger.record(fact_of(event, self.desk.clock.now_ns(), made, why))
            self.catch_up()

    def why(self, id: str, key: str) -> str:
        """Why an event was ignored; empty where it counted."""
        return next((entry.ignored for entry in self.events(key) if entry.event.id == id), "")

    def _checked(self, event: OutcomeEvent) -> OutcomeEvent:
        ahead = event.at - self.desk.clock.now_ns()
        if ahead > AHEAD_NS and "refused" not in event.data:
            told = "it says it happened in the future; one of the clocks is wrong"
            return replace(event, data={**event.data, "refused": told})
        return event

    def _conflict(self, event: OutcomeEvent) -> OutcomeEvent | None:
        """What to put on record of an event whose id is taken; None where it is the same event again."""
        known = self._entries[self._seen[event.id]]
        first = next(entry.event for entry in known if entry.event.id == event.id)
        if _content(first) == _content(event):
            return None
        digest = sha256(msgspec.json.encode(_content(event), order="sorted")).hexdigest()[:16]
        id = f"{event.id}:conflict:{digest}"
        if id in self._seen:
            return None
        log.warning(
            "Outcome event %s came again with other content; the first stands. See outcome %s.", event.id, first.outcome
        )
        return replace(event, id=id, data={**event.data, "refused": f"{event.id} was told before with other content"})

    def _quoted(self, event: OutcomeEvent) -> OutcomeEvent:
        """With the price of now, the fee and who earned it, where the event may make them due."""
        known, when = self.outcomes.get(event.outcome), "verified"
        if known is None and event.type == "claim":
            (known, _), when = step(None, event, self._type_of(event, None), self), "claimed"
        elif event.type not in ATTESTS:
            return event
        if known is None or known.terms is None or "refused" in event.data:
            return event
        if event.type == "verify_pass" and known.terms.waits:
            return event  # somebody has to attest it yet
        data = dict(event.data)
        if known.terms.freeze == when:
            try:
                data["price"], fee = self.agreed.quote(known, event.at, self.verified_before(known))
            except ValueError as error:
                return replace(event, data={**data, "refused": str(error)})
            data["fee"] = [fee.nanos, fee.currency] if fee else None
        if self.weigh is not None and when == "verified" and "weights" not in data:
            data["weights"] = [list(pair) for pair in self.weigh(known, event)]
        return replace(event, data=data)

    def _type_of(self, event: OutcomeEvent, known: Outcome | None) -> OutcomeType | None:
        return self.types.get(known.type if known else str(event.data.get("type", "")))

    # -- folding

    def _fold(self, event: OutcomeEvent, recorded_at: int) -> None:
        if event.id in self._seen:
            return
        self._seen[event.id] = event.outcome
        known = self.outcomes.get(event.outcome)
        made, why = step(known, event, self._type_of(event, known), self)
        self._entries.setdefault(event.outcome, []).append(Entry(event, recorded_at, why))
        if made is None:
            return
        self.outcomes[event.outcome] = made
        if why:
            return
        self._index(known, made)
        for listener in self.listeners:
            listener(known, made, event)

    def _index(self, known: Outcome | None, made: Outcome) -> None:
        if is_live(made):
            self._live[made.identity] = made.key
        elif self._live.get(made.identity) == made.key:
            del self._live[made.identity]
        if made.verified_at and not (known and known.verified_at):
            assert made.terms is not None, "a claim freezes the terms"
            month = (*_kind(made), month_of(made.verified_at, made.terms.zone))
            for method in (None, made.method):
                self._counts[*month, method] = self._counts.get((*month, method), 0) + 1
            self._verified.setdefault(_kind(made), []).append(made.key)


def fact_of(event: OutcomeEvent, now_ns: int, made: Outcome | None, why: str) -> Fact:
    """An event as the journal holds it."""
    data: dict[str, object] = {
        "outcome": event.outcome,
        "type": event.type,
        "at": event.at,
        "evidence": list(event.evidence),
        "data": event.data,
        "state": made.state if made else "",
    }
    data |= {name: value for name in ("actor", "attestor", "method") if (value := getattr(event, name))}
    if why:
        data["ignored"] = why
    return Fact(OUTCOME, event.id, now_ns, run=made.run if made else "", data=data)


def event_of(fact: Fact) -> OutcomeEvent:
    """The event that a fact holds."""
    data: Any = fact.data
    return OutcomeEvent(
        fact.id,
        str(data["outcome"]),
        str(data["type"]),
        int(data["at"]),
        str(data.get("actor", "")),
        str(data.get("attestor", "")),
        data.get("method"),
        tuple(data.get("evidence", ())),
        data.get("data") or {},
    )


_ADDED = frozenset(("price", "fee", "weights"))  # by us, when an event is put on record


def _content(event: OutcomeEvent) -> list[object]:
    """What makes an event another one. When it was said is not part of it: who tries again says it later."""
    data = {name: value for name, value in event.data.items() if name not in _ADDED}
    return [event.outcome, event.type, event.actor, event.attestor, event.method, list(event.evidence), data]


def _kind(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.tenant, outcome.customer, outcome.type
