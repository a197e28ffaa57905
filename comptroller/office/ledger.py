"""The general ledger: the fold of transactions. What one cause does is posted once, however often it is told."""

from collections.abc import Iterable
from typing import Any, cast

from comptroller.core.books import Posting, Txn
from comptroller.core.facts import TXN, Fact
from comptroller.office.feed import feed_of
from comptroller.wrapper.desk import Desk

Key = tuple[str, str, str, str]  # tenant, customer, account, currency


class Accounts:
    """Balances of all accounts; debit is positive."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._feed = feed_of(desk, TXN)
        self._start()

    def _start(self) -> None:
        self.txns: dict[str, Txn] = {}
        self._balances: dict[Key, int] = {}
        self._of_customer: dict[tuple[str, str], dict[tuple[str, str], int]] = {}

    def catch_up(self) -> None:
        """Take in what was posted meanwhile."""
        if not self._feed.intact():
            self._feed.restart()
            self._start()
        for fact in self._feed.read():
            self.apply(txn_of(fact))

    def apply(self, txn: Txn) -> bool:
        """Fold one transaction; False where it was known."""
        if txn.id in self.txns:
            return False
        self.txns[txn.id] = txn
        mine = self._of_customer.setdefault((txn.tenant, txn.customer), {})
        for posting in txn.postings:
            key = (txn.tenant, txn.customer, posting.account, posting.currency)
            self._balances[key] = self._balances.get(key, 0) + posting.nanos
            own = (posting.account, posting.currency)
            mine[own] = mine.get(own, 0) + posting.nanos
        return True

    def post(self, txn: Txn | None, durable: bool = True) -> bool:
        """Put a transaction on record, unless its cause has done this before; True where it is new.

        Not `durable`, it is written and synced with the next fact that is.
        """
        if txn is None or txn.id in self.txns:
            return False
        fact = fact_of(txn, self._desk.clock.now_ns())
        if durable:
            self._desk.ledger.sync(fact)
        else:
            self._desk.ledger.record(fact)
        return self.apply(txn)

    def balance(self, account: str, currency: str, customer: str = "", tenant: str = "") -> int:
        """What stands on an account, in nanos; of one customer or of all."""
        return sum(
            nanos
            for (its_tenant, its_customer, name, unit), nanos in self._balances.items()
            if name == account and unit == currency and customer in ("", its_customer) and tenant in ("", its_tenant)
        )

    def of_customer(self, customer: str, tenant: str = "default") -> dict[tuple[str, str], int]:
        """The balances of one customer by account and currency."""
        return self._of_customer.get((tenant, customer), {})

    def trial_balance(self, at: int | None = None, customer: str = "", tenant: str = "") -> dict[tuple[str, str], int]:
        """The balance of every account by name and currency, now or at an instant. Their sum is zero."""
        found: dict[tuple[str, str], int] = {}
        for txn in self.txns.values():
            if (at is None or txn.at <= at) and customer in ("", txn.customer) and tenant in ("", txn.tenant):
                for posting in txn.postings:
                    key = (posting.account, posting.currency)
                    found[key] = found.get(key, 0) + posting.nanos
        return {key: found[key] for key in sorted(found) if found[key]}


def off_balance(balances: Iterable[tuple[tuple[str, str], int]]) -> dict[str, int]:
    """By how much a trial balance is off, by currency; empty where it balances."""
    sums: dict[str, int] = {}
    for (_, currency), nanos in balances:
        sums[currency] = sums.get(currency, 0) + nanos
    return {currency: nanos for currency, nanos in sums.items() if nanos}


def fact_of(txn: Txn, now_ns: int) -> Fact:
    """A transaction as a fact."""
    data: dict[str, object] = {
        "cause": txn.cause,
        "kind": txn.kind,
        "at": txn.at,
        "period": txn.period,
        "postings": [[posting.account, posting.currency, posting.nanos] for posting in txn.postings],
        "tenant": txn.tenant,
        "customer": txn.customer,
    }
    if txn.reverses:
        data["reverses"] = txn.reverses
    if txn.about:
        data["about"] = dict(txn.about)
    return Fact(TXN, txn.id, now_ns, txn.about.get("run", ""), data=data)


def txn_of(fact: Fact) -> Txn:
    """A fact as the transaction it tells."""
    data = cast(dict[str, Any], fact.data)
    return Txn(
        id=fact.id,
        cause=data["cause"],
        kind=data["kind"],
        at=data["at"],
        period=data["period"],
        postings=tuple(Posting(account, currency, nanos) for account, currency, nanos in data["postings"]),
        tenant=data.get("tenant", ""),
        customer=data.get("customer", ""),
        reverses=data.get("reverses", ""),
        about=data.get("about", {}),
    )
