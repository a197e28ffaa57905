"""Books in tests: a desk in memory, contracts and outcome types written down, and a bookkeeper who keeps them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from comptroller.core.clock import FrozenClock
from comptroller.core.outcome import WHOLE, Outcome, OutcomeEvent
from comptroller.core.settings import Settings
from comptroller.metering.contract_reader import read_contracts
from comptroller.metering.identity import identity
from comptroller.metering.invoice import Invoice
from comptroller.metering.outcome_types import load_types, write_terms
from comptroller.office.agreements import Agreements
from comptroller.office.bookkeeper import Bookkeeper
from comptroller.office.close import close
from comptroller.office.ledger import off_balance
from comptroller.office.outcomes import Registry
from comptroller.office.work import Records
from comptroller.testing.memory import MemoryLedger
from comptroller.testing.testdesk import TestDesk

DAY = 86_400
JANUARY = 1_767_225_600  # 2026-01-01, seconds
NANO = 1_000_000_000

TYPE = """
outcome: refund.resolved
means: A refund was resolved.
deadline: 60d
lookback: 90d
dispute: 30d
resolve: 20d
attest: [{by: customer}, {by: human}, {by: silence, after: 24h}]
clawback: {reasons: [fraud], share: 1.0}
"""
FLAT = """
contract: acme-1
customer: acme
from: 2026-01-01
currency: USD
outcomes: {refund.resolved: 1.50}
tax: {name: VAT, percent: 20}
"""


@dataclass
class House:
    """A desk, its bookkeeper, and the days that pass."""

    contracts: str = FLAT
    types: str = TYPE
    answers: Any = None
    rates: dict[Any, Any] = field(default_factory=dict)
    desk: TestDesk = field(init=False)

    def __post_init__(self) -> None:
        clock = FrozenClock(JANUARY * NANO)
        self.clock = clock
        self.desk = TestDesk(Settings(), MemoryLedger(clock), clock)
        self.count = 0
        self.open()

    def close(self, *said: str, **more: Any) -> list[Invoice]:
        """Close what is over."""
        return close(self.keeper, *said, **more)

    def open(self) -> "House":
        """A bookkeeper who starts anew on what is on record."""
        book = read_contracts([("contracts.yaml", self.contracts)])
        types = load_types([("type.yaml", text) for text in self.types.split("---\n")])
        self.agreed = Agreements(book)
        self.registry = Registry(self.desk, types, self.agreed)
        self.keeper = Bookkeeper(self.desk, self.registry, book, Records(self.answers, self.rates))
        return self

    def on(self, month: int, day: int = 1) -> "House":
        """Move on to a day of 2026 in UTC."""
        then = int(datetime(2026, month, day, 12, tzinfo=UTC).timestamp())
        self.clock.tick(then - self.clock.now_ns() // NANO)
        return self

    def claim(self, subject: str = "", customer: str = "acme", type: str = "refund.resolved", **more: object) -> str:
        """Claim an outcome; returns its key."""
        self.count += 1
        key, subject = f"o{self.count}", subject or f"s{self.count}"
        contract, terms = self.registry.agreed.terms(
            "default", customer, self.registry.types[type], self.clock.now_ns()
        )
        data: dict[str, object] = {
            "tenant": "default", "customer": customer, "type": type, "subject": subject, "agents": ["ada", "bo"],
            "identity": identity("default", customer, type, subject, 0), "degree": WHOLE,
            "contract": contract, "terms": write_terms(terms), **more,
        }  # fmt: skip
        self.tell(key, "claim", **data)
        return key

    def tell(self, key: str, what: str, /, attestor: str = "", id: str = "", **data: object) -> Outcome | None:
        """Say something of an outcome, now."""
        self.count += 1
        event = OutcomeEvent(id or f"e{self.count}", key, what, self.clock.now_ns(), attestor=attestor, data=data)
        return self.registry.tell(event)

    def verified(self, customer: str = "acme", type: str = "refund.resolved", **more: object) -> str:
        """Claim an outcome that its customer confirms."""
        key = self.claim(customer=customer, type=type, **more)
        self.tell(key, "verify_pass")
        outcome = self.tell(key, "confirm", attestor="customer")
        assert outcome is not None
        assert outcome.state == "verified", outcome
        return key

    def owed(self, customer: str = "acme", currency: str = "USD") -> int:
        """What a customer owes less what we owe it, as the general ledger has it."""
        known = self.keeper.accounts.of_customer(customer)
        return sum(
            nanos for (account, unit), nanos in known.items()
            if unit == currency and (account == "receivable" or account.startswith("credit:"))
        )  # fmt: skip

    def balance(self, account: str, currency: str = "USD") -> int:
        return self.keeper.accounts.balance(account, currency)

    def balanced(self) -> bool:
        return not off_balance(self.keeper.accounts.trial_balance().items())
