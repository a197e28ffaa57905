"""Controls in a period: which rules were in force as evidence for each, since when, and how often they spoke."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from comptroller.office.versions import book_of
from comptroller.policies.book import Book
from comptroller.policies.evidence import Evidence, evidence_in, needs_in
from comptroller.store.reader import Reader

Row = dict[str, Any]
MOST = 100_000  # rules and what they said, of a period


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which one version of the policies was in force; no end where it still is."""

    version: str
    since: datetime
    until: datetime | None


@dataclass(slots=True)
class Spoke:
    """One rule in a period: when it was in force, and what it did."""

    evidence: Evidence
    spans: list[Span] = field(default_factory=list)
    decisions: int = 0  # enforced
    shadows: int = 0
    latest: datetime | None = None

    @property
    def in_force(self) -> list[tuple[datetime, datetime | None]]:
        """The times it was in force, those that touch joined."""
        joined: list[tuple[datetime, datetime | None]] = []
        for span in self.spans:
            if joined and joined[-1][1] == span.since:
                joined[-1] = (joined[-1][0], span.until)
            else:
                joined.append((span.since, span.until))
        return joined


@dataclass(frozen=True, slots=True)
class Account:
    """What a period has to show for its controls."""

    controls: Mapping[str, list[Spoke]]
    needs: Mapping[str, str]
    unread: tuple[str, ...]  # versions that were in force and can no longer be loaded here


def account_of(reader: Reader, since: datetime | None, until: datetime | None, tenant: str | None = None) -> Account:
    """What the books of a ledger have to show for a period."""
    window = {"since": since and since.isoformat(), "until": until and until.isoformat()}
    loads: list[Row] = reader.rows("policy_loads", until=window["until"])
    counts: list[Row] = reader.rows("console_rules", **window, tenant=tenant, limit=MOST)
    return account(spans_of(loads, since, until), lambda version: book_of(reader, version), counts)


def spans_of(loads: Sequence[Row], since: datetime | None, until: datetime | None) -> list[Span]:
    """The times versions were in force, cut to a period; what was loaded before it and not replaced counts."""
    found = []
    for at, load in enumerate(loads):
        ended = loads[at + 1]["happened"] if at + 1 < len(loads) else until
        begun = load["happened"] if since is None else max(load["happened"], since)
        if ended is None or ended > begun:
            found.append(Span(load["version"], begun, ended))
    return found


def account(spans: Iterable[Span], book_of: Callable[[str], Book | None], counts: Iterable[Row]) -> Account:
    """Put together what was in force and what it did. `counts` are decisions by policy and rule."""
    spoke: dict[tuple[str, str, tuple[str, ...]], Spoke] = {}
    needs: dict[str, str] = {}
    books: dict[str, Book | None] = {}
    for span in spans:
        book = books[span.version] if span.version in books else books.setdefault(span.version, book_of(span.version))
        if book is None:
            continue
        needs.update(needs_in(book))
        for one in evidence_in(book):
            held = spoke.setdefault((one.policy, one.rule, one.controls), Spoke(one))
            held.evidence = one  # where it stands, and how, in the latest version
            if span not in held.spans:
                held.spans.append(span)
    _count(list(spoke.values()), counts)
    return Account(_by_control(spoke.values()), needs, tuple(name for name, book in books.items() if book is None))


def _count(spoke: Sequence[Spoke], counts: Iterable[Row]) -> None:
    """Guards and budgets speak without their policy's name: whoever has them in force is shown what they did."""
    for row in counts:
        for one in spoke:
            if one.evidence.rule == row["rule"] and row["policy"] in ("", one.evidence.policy):
                one.decisions += 0 if row["shadow"] else row["decisions"]
                one.shadows += row["decisions"] if row["shadow"] else 0
                one.latest = max(one.latest or row["latest"], row["latest"])


def _by_control(spoke: Iterable[Spoke]) -> dict[str, list[Spoke]]:
    found: dict[str, list[Spoke]] = {}
    for one in spoke:
        for control in one.evidence.controls:
            found.setdefault(control, []).append(one)
    return dict(sorted(found.items()))


def as_json(found: Account) -> Row:
    """For machines."""
    return {
        "controls": [
            {"control": control, "rules": [_rule(one) for one in rules], "needs": found.needs.get(control, "")}
            for control, rules in found.controls.items()
        ],
        "without_rules": [
            {"control": control, "needs": text}
            for control, text in found.needs.items()
            if control not in found.controls
        ],
        "unread": list(found.unread),
    }


def _rule(one: Spoke) -> Row:
    said = one.evidence
    return {
        "kind": said.kind,
        "rule": said.rule,
        "policy": said.policy,
        "place": said.place,
        "shadow": said.shadow,
        "in_force": [{"since": since, "until": until} for since, until in one.in_force],
        "versions": list(dict.fromkeys(span.version for span in one.spans)),
        "decisions": one.decisions,
        "shadow_decisions": one.shadows,
        "latest": one.latest,
    }
