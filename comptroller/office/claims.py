"""Claims taken in: from `run.claim`, HTTP and the command line as facts, and by rule from runs that nobody claimed."""

import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any

import msgspec

from comptroller.core.facts import AGENT_OPENED, CLAIM, RUN_CLOSED, TYPES_LOADED, Fact
from comptroller.core.outcome import WHOLE, OutcomeEvent
from comptroller.metering.attribution import Weights
from comptroller.metering.identity import identity, window_of
from comptroller.metering.outcome_types import OutcomeType, write_terms
from comptroller.office.books import Books, account_of
from comptroller.office.evidence import body_of
from comptroller.office.feed import feed_of
from comptroller.office.outcomes import Registry
from comptroller.office.verifiers.panel import Panel
from comptroller.office.verifiers.rule import Rule
from comptroller.office.verifiers.shown import value_of
from comptroller.policies.condition import Undecided

RUNS = 100_000  # whose agents are remembered until they claim something
_MOST = 10**18
REFUSED = ("deny", "ask")


class Intake:
    """Follows the journal and makes an outcome of every claim whose type is known."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.desk = registry.desk
        self._claims = feed_of(self.desk, CLAIM)
        self._opened = feed_of(self.desk, AGENT_OPENED)
        self._loaded = feed_of(self.desk, TYPES_LOADED)
        self._known: set[str] = set()  # versions of types that are on record
        self._agents: dict[str, list[str]] = {}
        self.unknown: dict[str, Fact] = {}  # claims of no type that is declared

    def catch_up(self) -> None:
        """Take in what was claimed since the last time."""
        for feed in (self._opened, self._claims):
            if not feed.intact():
                feed.restart()
        for fact in self._opened.read():
            self._know(fact)
        for fact in self._claims.read():
            if fact.data.get("action") not in REFUSED:
                self._take(fact)

    def _know(self, fact: Fact) -> None:
        name = str(fact.data.get("agent", ""))
        if len(self._agents) >= RUNS and fact.run not in self._agents:
            self._agents.pop(next(iter(self._agents)))
        agents = self._agents.setdefault(fact.run, [])
        if name and name not in agents:
            agents.append(name)

    def _take(self, fact: Fact) -> None:
        if self.registry.said(claim_id(fact.id)):
            return
        type = self.registry.type(str(fact.data.get("type", "")))
        if type is None:
            self.unknown[fact.id] = fact
            return
        self._announce(type)
        self.registry.tell(self._event(fact, type), durable=False)

    def _announce(self, type: OutcomeType) -> None:
        """Put a type on record, text and all, before anything is judged by it."""
        if type.version in self._known:
            return
        self._known |= {str(fact.data.get("version")) for fact in self._loaded.read()}
        if type.version in self._known:
            return
        file = {"path": type.file, "digest": type.version, "text": type.text}
        data: dict[str, object] = {"version": type.version, "files": [file]}
        self.desk.ledger.sync(Fact(TYPES_LOADED, self.desk.clock.new_id(), self.desk.clock.now_ns(), data=data))
        self._known.add(type.version)

    def _event(self, fact: Fact, type: OutcomeType) -> OutcomeEvent:
        said: Mapping[str, Any] = fact.data
        tenant, customer = str(said.get("tenant", "default")), str(said.get("customer", ""))
        subject = subject_of(type, str(said.get("subject", "")))
        contract, terms = self.registry.agreed.terms(tenant, customer, type, fact.at)
        window = window_of(type.document.window, fact.at, type.document.zone)
        agent = str(said.get("agent", ""))
        opened = self._agents.get(fact.run, [])
        data: dict[str, object] = {
            "tenant": tenant,
            "customer": customer,
            "type": type.name,
            "version": type.version,
            "subject": subject,
            "run": fact.run,
            "workflow": str(said.get("workflow", "")),
            "agents": [*(name for name in opened if name != agent), *([agent] if agent else [])],
            "key": str(said.get("key", "")),
            "window": window,
            "contract": contract,
            "identity": identity(tenant, customer, type.name, subject, window),
            "degree": _degree(said.get("degree")),
            "terms": write_terms(terms),
        }
        digest = str(said.get("evidence", ""))
        data |= self._worth(type, digest)
        if type.terms.split == "declared":
            data["weights"] = [list(pair) for pair in _declared(body_of(self.desk, digest))]
        # Who is before the first contract, or past the last, still claims; what it costs is told when it is verified.
        return OutcomeEvent(claim_id(fact.id), fact.id, "claim", fact.at, agent, evidence=(digest,), data=data)

    def _worth(self, type: OutcomeType, digest: str) -> dict[str, object]:
        if type.document.value is None:
            return {}
        try:
            value = value_of(type.document.value, body_of(self.desk, digest) or {})
        except ValueError:
            return {}  # the check of the evidence says so in words
        return {"value": [value.nanos, value.currency]}


class Rules:
    """Claims runs by rule, once they have ended."""

    def __init__(self, registry: Registry, panel: Panel, books: Books) -> None:
        self.registry, self.panel, self.books = registry, panel, books
        self.desk = registry.desk
        self._ended = feed_of(self.desk, RUN_CLOSED)
        self._waiting: list[Fact] = []

    def catch_up(self) -> None:
        """Look at the runs that ended since the last time, and at those the books did not know yet."""
        if not self._ended.intact():
            self._ended.restart()
        found = [fact for fact in self._ended.read() if self.panel.claims(str(fact.data.get("workflow", "")))]
        if not found and not self._waiting:
            return
        self.books.refresh()
        self._waiting = [fact for fact in [*self._waiting, *found] if not self._looked_at(fact)]

    def _looked_at(self, fact: Fact) -> bool:
        now = self.desk.clock.now_ns()
        for type, subject, rule in self.panel.claims(str(fact.data.get("workflow", ""))):
            id = f"claim_{sha256(f'{fact.run}:{type.name}'.encode()).hexdigest()[:32]}"
            # Nobody gets a verdict on what is older than its deadline: a new rule does not claim the past.
            if self.registry.said(claim_id(id)) or now - fact.at > type.document.deadline:
                continue
            account = account_of(self.books, fact.run)
            if not account or account["run.status"] == "open":
                return False
            self._claim(id, fact, type, subject, rule, account)
        return True

    def _claim(
        self, id: str, fact: Fact, type: OutcomeType, subject: str, rule: Rule, account: Mapping[str, object]
    ) -> None:
        try:
            if not rule.holds(account):
                return
        except Undecided:
            return
        said = {name: value for name in ("tenant", "customer", "user", "workflow") if (value := fact.data.get(name))}
        about = fact.run if subject == "run" else str(said.get(subject, ""))
        if not about:
            return
        tenant = str(said.get("tenant", "default"))
        body = msgspec.json.encode({"run": fact.run, "status": account["run.status"]}, order="sorted")
        owner = str(said.get("customer") or said.get("user") or tenant)
        digest = self.desk.ledger.keep([body], tenant, owner)[0]
        data: dict[str, object] = {**said, "type": type.name, "subject": about, "degree": "1", "evidence": digest}
        self.desk.ledger.sync(Fact(CLAIM, id, fact.at, fact.run, data={**data, "by": "rule"}))


def claim_id(claim: str) -> str:
    """The id of the event that a claim becomes."""
    return f"{claim}:claim"


def subject_of(type: OutcomeType, said: str) -> str:
    """A subject as its type compares it: what looks the same is the same, so that it counts once."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", said) if unicodedata.category(sign) != "Cf")
    plain = " ".join(seen.split())
    return unicodedata.normalize("NFKC", plain.casefold()) if type.document.subject == "caseless" else plain


def _declared(evidence: Mapping[str, object] | None) -> Weights:
    """Who earned which share, as the evidence says under `shares`: by agent, in any measure."""
    said = (evidence or {}).get("shares")
    found: list[tuple[str, int]] = []
    for agent, share in said.items() if isinstance(said, Mapping) else ():
        try:
            weight = int(Decimal(str(share)) * WHOLE)
        except (InvalidOperation, ValueError, OverflowError):
            continue
        if 0 < weight < _MOST:
            found.append((str(agent), weight))
    return tuple(found)


def _degree(said: object) -> int:
    try:
        share = int(Decimal(str(said or "1")) * WHOLE)
    except (InvalidOperation, ValueError, OverflowError):
        return WHOLE
    return min(max(share, 1), WHOLE)
