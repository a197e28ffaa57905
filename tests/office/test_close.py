"""Closing: from verified outcomes to invoices, credit notes and payments, and what the books say of them."""

import pytest

from comptroller.core.errors import SettingsError
from comptroller.metering.invoice import Invoice
from tests.office.agreed import FLAT, House

USD = 1_000_000_000


@pytest.fixture
def house() -> House:
    return House()


def test_a_verified_outcome_is_unbilled_and_deferred_until_it_is_invoiced(house: House) -> None:
    house.verified()
    assert (house.balance("unbilled"), house.balance("deferred")) == (1.5 * USD, -1.5 * USD)
    (invoice,) = house.on(2).close()
    assert (house.balance("unbilled"), house.balance("receivable"), house.balance("tax")) == (0, 1.8 * USD, -0.3 * USD)
    assert (invoice.number, invoice.status(house.clock.now_ns())) == ("INV-2026-0001", "finalised")
    assert house.balanced()


def test_the_fee_becomes_revenue_of_the_agents_when_the_dispute_window_ends(house: House) -> None:
    key = house.verified()
    house.on(2).close()
    house.on(4).tell(key, "window_end")
    assert (house.balance("deferred"), house.balance("revenue:outcome:ada")) == (0, -0.75 * USD)
    assert house.balance("revenue:outcome:bo") == -0.75 * USD


def test_what_is_reversed_before_its_invoice_never_reaches_one(house: House) -> None:
    house.tell(house.verified(), "reopen")
    assert (house.balance("unbilled"), house.balance("deferred")) == (0, 0)
    assert house.on(2).close() == []


def test_a_reversal_after_the_invoice_gives_fee_and_tax_back_by_credit_note(house: House) -> None:
    first, _ = house.verified(), house.verified()
    (invoice,) = house.on(2).close()
    house.tell(first, "reopen")
    note = house.keeper.invoices.find(invoice.number).credits[0]
    assert (note.number, note.net, note.tax) == ("CN-2026-0001", 1.5 * USD, 0.3 * USD)
    assert house.owed() == 1.8 * USD
    assert (house.balance("tax"), house.balance("deferred")) == (-0.3 * USD, -1.5 * USD)
    assert house.balanced()


def test_a_claw_back_after_the_window_is_a_contra_and_not_less_revenue(house: House) -> None:
    key = house.verified()
    house.on(2).close()
    house.on(4).tell(key, "window_end")
    house.tell(key, "clawback", reason="fraud")
    assert (house.balance("contra:clawback"), house.balance("revenue:outcome:ada")) == (1.5 * USD, -0.75 * USD)
    assert (house.owed(), house.balance("tax")) == (0, 0)


def test_disputed_outcomes_are_held_back_and_billed_once_the_dispute_is_denied(house: House) -> None:
    house.verified()
    disputed = house.verified()
    house.tell(disputed, "dispute", because="not solved")
    (invoice,) = house.on(2).close()
    assert (invoice.totals.net, invoice.held, invoice.held_nanos) == (1.5 * USD, 1, 1.5 * USD)
    house.tell(disputed, "denied")
    (later,) = house.on(3).close()
    assert [(line.period, line.gross) for line in later.lines] == [("2026-01", 1.5 * USD)]


def test_closing_twice_bills_nothing_twice_and_a_new_bookkeeper_finds_all_done(house: House) -> None:
    house.verified()
    house.on(2).close()
    facts = len(house.desk.ledger.facts)
    assert house.close() == []
    assert house.open().close() == []
    assert len(house.desk.ledger.facts) == facts


def test_a_bookkeeper_does_what_one_that_was_killed_left_undone(house: House) -> None:
    key = house.verified()
    house.on(2).close()
    whole = house.keeper.accounts.trial_balance()
    facts = house.desk.ledger.facts
    for cut in range(len(facts)):
        if facts[cut].kind == "books.invoice":
            after = House()
            after.on(2)
            after.desk.ledger.facts[:] = facts[: cut + 1]
            after.open()
            assert after.keeper.accounts.trial_balance() == whole
            assert after.registry.outcomes[key].state == "billed"


def test_numbers_have_no_gap_over_customers_and_months() -> None:
    terms = "from: 2026-01-01, currency: USD, outcomes: {refund.resolved: 1}"
    both = [f"  - {{contract: {name}, customer: {name}, {terms}}}" for name in ("acme", "bolt")]
    contracts = "\n".join(["contracts:", *both])
    house = House(contracts)
    numbers = []
    for month in (2, 3, 4):
        house.verified("acme")
        house.verified("bolt")
        numbers += [invoice.number for invoice in house.on(month).close()]
    assert numbers == [f"INV-2026-{n:04}" for n in range(1, 7)]


def test_prepaid_credits_burn_by_priority_then_expire_into_breakage() -> None:
    house = House(
        """
contract: acme-1
customer: acme
from: 2026-01-01
currency: USD
outcomes: {refund.resolved: 10}
grants:
  - {id: bought, amount: 100 USD, paid: 80 USD, from: 2026-01-01, expires: 2026-03-01, priority: 2}
  - {id: welcome, amount: 15 USD, from: 2026-01-01, priority: 1}
"""
    )
    for _ in range(3):
        house.verified()
    (invoice,) = house.on(2).close()
    assert (invoice.burnt, invoice.totals.due) == ({"welcome": 15 * USD, "bought": 15 * USD}, 0)
    assert (house.balance("credit:bought"), house.balance("cash"), house.balance("receivable")) == (
        -85 * USD,
        80 * USD,
        0,
    )
    house.on(3).close()
    assert (house.balance("credit:bought"), house.balance("breakage")) == (0, -68 * USD)
    assert house.balanced()


def test_graduated_fees_follow_the_period_and_what_was_reversed_is_adjusted_at_its_end() -> None:
    house = House(
        """
contract: acme-1
customer: acme
from: 2026-01-01
currency: USD
outcomes:
  refund.resolved: {model: graduated, tiers: [{up_to: 2, unit: 1.00}, {unit: 0.90}]}
"""
    )
    keys = [house.verified() for _ in range(4)]
    fees = [house.registry.outcomes[key].fee.nanos for key in keys]
    assert fees == [USD, USD, 0.9 * USD, 0.9 * USD]
    house.tell(keys[0], "reopen")
    (invoice,) = house.on(2).close()
    assert [(line.kind, line.gross) for line in invoice.lines] == [("outcome", 2.8 * USD), ("delta", 0.1 * USD)]
    assert house.balanced()


def test_a_volume_price_reaches_back_to_the_first_outcome() -> None:
    house = House(
        """
contract: acme-1
customer: acme
from: 2026-01-01
currency: USD
outcomes:
  refund.resolved: {model: volume, tiers: [{up_to: 2, unit: 1.00}, {unit: 0.50}]}
"""
    )
    for _ in range(3):
        house.verified()
    (invoice,) = house.on(2).close()
    assert invoice.totals.net == 1.5 * USD


def test_a_minimum_is_made_up_in_proportion_to_the_days_of_the_first_month() -> None:
    house = House(
        """
contract: acme-1
customer: acme
from: 2026-01-17
currency: EUR
minimum: 31.00 EUR
outcomes: {refund.resolved: 1}
"""
    )
    house.on(1, 20).verified()
    first, second = house.on(3).close()
    assert (first.totals.net, second.totals.net) == (15 * USD, 31 * USD)
    assert [line.kind for line in first.lines] == ["outcome", "minimum"]


def test_yen_have_no_cents_and_the_rounding_is_on_the_books() -> None:
    house = House(
        """
contract: acme-1
customer: acme
from: 2026-01-01
currency: JPY
outcomes: {refund.resolved: "33.4"}
tax: {name: JCT, percent: 10}
"""
    )
    keys = [house.verified() for _ in range(3)]
    (invoice,) = house.on(2).close()
    assert (invoice.totals.net, invoice.totals.tax) == (100 * USD, 10 * USD)
    assert [item.gross // USD for item in invoice.lines[0].items] == [34, 33, 33]
    assert house.balance("rounding", "JPY") == 0.2 * USD
    for key in keys:
        house.tell(key, "reopen")
    assert (house.owed(currency="JPY"), house.balance("rounding", "JPY"), house.balance("tax", "JPY")) == (0, 0, 0)


def test_a_fee_by_silence_is_worth_what_the_contract_says() -> None:
    house = House(
        """
contract: acme-1
customer: acme
from: 2026-01-01
currency: USD
outcomes: {refund.resolved: 1}
attestation: {factors: {silence: 0.5}, silence_cap: 1}
"""
    )
    keys = [house.claim() for _ in range(2)]
    for key in keys:
        house.tell(key, "verify_pass")
    house.on(1, 5)
    states = [house.tell(key, "silence").state for key in keys]
    assert states == ["verified", "pending"]
    assert house.balance("unbilled") == 0.5 * USD


@pytest.mark.parametrize(("amount", "left"), [(None, 0), (500_000_000, 1.2 * USD)])
def test_what_is_reversed_in_the_moment_of_closing_is_credited(
    house: House, amount: int | None, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, real = house.verified(), house.keeper.follow

    def raced(invoices: list[Invoice]) -> None:
        if invoices:
            house.tell(key, "credit", **({"amount": amount} if amount else {}))
        real(invoices)

    monkeypatch.setattr(house.keeper, "follow", raced)
    house.on(2).close()
    monkeypatch.undo()
    house.keeper.catch_up()
    house.keeper.catch_up()
    assert (house.owed(), house.balance("unbilled"), house.balanced()) == (left, 0, True)
    assert house.registry.outcomes[key].state == ("billed" if left else "reversed")


def test_other_terms_make_nothing_of_what_was_achieved_an_outcome_once_more() -> None:
    before = FLAT + "until: 2026-02-01\n"
    after = FLAT.replace("acme-1", "acme-2").replace("2026-01-01", "2026-02-01")
    house = House()
    house.contracts = f"contracts:\n{_listed(before)}{_listed(after)}"
    house.open().verified(subject="order-1")
    again = house.on(2).claim(subject="order-1")
    assert house.registry.outcomes[again].state == "duplicate"


def test_a_volume_gives_back_no_more_than_it_cost() -> None:
    price = "{model: volume, tiers: [{up_to: 2, unit: 10}, {unit: 5}]}"
    house = House(FLAT.replace("1.50", f"{{price: {price}}}"))
    keys = [house.verified() for _ in range(3)]
    (invoice,) = house.on(2).close()
    assert [(line.kind, line.gross) for line in invoice.lines] == [("outcome", 20 * USD), ("delta", -5 * USD)]
    for key in keys:
        house.tell(key, "reopen")
    assert (house.owed(), house.balance("deferred"), house.balance("tax"), house.balanced()) == (0, 0, 0, True)


def _listed(text: str) -> str:
    first, *rest = text.strip().splitlines()
    return "\n".join([f"  - {first}", *(f"    {line}" for line in rest)]) + "\n"


@pytest.mark.parametrize("named", ["soon", "2026-1", "202601", "2026-13", "0000-01"])
def test_what_is_no_period_closes_nothing(house: House, named: str) -> None:
    house.verified()
    with pytest.raises(SettingsError, match="is no period"):
        house.on(3).close(named)
    assert not house.keeper.invoices.invoices


def test_nothing_is_closed_for_a_customer_who_has_no_contract(house: House) -> None:
    with pytest.raises(SettingsError, match="'Acme' has no contract"):
        house.on(3).close(customer="Acme")


def test_a_month_closes_what_begins_in_it_also_where_periods_begin_in_its_midst() -> None:
    house = House(FLAT.replace("2026-01-01", "2026-01-15") + "calendar: anniversary\n")
    house.on(1, 20).verified()
    assert [invoice.period for invoice in house.on(4).close("2026-01")] == ["2026-01-15"]


def test_a_fee_that_no_books_could_keep_is_refused_with_its_reason() -> None:
    house = House(FLAT.replace("1.50", "{price: {model: unit, unit: '1000000000000000000'}}"))
    key = house.claim()
    house.tell(key, "verify_pass")
    outcome = house.tell(key, "confirm", attestor="customer")
    assert outcome is not None
    assert outcome.state == "pending"
    assert "more than 18 digits" in house.registry.events(key)[-1].ignored


def test_a_fee_is_not_billed_as_the_same_number_in_another_currency(house: House) -> None:
    house.verified()
    house.contracts = FLAT.replace("USD", "EUR")
    with pytest.raises(SettingsError, match=r"was verified for 1\.50 USD, .* is in EUR now"):
        house.on(2).open().close()
    house.contracts = FLAT
    assert [invoice.totals.net for invoice in house.open().close()] == [1.5 * USD]


def test_what_was_held_back_when_a_contract_ended_is_billed_after_its_end() -> None:
    house = House(FLAT + "until: 2026-02-01\nminimum: 1 USD\n")
    house.verified()
    disputed = house.verified()
    house.tell(disputed, "dispute")
    assert len(house.on(2).close()) == 1
    assert house.on(4).close() == []
    house.tell(disputed, "denied")
    (invoice,) = house.on(5).close()
    assert (invoice.period, [line.gross for line in invoice.lines]) == ("2026-02", [1.5 * USD])
    assert house.balance("unbilled") == 0
    assert house.close() == []
