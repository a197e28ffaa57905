"""What is always true of a purse, under any interleaving of what can happen to it."""

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from comptroller.core.facts import CALL_CLOSED, CALL_OPENED, CLAIM, HOLD_EXPIRED, Fact, Line
from comptroller.metering.budget import Purse

NOW = 1_767_225_600_000_000_000
ACCOUNTS = [("run:r1|:", "USD"), ("run:r1|:", "calls"), ("customer:a|month:2026-01-01T00:00+00:00", "USD")]
Amounts = dict[tuple[str, str], int]

amounts = st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(0, 60)), min_size=1, max_size=3).map(dict)


class PurseMachine(RuleBasedStateMachine):
    """The purse against a ledger that is summed up anew each time."""

    live = Bundle("live")
    ended = Bundle("ended")

    @initialize(caps=st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(0, 150)), max_size=5))
    def begin(self, caps: list[tuple[tuple[str, str], int]]) -> None:
        self.purse = Purse()
        self.caps = caps
        self.facts: list[Fact] = []
        self.held: dict[str, Amounts] = {}
        self.charged: dict[str, Amounts] = {}

    def apply(self, fact: Fact) -> None:
        self.facts.append(fact)
        self.purse.apply(fact)

    def id(self) -> str:
        return f"{len(self.facts):04d}"

    def total(self, ledger: dict[str, Amounts], account: tuple[str, str]) -> int:
        return sum(amounts.get(account, 0) for amounts in ledger.values())

    @rule(target=live, asked=amounts)
    def reserve(self, asked: Amounts) -> str:
        limits = [(account, limit) for account, limit in self.caps if account in asked]
        lines = [Line(*account, asked[account], limit) for account, limit in limits]
        lines += [Line(*account, amount) for account, amount in asked.items()]
        used = {a: self.total(self.held, a) + self.total(self.charged, a) for a in asked}
        fits = all(used[account] + asked[account] <= limit for account, limit in limits)
        short = self.purse.room(lines)
        assert (short is None) == fits
        if short is not None:
            account = short.line.key, short.line.unit
            assert (short.settled, short.held) == (self.total(self.charged, account), self.total(self.held, account))
            return ""
        hold = f"h{self.id()}"
        rows = [[line.key, line.unit, line.amount, line.cap] for line in lines]
        data = {"hold": {"id": hold, "lines": rows, "lease_ns": NOW + len(self.facts), "price": "p"}}
        self.apply(Fact(CALL_OPENED, self.id(), NOW, "r1", hold, data))
        self.held[hold] = asked
        for account, limit in limits:
            assert sum(self.purse.counter(*account)) <= limit
        return hold

    @rule(target=ended, hold=consumes(live), share=st.sampled_from([0, 1, 2]), more=st.integers(0, 5))
    def settle(self, hold: str, share: int, more: int) -> str:
        used = {account: amount * share + more * bool(share) for account, amount in self.held.pop(hold, {}).items()}
        if used:
            self.close(hold, used)
            self.charged[hold] = used
        return hold

    @rule(target=ended, hold=consumes(live))
    def expire(self, hold: str) -> str:
        if hold in self.held:
            self.apply(Fact(HOLD_EXPIRED, self.id(), NOW, "r1", hold, {"hold": {"id": hold}}))
            self.charged[hold] = self.held.pop(hold)
        return hold

    @rule(hold=ended, used=amounts)
    def end_again(self, hold: str, used: Amounts) -> None:
        """A second end changes nothing, except that a settle corrects an expiry, once."""
        if not hold:
            return
        was_settled = any(fact.kind == CALL_CLOSED and fact.call == hold for fact in self.facts)
        self.close(hold, used)
        if not was_settled:
            self.charged[hold] = used

    @rule(hold=ended, lines=amounts)
    def expire_again(self, hold: str, lines: Amounts) -> None:
        if hold:
            rows = [[*account, amount] for account, amount in lines.items()]
            self.apply(Fact(HOLD_EXPIRED, self.id(), NOW, "r1", hold, {"hold": {"id": hold, "lines": rows}}))

    def close(self, hold: str, used: Amounts) -> None:
        rows = [[*account, amount] for account, amount in used.items()]
        self.apply(Fact(CALL_CLOSED, self.id(), NOW, "r1", hold, {"hold": {"id": hold, "lines": rows}}))

    @rule(used=amounts)
    def count_without_a_hold(self, used: Amounts) -> None:
        rows = [[*account, amount] for account, amount in used.items()]
        fact = Fact(CALL_CLOSED, self.id(), NOW, "r1", "", {"lines": rows})
        self.charged[fact.id] = used
        self.apply(fact)

    @rule()
    def hear_of_something_else(self) -> None:
        self.apply(Fact(CLAIM, self.id(), NOW, "r1", "", {"type": "loan.decided"}))

    @rule(data=st.data())
    def hear_a_prefix_again(self, data: st.DataObject) -> None:
        before = self.purse.snapshot()
        for fact in self.facts[: data.draw(st.integers(0, len(self.facts)))]:
            self.purse.apply(fact)
        assert self.purse.snapshot() == before

    @rule()
    def restart_from_a_snapshot(self) -> None:
        again = Purse.restore(json.loads(json.dumps(self.purse.snapshot())))
        assert again == self.purse
        self.purse = again

    @rule()
    def restart_from_the_facts(self) -> None:
        again = Purse()
        for fact in self.facts:
            again.apply(fact)
        assert again == self.purse
        self.purse = again

    @rule()
    def prune_while_every_window_is_open(self) -> None:
        before = self.purse.snapshot()
        self.purse.prune(NOW)
        assert self.purse.snapshot() == before

    @invariant()
    def counters_are_the_ledger_and_the_live_holds(self) -> None:
        self.purse.check()
        assert self.purse.live().keys() == self.held.keys()
        for account in ACCOUNTS:
            wanted = self.total(self.charged, account), self.total(self.held, account)
            assert self.purse.counter(*account) == wanted


TestPurse = PurseMachine.TestCase
TestPurse.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
