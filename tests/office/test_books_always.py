"""What is always true of the books, whatever happens to outcomes and invoices, in whatever order and how often."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comptroller.core.errors import SettingsError
from comptroller.core.money import Money
from comptroller.metering import draw, postings
from comptroller.metering.draw import owed
from comptroller.office import bookkeeper
from comptroller.office.ledger import Accounts, off_balance
from comptroller.office.settle import credit, pay, void
from tests.office.agreed import House

UNBILLED = ("verified", "disputed_unbilled")
OWED = (*UNBILLED, "billed", "disputed", "final")
TERMS = """
contract: acme-1
customer: acme
from: 2026-01-01
currency: EUR
outcomes: {refund.resolved: "0.333"}
discounts: [{name: Launch, percent: 7}]
tax: {name: VAT, percent: 19}
"""
CENT = 10_000_000

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ("verify", "verify", "verify", "reopen", "dispute", "upheld", "part", "denied", "window_end", "clawback",
             "close", "close", "pay", "credit", "void", "again", "anew")
        ),
        st.integers(0, 7),
    ),
    max_size=30,
)  # fmt: skip


class History:
    """Things happen one after another; days pass in between."""

    def __init__(self, terms: str = TERMS) -> None:
        self.house = House(terms)
        self.keys: list[str] = []
        self.month = 1
        self.by_hand = 0

    def do(self, what: str, which: int) -> None:
        house = self.house
        if what == "verify":
            self.keys.append(house.verified(degree=(1 + which) * 125_000_000))
        elif what == "close" and self.month < 12:
            self.month += 1
            house.on(self.month).close()
        elif what == "anew":
            house.open()
        elif what == "again":
            self._again(which)
        elif what in ("pay", "credit", "void"):
            self._settle(what, which)
        elif self.keys:
            key = self.keys[which % len(self.keys)]
            if what == "part":
                house.tell(key, "upheld", amount=CENT * (1 + which))
            else:
                house.tell(key, what, reason="fraud")

    def _again(self, which: int) -> None:
        """An event on record comes once more."""
        facts = [
            fact for fact in self.house.desk.ledger.facts if fact.kind in ("outcome", "books.txn", "books.invoice")
        ]
        if facts:
            self.house.desk.ledger.record(facts[which % len(facts)])

    def _settle(self, what: str, which: int) -> None:
        open = [one for one in self.house.keeper.invoices.invoices.values() if one.open]
        if not open:
            return
        invoice = open[which % len(open)]
        amount = Money(CENT * (1 + which), invoice.currency)
        if what == "pay":
            pay(self.house.keeper, invoice.number, amount, f"wire-{which}")
            return
        if what == "void":
            self._void(invoice.number, which)
            return
        try:
            before = len(invoice.credits)
            credit(self.house.keeper, invoice.number, amount, "sorry", f"c-{which}")
            self.by_hand += len(self.house.keeper.invoices.invoices[invoice.id].credits) > before
        except SettingsError:
            pass  # nothing is left to credit

    def _void(self, number: str, which: int) -> None:
        try:
            void(self.house.keeper, number, "wrong")
        except SettingsError:
            return  # it was paid or credited
        if which % 2:
            self.house.close()

    # -- what is always true

    def check(self) -> None:
        self.house.keeper.catch_up()
        self.sums_are_zero()
        self.balances_are_those_of_the_states()
        self.customers_owe_their_live_outcomes()
        self.parts_sum_to_their_wholes()

    def sums_are_zero(self) -> None:
        accounts = self.house.keeper.accounts
        for instant in sorted({txn.at for txn in accounts.txns.values()}):
            assert not off_balance(accounts.trial_balance(instant).items())
        assert accounts.trial_balance() == folded_anew(self.house)

    def balances_are_those_of_the_states(self) -> None:
        outcomes = list(self.house.registry.outcomes.values())
        on_invoice = (
            self.house.keeper.invoices.shares
        )  # what is on none, although it was, is of one that was taken back
        unbilled = sum(owed(one) for one in outcomes if one.state in OWED and one.key not in on_invoice)
        deferred = sum(owed(one) for one in outcomes if one.state in (*UNBILLED, "billed", "disputed"))
        assert self.house.balance("unbilled", "EUR") == unbilled
        assert self.house.balance("deferred", "EUR") == -deferred

    def customers_owe_their_live_outcomes(self) -> None:
        """Each outcome's part of line and tax, less what of it came back, less what was paid or credited by hand."""
        keeper = self.house.keeper
        due: dict[str, tuple[int, int]] = {}
        for key, share in keeper.invoices.shares.items():
            outcome = self.house.registry.outcomes[key]
            back = share.part(outcome.reversed_nanos)
            net, tax = due.get(share.invoice, (0, 0))
            due[share.invoice] = (net + share.net - back.net, tax + share.tax - back.tax)
        notes = [note for invoice in keeper.invoices.invoices.values() for note in invoice.credits if not note.outcome]
        paid = sum(invoice.paid for invoice in keeper.invoices.invoices.values())
        for note in notes:  # what was given back by hand does not come back a second time
            net, tax = due[note.invoice]
            due[note.invoice] = (max(net - note.net, 0), max(tax - note.tax, 0))
        assert self.house.owed(currency="EUR") == sum(net + tax for net, tax in due.values()) - paid
        live = [share for key, share in keeper.invoices.shares.items() if _whole(self.house, key)]
        if not notes and all(_whole(self.house, key) or _gone(self.house, key) for key in keeper.invoices.shares):
            assert self.house.balance("tax", "EUR") == -sum(share.tax for share in live)

    def parts_sum_to_their_wholes(self) -> None:
        for invoice in self.house.keeper.invoices.invoices.values():
            for line in invoice.lines:
                assert sum(item.gross for item in line.items) == line.gross
                assert sum(item.discount for item in line.items) == line.discount
                assert sum(item.tax for item in line.items) == line.tax
            assert sum(line.discount for line in invoice.lines) == sum(nanos for _, nanos in invoice.discounts)
            assert abs(invoice.totals.tax * 100 - invoice.totals.net * 19) <= CENT * 50


def folded_anew(house: House) -> dict[tuple[str, str], int]:
    """The trial balance of whoever folds the same journal from the start."""
    accounts = Accounts(house.desk)
    accounts.catch_up()
    return accounts.trial_balance()


def _whole(house: House, key: str) -> bool:
    return house.registry.outcomes[key].reversed_nanos == 0


def _gone(house: House, key: str) -> bool:
    outcome = house.registry.outcomes[key]
    return outcome.fee is not None and outcome.reversed_nanos == outcome.fee.nanos


def play(actions: list[tuple[str, int]]) -> None:
    history = History()
    for what, which in actions:
        history.do(what, which)
        history.check()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTIONS)
def test_books_balance_at_every_instant_and_customers_owe_what_is_live(actions: list[tuple[str, int]]) -> None:
    play(actions)


# -- the same checks catch what somebody might break

LIFE = [("verify", 7), ("verify", 7), ("verify", 7), ("close", 0), ("reopen", 0), ("reopen", 1), ("reopen", 2)]
EARLY = [("verify", 7), ("reopen", 0), ("close", 0)]


@pytest.mark.parametrize("life", [LIFE, EARLY], ids=["after the invoice", "before it"])
def test_an_unbroken_house_passes(life: list[tuple[str, int]]) -> None:
    play(life)


def _without(real: Callable[..., Any], account: str) -> Callable[..., Any]:
    """The postings, the leg on one account dropped and the rest made to sum to zero again."""

    def broken(cause: str, kind: str, at: int, period: str, currency: str, amounts: Any, **more: Any) -> Any:
        known = list(amounts)
        if kind == "reversed":
            lost = sum(nanos for name, nanos in known if name == account)
            known = [(name, nanos) for name, nanos in known if name != account]
            known = [(name, nanos + lost * name.startswith("credit:")) for name, nanos in known]
        return real(cause, kind, at, period, currency, known, **more)

    return broken


def test_a_credit_note_without_its_tax_leg_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "entry", _without(postings.entry, "tax"))
    with pytest.raises(AssertionError):
        play(LIFE)


@pytest.mark.parametrize("life", [LIFE, EARLY], ids=["after the invoice", "before it"])
def test_a_reversal_without_its_posting_is_caught(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = postings.for_outcome

    def broken(*said: Any, **more: Any) -> Any:
        return [txn for txn in real(*said, **more) if txn.kind != "reversed"]

    monkeypatch.setattr(bookkeeper.postings, "for_outcome", broken)
    with pytest.raises(AssertionError):
        play(life)


def test_a_leftover_of_rounding_that_is_dropped_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(total: int, weights: list[int], unit: int = 1) -> list[int]:
        whole = sum(weights)
        return [total * weight // whole // unit * unit if whole else 0 for weight in weights]

    monkeypatch.setattr(draw, "spread", broken)
    with pytest.raises(AssertionError):
        play(LIFE)


def test_a_price_taken_at_billing_time_would_show() -> None:
    house = House(TERMS.replace("from: 2026-01-01", "from: 2026-01-01\nuntil: 2026-02-01").replace("discounts", "#"))
    house.contracts = f"contracts:\n{_item(house.contracts)}{_item(_dearer(house.contracts))}"
    house.open()
    house.on(1, 20).verified()
    (invoice,) = house.on(2).close()
    assert invoice.totals.net == 33 * CENT


def _dearer(terms: str) -> str:
    terms = terms.replace("until: 2026-02-01\n", "").replace("2026-01-01", "2026-02-01")
    return terms.replace('"0.333"', "9").replace("acme-1", "acme-2")


def _item(terms: str) -> str:
    first, *rest = [line for line in terms.strip().splitlines() if not line.startswith("#")]
    return "\n".join([f"  - {first}", *(f"    {line}" for line in rest)]) + "\n"
