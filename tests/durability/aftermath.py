"""What must be true of a ledger after whatever happened to the processes that wrote it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, CLAIM, HOLD_EXPIRED, HOLD_EXTENDED, LEDGER_OPENED, Fact
from comptroller.core.settings import Settings
from comptroller.metering.budget import Purse
from comptroller.store import journal
from comptroller.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What was found; for a line in a report."""

    returned: int
    facts: int
    expired: int
    segments: int
    owners: int


def check(folder: Path, notes: Path, sent: int) -> Aftermath:
    """Reopen the ledger and hold it to every promise; `sent` is how many requests the provider got."""
    returned = _returned(notes)
    with_ledger = Ledger.open(folder, Settings())
    try:
        facts = [fact for _, fact in journal.read(folder)]
        _same_purse(with_ledger, facts)
        _all_bodies(with_ledger, facts)
        _returned_are_on_record(with_ledger, facts, returned)
    finally:
        with_ledger.close()
    verified = journal.verify(folder)
    assert verified.ok, str(verified.fault)
    assert verified.torn == 0
    _nothing_twice(facts)
    _unfinished_are_charged(facts)
    opened = [fact for fact in facts if fact.kind == CALL_OPENED and fact.data["kind"] == "model"]
    assert sent <= len(opened), f"{sent} requests were sent, {len(opened)} are on record"
    kinds = Counter(fact.kind for fact in facts)
    return Aftermath(len(returned), len(facts), kinds[HOLD_EXPIRED], verified.segments, kinds[LEDGER_OPENED])


def _returned(notes: Path) -> list[tuple[str, str]]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [(what, id) for what, id in (line.split(" ") for line in lines)]


def _same_purse(ledger: Ledger, facts: list[Fact]) -> None:
    """The counters of the reopened ledger are the fold of all facts from the first, and nothing is live."""
    purse = Purse()
    for fact in facts:
        purse.apply(fact)
    purse.check()
    assert not purse.live(), f"{len(purse.live())} holds have no end"
    rows: Any = purse.snapshot()["counters"]
    for key, unit, *_ in rows:
        assert ledger.counter(key, unit) == purse.counter(key, unit), f"{key} {unit}"


def _all_bodies(ledger: Ledger, facts: list[Fact]) -> None:
    for digest in {digest for fact in facts for digest in _digests(fact)}:
        assert ledger.fetch(digest) is not None, f"the body {digest} is missing"


def _digests(fact: Fact) -> Iterator[str]:
    data: Mapping[str, Any] = fact.data
    if fact.kind in (CALL_OPENED, CALL_CLOSED):
        yield from data.get("request", ())
        yield from data.get("reply", ())
    elif fact.kind == CLAIM:
        yield data["evidence"]


def _returned_are_on_record(ledger: Ledger, facts: list[Fact], returned: list[tuple[str, str]]) -> None:
    closed = [fact for fact in facts if fact.kind == CALL_CLOSED]
    found = {
        "call": Counter(fact.call for fact in closed if fact.data["status"] == "ok"),
        "tool": Counter(fact.data["tool"]["args"] for fact in closed if fact.data["kind"] == "tool"),  # type: ignore[index]
        "claim": Counter(fact.id for fact in facts if fact.kind == CLAIM),
    }
    for what, id in returned:
        args = b"look_up\0" + msgspec.json.encode({"order": id})
        times = found[what][ledger.digest(args) if what == "tool" else id]
        assert times == 1, f"the {what} {id} returned and is on record {times} times"
    assert len(set(returned)) == len(returned)


def _nothing_twice(facts: list[Fact]) -> None:
    for name, times in Counter(fact.id for fact in facts).items():
        assert times == 1, f"the fact {name} is on record {times} times"
    for kind in (CALL_OPENED, CALL_CLOSED, HOLD_EXPIRED):
        for call, times in Counter(fact.call for fact in facts if fact.kind == kind).items():
            assert times == 1, f"{kind} of {call} is on record {times} times"


def _unfinished_are_charged(facts: list[Fact]) -> None:
    """A hold without a settle was charged at all that was held, extensions included, and flagged."""
    held: dict[str, dict[tuple[str, str], int]] = {}
    for fact in facts:
        hold: Any = fact.data.get("hold")
        if not hold:
            continue
        if fact.kind == CALL_OPENED:
            held[hold["id"]] = _amounts(hold["lines"])
        elif fact.kind == HOLD_EXTENDED:
            for account, amount in _amounts(hold["lines"]).items():
                held[hold["id"]][account] += amount
        elif fact.kind == HOLD_EXPIRED:
            assert _amounts(hold["lines"]) == held.pop(hold["id"]), f"{fact.call} was not charged at its estimate"
            assert fact.data["reason"]
        elif fact.kind == CALL_CLOSED:
            held.pop(hold["id"])
    assert not held, f"{len(held)} holds have no end on record"


def _amounts(rows: list[list[Any]]) -> dict[tuple[str, str], int]:
    amounts: dict[tuple[str, str], int] = {}
    for key, unit, amount, *_ in rows:
        amounts[key, unit] = max(amount, amounts.get((key, unit), 0))
    return amounts
