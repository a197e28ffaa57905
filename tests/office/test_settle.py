"""What becomes of an invoice: payments, credit notes, and what is taken back or given up."""

from collections.abc import Callable

import pytest

from comptroller.core.errors import SettingsError
from comptroller.core.money import parse_money
from comptroller.office.paper.sheet import invoice_sheet
from comptroller.office.settle import credit, pay, void, write_off
from tests.office.agreed import FLAT, House

USD = 1_000_000_000


@pytest.fixture
def house() -> House:
    return House()


def test_payments_settle_an_invoice_once_each(house: House) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    pay(house.keeper, invoice.number, parse_money("1.00 USD"), "bank-1")
    again = pay(house.keeper, invoice.number, parse_money("1.00 USD"), "bank-1")
    assert (again.paid, again.open, again.status(house.clock.now_ns())) == (1 * USD, 0.8 * USD, "part_paid")
    paid = pay(house.keeper, invoice.number, parse_money("1.00 USD"), "bank-2")
    assert (paid.status(house.clock.now_ns()), house.balance("receivable")) == ("paid", 0)
    assert house.owed() == -0.2 * USD
    assert house.balanced()


def test_what_was_paid_too_much_pays_the_next_invoice(house: House) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    pay(house.keeper, invoice.number, parse_money("3.00 USD"), "bank-1")
    house.verified()
    (later,) = house.on(3).close()
    assert (later.totals.credits, later.totals.due) == (1.2 * USD, 0.6 * USD)
    told = [row["name"] for row in invoice_sheet(later, house.clock)["totals"]]
    assert "Paid too much before (bank-1)" in told
    assert house.balance("receivable") == 0.6 * USD


def test_an_invoice_is_overdue_the_day_after_it_was_due(house: House) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    assert invoice.due == "2026-03-03"
    assert invoice.status(invoice.due_at - 1) == "finalised"
    assert invoice.status(invoice.due_at) == "overdue"


def test_a_credit_by_hand_takes_its_tax_along_and_no_more_than_there_was(house: House) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    note = credit(house.keeper, invoice.number, parse_money("0.50 USD"), "late answer", "c1", "ada")
    assert (note.net, note.tax, house.owed()) == (0.5 * USD, 0.1 * USD, 1.2 * USD)
    (told,) = [fact for fact in house.desk.ledger.facts if fact.data.get("event") == "credited"]
    assert told.data["by"] == "ada"
    with pytest.raises(SettingsError, match=r"only 1\.00 USD before tax is left"):
        credit(house.keeper, invoice.number, parse_money("1.01 USD"), "more", "c2")
    credit(house.keeper, invoice.number, parse_money("1.00 USD"), "the rest", "c3")
    assert (house.owed(), house.balance("tax"), house.balanced()) == (0, 0, True)


def test_a_fee_given_back_by_hand_is_not_given_back_again_when_its_outcome_is_reversed(house: House) -> None:
    first, _ = house.verified(), house.verified()
    (invoice,) = house.on(2).close()
    note = credit(house.keeper, invoice.number, parse_money("1.00 USD"), "a mistake", "c1", "ada", first)
    assert (note.outcome, note.tax) == (first, 0.2 * USD)
    house.tell(first, "reopen")
    given = [credit for credit in house.keeper.invoices.find(invoice.number).credits if credit.outcome == first]
    assert [(one.net, one.tax) for one in given] == [(1 * USD, 0.2 * USD), (0.5 * USD, 0.1 * USD)]
    assert (house.owed(), house.balance("tax"), house.balanced()) == (1.8 * USD, -0.3 * USD, True)


def test_an_invoice_that_is_taken_back_leaves_its_outcomes_to_the_next(house: House) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    void(house.keeper, invoice.number, "wrong address")
    assert (house.owed(), house.balance("unbilled"), house.balance("tax")) == (0, 1.5 * USD, 0)
    (again,) = house.close()
    assert (again.number, again.totals.net, house.balance("unbilled")) == ("INV-2026-0002", 1.5 * USD, 0)


def test_what_nobody_will_pay_is_given_up(house: House) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    write_off(house.keeper, invoice.number, "bankrupt")
    assert (house.balance("receivable"), house.balance("contra:uncollectible")) == (0, 1.8 * USD)
    with pytest.raises(SettingsError, match="is uncollectible; nothing is owed"):
        pay(house.keeper, invoice.number, parse_money("1 USD"), "wire")


def test_nobody_gets_back_what_was_given_up_and_never_paid(house: House) -> None:
    key, _ = house.verified(), house.verified()
    (invoice,) = house.on(2).close()
    pay(house.keeper, invoice.number, parse_money("3.00 USD"), "wire")
    write_off(house.keeper, invoice.number, "bankrupt")
    house.tell(key, "reopen")
    assert (house.balance("contra:uncollectible"), house.owed()) == (0, -1.2 * USD)
    assert house.balanced()


def test_what_was_given_back_by_hand_does_not_come_back_with_its_outcome(house: House) -> None:
    first, second = house.verified(), house.verified()
    (invoice,) = house.on(2).close()
    pay(house.keeper, invoice.number, parse_money("3.60 USD"), "wire")
    credit(house.keeper, invoice.number, parse_money("2.00 USD"), "sorry", "c1")
    house.tell(first, "reopen")
    house.tell(second, "reopen")
    known = house.open().keeper.invoices.find(invoice.number)
    assert [note.net for note in known.credits] == [2 * USD, 1 * USD]
    assert (house.owed(), house.balance("tax"), house.balance("contra:discount")) == (-3.6 * USD, 0, 0)
    assert house.balanced()


@pytest.mark.parametrize("ended", [False, True], ids=["billed", "final"])
def test_an_outcome_whose_invoice_was_taken_back_is_credited_on_the_next_one(house: House, ended: bool) -> None:
    key = house.verified()
    (invoice,) = house.on(2).close()
    if ended:
        house.on(4).tell(key, "window_end")
    void(house.keeper, invoice.number, "wrong address")
    (again,) = house.close()
    house.tell(key, "clawback" if ended else "reopen", reason="fraud")
    known = house.open().keeper.invoices
    assert [note.invoice for note in known.credits.values()] == [again.number]
    assert (house.owed(), house.balance("unbilled"), house.balance("tax"), house.balanced()) == (0, 0, 0, True)
    assert (known.find(invoice.number).state, known.find(again.number).number) == ("void", again.number)


def test_a_reference_is_one_payment_of_one_amount(house: House) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    pay(house.keeper, invoice.number, parse_money("1.00 USD"), "bank-1")
    with pytest.raises(SettingsError, match=r"taken in for INV-2026-0001 already, as 1\.00 USD"):
        pay(house.keeper, invoice.number, parse_money("0.50 USD"), "bank-1")


SETTLED: list[Callable[[House, str], object]] = [
    lambda house, number: pay(house.keeper, number, parse_money("2.00 USD"), "wire"),
    lambda house, number: credit(house.keeper, number, parse_money("0.50 USD"), "sorry", "c1"),
    lambda house, number: write_off(house.keeper, number, "bankrupt"),
    lambda house, number: void(house.keeper, number, "wrong address"),
]


@pytest.mark.parametrize("settled", SETTLED, ids=["pay", "credit", "write off", "void"])
def test_what_was_decided_of_an_invoice_is_posted_by_whoever_comes_after_a_kill(
    house: House, settled: Callable[[House, str], object]
) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    facts = house.desk.ledger.facts
    start = len(facts)
    settled(house, invoice.number)
    whole = house.keeper.accounts.trial_balance()
    assert len(facts) > start + 1
    for cut in range(start + 1, len(facts)):
        after = House()
        after.on(2)
        after.desk.ledger.facts[:] = facts[:cut]
        after.open()
        assert after.keeper.accounts.trial_balance() == whole


def test_a_credit_of_a_payment_is_not_taken_for_one_given_in_advance_under_the_same_name() -> None:
    house = House(FLAT + "grants: [{id: wire-1, amount: 5 USD, from: 2026-02-01, expires: 2026-03-01}]")
    house.verified()
    (invoice,) = house.on(2).close()
    pay(house.keeper, invoice.number, parse_money("3.80 USD"), "wire-1")
    house.on(4).close()
    assert house.owed() == -2 * USD
    assert house.balance("breakage") == 0


def test_what_is_paid_is_not_given_up(house: House) -> None:
    house.verified()
    (invoice,) = house.on(2).close()
    pay(house.keeper, invoice.number, parse_money("1.80 USD"), "wire")
    with pytest.raises(SettingsError, match="there is nothing to give up"):
        write_off(house.keeper, invoice.number, "bankrupt")
