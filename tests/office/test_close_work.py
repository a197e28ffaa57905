"""Invoicing recorded work: seats and what passes them, model calls, premiums, service credits, usage, late arrivals."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from comptroller.core.errors import SettingsError
from comptroller.metering.periods import Calendar, period_at
from comptroller.office.work import run_costs
from tests.office.agreed import House

USD = 1_000_000_000
HEAD = "contract: acme-1\ncustomer: acme\nfrom: 2026-01-01\n"


class Answers:
    """What the books say, by query and month."""

    def __init__(self) -> None:
        self.cost: dict[str, str] = {"01": "10"}
        self.calls, self.currency, self.metered = 30, "USD", Decimal(0)

    def refresh(self) -> None:
        """They are of now."""

    def rows(self, name: str, **params: object) -> list[dict[str, object]]:
        since = int(str(params.get("since", 0)))
        month = period_at(Calendar(), since).label[-2:]
        cost, who = Decimal(self.cost.get(month, "0")), {"tenant": "default", "customer": "acme"}
        if name == "run_costs":
            return [{"currency": "USD", "cost": Decimal("2.5")}]
        if name == "metered":
            return [{**who, "meter": "pages", "quantity": self.metered}] if month == "01" else []
        if not cost:
            return []
        one: dict[str, Any] = {**who, "provider": "openai", "agent": "ada", "currency": self.currency}
        if name == "work_costs":
            return [{**one, "run": "r1", "cost": cost}]
        counts = {"calls": self.calls, "runs": 4, "tokens": 1000, "cost": cost}
        return [{**one, **counts}, {**one, **counts, "agent": None, "provider": None, "currency": None}]


@pytest.fixture
def answers() -> Answers:
    return Answers()


def lines(house: House, month: int = 2) -> list[tuple[str, str, int]]:
    """Kind, quantity and amount of the lines of the invoice that is closed now."""
    (invoice,) = house.on(month).close()
    house.invoice = invoice  # type: ignore[attr-defined]
    return [(line.kind, line.quantity, line.gross) for line in invoice.lines]


def test_seats_hold_so_much_and_what_passes_them_costs_by_the_unit(answers: Answers) -> None:
    seats = "{name: S, count: 2, price: 49, agents: [ada], holds: {calls: 10}, overage: {calls: 0.25}}"
    terms = f"currency: USD\nseats: [{seats}]"
    house = House(HEAD + terms, answers=answers)
    assert lines(house) == [("seat", "2", 98 * USD), ("overage", "10", 2.5 * USD)]
    assert house.balance("revenue:seat:S") == -100.5 * USD


def test_seats_of_part_of_a_month_cost_their_days(answers: Answers) -> None:
    terms = "currency: USD\nseats: [{name: S, count: 2, price: 31}]"
    house = House(HEAD.replace("01-01", "01-17") + terms, answers=answers)
    assert lines(house) == [("seat", "2", 30 * USD)]


def test_tokens_at_cost_and_a_premium_on_them_are_revenue_of_the_agents(answers: Answers) -> None:
    house = House(HEAD + "currency: USD\ntokens: {}\npremium: {percent: 15, per_run: 0.01}", answers=answers)
    assert lines(house) == [("token", "", 10 * USD), ("premium", "", 1.5 * USD), ("premium", "4", 0.04 * USD)]
    assert (house.balance("revenue:token:ada"), house.balance("revenue:premium:ada")) == (-10 * USD, -1.54 * USD)
    assert (house.balance("cost:openai:ada:r1"), house.balance("payable:openai")) == (10 * USD, -10 * USD)
    assert house.balanced()


def test_calls_that_were_recorded_late_are_on_the_next_invoice_once(answers: Answers) -> None:
    house = House(HEAD + "currency: USD\ntokens: {}", answers=answers)
    assert lines(house) == [("token", "", 10 * USD)]
    answers.cost = {"01": "12", "02": "3"}
    house.open()
    assert lines(house, 3) == [("token", "", 3 * USD), ("token", "", 2 * USD)]
    house.open()
    assert house.on(4).close() == []


def test_late_usage_is_billed_by_what_it_adds(answers: Answers) -> None:
    terms = "currency: USD\nusage: {pages: {price: {model: graduated, tiers: [{up_to: 10, unit: 1}, {unit: 0.50}]}}}"
    house = House(HEAD + terms, answers=answers)
    answers.metered = Decimal(8)
    assert lines(house) == [("usage", "8", 8 * USD)]
    answers.metered = Decimal(14)
    house.open()
    assert lines(house, 3) == [("usage", "", 4 * USD)]


def test_cost_in_another_currency_needs_a_rate(answers: Answers) -> None:
    house = House(HEAD + "currency: EUR\ntokens: {}", answers=answers)
    with pytest.raises(SettingsError, match=r'paid in USD and the contract is in EUR.*"USD/EUR"'):
        house.on(2).close()
    house.rates = {("USD", "EUR"): Fraction("0.92")}
    house.open()
    assert lines(house) == [("token", "", 9.2 * USD)]
    assert house.balance("payable:openai", "USD") == -10 * USD


def test_too_few_that_came_true_are_a_service_credit_on_the_same_invoice() -> None:
    sla = "{id: s, outcome: refund.resolved, least_percent: 90, credit_percent: 50}"
    terms = f"currency: USD\noutcomes: {{refund.resolved: 10}}\nsla: [{sla}]"
    house = House(HEAD + terms)
    house.verified()
    house.tell(house.claim(), "reject")
    lines(house)
    invoice = house.invoice  # type: ignore[attr-defined]
    assert (invoice.burnt, invoice.totals.due) == ({"sla-s-2026-01": 5 * USD}, 5 * USD)
    assert (house.balance("contra:sla"), house.balance("credit:sla-s-2026-01"), house.balanced()) == (5 * USD, 0, True)


def test_a_cap_and_a_discount_come_off_in_order_and_tax_is_on_the_rest() -> None:
    terms = "currency: USD\noutcomes: {refund.resolved: 10}\ntax: {percent: 20}\nmost: 15 USD\n"
    terms += "discounts: [{name: D, percent: 10}]"
    house = House(HEAD + terms)
    for _ in range(2):
        house.verified()
    lines(house)
    invoice = house.invoice  # type: ignore[attr-defined]
    assert invoice.discounts == (("D", 2 * USD), ("Most of the period", 3 * USD))
    assert (invoice.totals.net, invoice.totals.tax, house.balance("contra:discount")) == (15 * USD, 3 * USD, 5 * USD)


def test_a_minimum_over_months_is_made_up_with_the_last_of_them() -> None:
    terms = "currency: USD\noutcomes: {refund.resolved: 10}\nminimum: {amount: 40 USD, periods: 3}"
    house = House(HEAD + terms)
    house.verified()
    assert lines(house) == [("outcome", "1", 10 * USD)]
    assert house.on(3).close() == []
    house.on(3, 5).verified()
    assert lines(house, 4) == [("outcome", "1", 10 * USD), ("minimum", "", 20 * USD)]


def test_a_share_of_a_value_that_was_not_told_verifies_nothing_until_it_is() -> None:
    terms = "currency: USD\noutcomes: {refund.resolved: {model: percentage, percent: 5, least: 1}}"
    house = House(HEAD + terms)
    key = house.claim()
    house.tell(key, "verify_pass")
    outcome = house.tell(key, "confirm", attestor="customer", id="said")
    assert outcome is not None
    assert outcome.state == "pending"
    assert "was claimed without one" in house.registry.why("said", key)
    house.verified(value=[200 * USD, "USD"])
    assert lines(house) == [("outcome", "1", 10 * USD)]


def test_a_fee_that_follows_the_cost_of_the_run_is_told_by_the_books(answers: Answers) -> None:
    terms = "currency: USD\noutcomes: {refund.resolved: {model: cost_plus, multiplier: 1.2}}"
    house = House(HEAD + terms)
    assert house.agreed.needs_costs
    house.agreed.costs = run_costs(answers, {})
    house.verified(run="r1")
    assert lines(house) == [("outcome", "1", 3 * USD)]


def test_without_books_a_fee_that_follows_cost_waits(answers: Answers) -> None:
    house = House(HEAD + "currency: USD\noutcomes: {refund.resolved: {model: cost_plus, multiplier: 1.2}}")
    key = house.claim()
    house.tell(key, "verify_pass")
    house.tell(key, "confirm", attestor="customer", id="said")
    assert "follows our cost" in house.registry.why("said", key)
