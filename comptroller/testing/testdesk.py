"""A desk for tests: in memory, with a frozen clock, a policy given as text and prices as they ship."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from comptroller.core.clock import Clock, FrozenClock
from comptroller.core.errors import ComptrollerError
from comptroller.core.facts import APPROVAL_ANSWERED, ASK, Fact
from comptroller.core.settings import Settings
from comptroller.policies.load import load_policies
from comptroller.testing.memory import MemoryLedger
from comptroller.wrapper.desk import Desk, set_desk


class TestDesk(Desk):
    """A desk whose ledger is in memory and can be asked what is on record."""

    __test__ = False
    ledger: MemoryLedger

    def facts(self, kind: str) -> list[Mapping[str, object]]:
        """The data of the facts of one kind, in order."""
        return [fact.data for fact in self.ledger.of(kind)]

    def answer(self, word: Literal["approve", "deny"] = "approve", by: str = "somebody", approval: str = "") -> None:
        """Answer a call that waits for a person: the latest one, unless its approval is named."""
        ask = next((fact for fact in reversed(self.ledger.of(ASK)) if approval in ("", fact.id)), None)
        if ask is None:
            raise ComptrollerError("Nothing waits for a person here. Make the call that a rule asks about first.")
        data: dict[str, object] = {"approval": ask.id, "answer": word, "by": by}
        fact = Fact(APPROVAL_ANSWERED, self.clock.new_id(), self.clock.now_ns(), ask.run, ask.call, data)
        self.ledger.sync(fact)


@contextmanager
def desk(policy: str = "", clock: Clock | None = None, **settings: object) -> Iterator[TestDesk]:
    """The process's desk for the length of a block."""
    book = load_policies([("policy.yaml", policy)] if policy else [])
    clock = clock or FrozenClock()
    made = TestDesk(Settings.model_validate(settings), MemoryLedger(clock), clock, book)
    before = set_desk(made)
    try:
        yield made
    finally:
        set_desk(before)
        made.close()
