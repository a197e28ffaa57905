"""Recorded calls put to other policies: which would be decided otherwise, and what that comes to in money.

Both sides are asked by the engine that decides live, on what is on record. Caps are counted on what calls really
cost, not on what was held for them. What would have happened after a refusal nobody knows: each call is judged as it
was made.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from comptroller.core.judges import AGENT
from comptroller.core.money import decimal_text
from comptroller.core.verdict import STRICTNESS, Action, Case, Decision
from comptroller.metering.budget import lines_for
from comptroller.office.account import Vault
from comptroller.office.hearing import unknown
from comptroller.office.recorded import Agents, Recorded, nanos, recorded
from comptroller.office.votes import NONE, Votes
from comptroller.policies.book import HARD, Book
from comptroller.policies.judging import left_open

Row = dict[str, Any]
_STOPS = STRICTNESS["ask"]
NOT_ASKED = "judges decide on it, and were not asked"
KEPT = 1_000  # changed calls told one by one; the rest is counted


@dataclass(frozen=True, slots=True)
class Said:
    """What one side says of a call."""

    action: Action
    rule: str = ""
    because: str = ""
    place: str = ""

    @property
    def stops(self) -> bool:
        """Whether the call does not pass, or not by itself."""
        return STRICTNESS[self.action] >= _STOPS


UNJUDGED = Said("ask", "judge")  # nobody can tell before judges are asked


@dataclass(frozen=True, slots=True)
class Turned:
    """A call that would be decided otherwise."""

    call: str
    run: str
    kind: str
    name: str
    agent: str
    before: Said
    after: Said
    cost: int  # nanos
    currency: str


@dataclass(slots=True)
class Outcome:
    """What came of putting calls to two books."""

    calls: int = 0
    turned: int = 0
    told: list[Turned] = field(default_factory=list)
    ways: Counter[tuple[str, str]] = field(default_factory=Counter)  # what was said before and is said after
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)  # the rule and what it says, of what turned
    spared: Counter[str] = field(default_factory=Counter)  # nanos of calls that would no longer pass
    freed: Counter[str] = field(default_factory=Counter)  # nanos that calls which would now pass might cost at most
    untold: Counter[str] = field(default_factory=Counter)  # calls that could not be judged, by why

    def add(self, turned: Turned, worst: int) -> None:
        """Take in a call that turned."""
        self.turned += 1
        self.ways[turned.before.action, turned.after.action] += 1
        said = turned.after if turned.after.rule else turned.before
        self.rules[said.rule, turned.after.action] += 1
        if turned.after.stops and not turned.before.stops:
            self.spared[turned.currency] += turned.cost
        elif turned.before.stops and not turned.after.stops:
            self.freed[turned.currency] += turned.cost or worst
        if len(self.told) < KEPT:
            self.told.append(turned)


class Side:
    """One book, and what its caps have counted so far."""

    def __init__(self, book: Book, votes: Votes = NONE) -> None:
        self.book, self.votes = book, votes
        self._used: Counter[tuple[str, str]] = Counter()

    def say(self, one: Recorded) -> Said | None:
        """What it says of a call; None where it asks for what nobody can tell any more."""
        cases = self.votes.told(one, self.book) if self.book.judged else one.cases
        if any(unknown(self.book, case, one.lacks) for case in cases):
            return None
        if any(self.book.judged and left_open(_decision(self.book, case)) for case in cases):
            return UNJUDGED
        said = max((decided(self.book, case) for case in cases), key=lambda each: STRICTNESS[each.action])
        return said if said.stops else self._capped(one) or said

    def _capped(self, one: Recorded) -> Said | None:
        """A refusal where a cap would be passed by what the call cost; else what it cost is counted."""
        row, case = one.row, one.cases[0]
        amounts = {"calls": 1, "tokens": int(row["input"] or 0) + int(row["output"] or 0)}
        amounts[row["currency"] or "USD"] = nanos(row["cost"])
        caps = self.book.caps(case.identity, row["name"] if row["kind"] == "tool" else "")
        counted = [cap for cap in caps if (cap.per == "tool") == (row["kind"] == "tool")]
        lines = lines_for(counted, amounts, case.now_ns, case.identity.run)
        for cap in counted:
            (line,) = lines_for([cap], amounts, case.now_ns, case.identity.run)
            if cap.over in HARD and self._used[line.key, line.unit] + line.amount > cap.limit:
                action: Action = "ask" if cap.over == "ask" else "deny"
                return Said(action, "budget", f"The cap per {cap.per} would be passed.", cap.place)
        for counter, line in {(line.key, line.unit): line for line in lines}.items():  # caps may share a counter
            self._used[counter] += line.amount
        return None


def decided(book: Book, case: Case) -> Said:
    """What the rules, tables and profiles of a book say of a case."""
    decision = _decision(book, case)
    verdict = decision.verdict
    if verdict is None or decision.action == "allow":  # that a judge said no turns nothing
        return Said(decision.action)
    return Said(decision.action, verdict.rule, verdict.because, verdict.place)


def _decision(book: Book, case: Case) -> Decision:
    """What a book says; the calls of judges are not judged."""
    decision = book.decide(case)
    unasked = decision.unasked
    return unasked.rest if unasked is not None and case.identity.agent.startswith(AGENT) else decision


def backtest(
    rows: list[Row],
    agents: Agents,
    vault: Vault,
    before: Callable[[str], Book | None],
    after: Book,
    votes: Votes = NONE,
) -> Outcome:
    """Put whole runs to two sides. `before` gives the book for the version a call was recorded under, if there is one.

    Where a version can no longer be loaded, what is on record of the call stands for it. Judges who said something of
    a call are not asked the same again.
    """
    outcome = Outcome()
    sides: dict[int, Side] = {}
    new = Side(after, votes)
    olds = _by_version(rows, agents, vault, before)
    for one in recorded(rows, agents, vault, after):
        outcome.calls += 1
        if one.lost:
            outcome.untold["arguments kept as a digest only"] += 1
            continue
        was, old = olds[one.row["call"]]
        if old is None:
            said: Said | None = Said(one.row["action"] or "allow", one.row["rule"] or "", one.row["because"] or "")
        else:
            said = sides.setdefault(id(old), Side(old, votes)).say(was or one)
        now = new.say(one)
        if said is None or now is None:
            outcome.untold["a rule asks for what is not on record"] += 1
        elif UNJUDGED in (said, now):
            outcome.untold[NOT_ASKED] += 1
        elif (said.action, said.rule if said.stops else "") != (now.action, now.rule if now.stops else ""):
            outcome.add(_turned(one.row, said, now), nanos(one.row["worst"]))
    return outcome


def _by_version(
    rows: list[Row], agents: Agents, vault: Vault, before: Callable[[str], Book | None]
) -> dict[str, tuple[Recorded | None, Book | None]]:
    """Each call as the book saw it that was in force: where its arguments came from depends on its tool tables."""
    found: dict[str, tuple[Recorded | None, Book | None]] = {}
    books: dict[str, Book | None] = {}
    for row in rows:
        version = str(row["policy"] or "")
        if version not in books:
            books[version] = before(version)
        found[row["call"]] = (None, books[version])
    for book in {id(book): book for book in books.values() if book is not None and book.traces}.values():
        for one in recorded([dict(row) for row in rows], agents, vault, book):
            if found[one.row["call"]][1] is book:
                found[one.row["call"]] = (one, book)
    return found


def given(cases: Iterable[tuple[str, Case]], before: Book, after: Book) -> Outcome:
    """The same of calls that somebody made up."""
    outcome = Outcome()
    for name, case in cases:
        outcome.calls += 1
        if left_open(before.decide(case)) or left_open(after.decide(case)):
            outcome.untold[NOT_ASKED] += 1
            continue
        said, now = decided(before, case), decided(after, case)
        if (said.action, said.rule) != (now.action, now.rule):
            about = case.tool or case.model or case.stage
            outcome.add(Turned(name, "", case.stage, about, case.identity.agent, said, now, 0, ""), 0)
    return outcome


def _turned(row: Row, before: Said, after: Said) -> Turned:
    return Turned(
        row["call"],
        row["run"],
        row["kind"],
        row["name"],
        row["agent"] or "",
        before,
        after,
        nanos(row["cost"]),
        row["currency"] or "",
    )


def as_json(outcome: Outcome, most: int) -> Row:
    """For machines; money as exact decimals."""

    def money(sums: Mapping[str, int]) -> dict[str, str]:
        return {currency: decimal_text(amount) for currency, amount in sums.items() if currency and amount}

    return {
        "calls": outcome.calls,
        "changed": outcome.turned,
        "untold": dict(outcome.untold),
        "decisions": [{"before": a, "after": b, "calls": n} for (a, b), n in outcome.ways.most_common()],
        "rules": [{"rule": rule, "action": action, "calls": n} for (rule, action), n in outcome.rules.most_common()],
        "no_longer_spent": money(outcome.spared),
        "newly_allowed_at_most": money(outcome.freed),
        "examples": [_told(one) for one in outcome.told[:most]],
    }


def _told(one: Turned) -> Row:
    def side(said: Said) -> Row:
        return {"decision": said.action, "rule": said.rule, "because": said.because, "place": said.place}

    return {
        "call": one.call,
        "run": one.run,
        "kind": one.kind,
        "name": one.name,
        "agent": one.agent,
        "before": side(one.before),
        "after": side(one.after),
        "cost": decimal_text(one.cost),
        "currency": one.currency,
    }


def lines_of(outcome: Outcome) -> Iterator[str]:
    """What came of it, for people: counts first, then money."""
    yield f"{outcome.calls:,} calls, {outcome.turned:,} would be decided otherwise"
    for (was, now), count in outcome.ways.most_common():
        yield f"  {count:>7,}  {was} -> {now}"
    told = as_json(outcome, 0)
    for currency, amount in told["no_longer_spent"].items():
        yield f"spent by calls that would no longer pass by themselves: {amount} {currency}"
    for currency, amount in told["newly_allowed_at_most"].items():
        yield f"what calls that would now pass might have cost, at most: {amount} {currency}"
    for why, count in outcome.untold.items():
        yield f"{count:,} could not be judged: {why}"
